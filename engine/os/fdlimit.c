/* SPDX-License-Identifier: MIT */
/*
 * The process's limit of open descriptors. Raising the soft limit up to the
 * hard one needs no rights; the hard one is tried only when it is in the way,
 * and never lowered: that could not be undone.
 */
#include "atools/loop.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t from_rlim(rlim_t r)
{
    return r == RLIM_INFINITY || r > SIZE_MAX ? SIZE_MAX : (size_t)r;
}

static rlim_t to_rlim(size_t n)
{
    return n == SIZE_MAX ? RLIM_INFINITY : (rlim_t)n;
}

int atl_fdlimit_get(size_t *soft, size_t *hard)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == -1)
        return -errno;
    *soft = from_rlim(r.rlim_cur);
    *hard = from_rlim(r.rlim_max);
    return 0;
}

static int set(size_t soft, size_t hard)
{
    struct rlimit r = {to_rlim(soft), to_rlim(hard)};
    return setrlimit(RLIMIT_NOFILE, &r) == -1 ? -errno : 0;
}

/* Only called to lower the limit, so the range to look at is the old one. */
static bool in_use(size_t from, size_t to)
{
    struct pollfd set_of[256];
    for (size_t fd = from; fd < to;) {
        nfds_t n = 0;
        while (n < 256 && fd < to)
            set_of[n++] = (struct pollfd){.fd = (int)fd++};
        if (poll(set_of, n, 0) == -1)
            return true;
        for (nfds_t i = 0; i < n; i++)
            if (!(set_of[i].revents & POLLNVAL))
                return true;
    }
    return false;
}

int atl_fdlimit_set(size_t want, size_t *got, struct atl_error *why)
{
    size_t soft = 0, hard = 0;
    if (want == 0)
        return atl_fail(why, -EINVAL, "the limit must be at least 1");
    int r = atl_fdlimit_get(&soft, &hard);
    if (r < 0)
        return atl_fail(why, r, NULL);
    *got = soft;
    if (want < soft && in_use(want, soft < 1048576 ? soft : 1048576))
        return atl_fail(why, -EBUSY,
                        "cannot lower the limit to %zu: a descriptor of that "
                        "number or higher is open",
                        want);
    if (want > hard && set(want, want) == 0) {
        *got = want;
        return 0;
    }
    size_t reach = want < hard ? want : hard;
    if (reach != soft && set(reach, hard) == 0)
        *got = reach;
    if (*got == want)
        return 0;
    return atl_fail(
        why, -EPERM,
        "asked for %zu open files, got %zu (hard limit %zu): raise "
        "the hard limit with \"ulimit -Hn %zu\", LimitNOFILE=%zu in "
        "the systemd unit, or run as root",
        want, *got, hard, want, want);
}
