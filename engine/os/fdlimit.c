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

#define SCANNED 1048576 /* no descriptor is looked for above this number */

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

/* The most that the system lets any process have, SIZE_MAX if it does not say.
 */
static size_t system_cap(void)
{
    char text[32];
    size_t cap = 0;
    int fd = open("/proc/sys/fs/nr_open", O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return SIZE_MAX;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        cap = cap * 10 + (size_t)(text[i] - '0');
    return cap > 0 ? cap : SIZE_MAX;
}

static int refused(size_t want, size_t got, size_t cap, struct atl_error *why)
{
    if (got >= cap)
        return atl_fail(why, -EPERM,
                        "asked for %zu open files, got %zu: this system allows "
                        "no process more (as root: sysctl fs.nr_open=%zu)",
                        want, got, want);
    return atl_fail(why, -EPERM,
                    "asked for %zu open files, got %zu, the hard limit: raise "
                    "it with \"ulimit -n %zu\" as root before the start, "
                    "LimitNOFILE=%zu in the systemd unit, or the capability "
                    "CAP_SYS_RESOURCE",
                    want, got, want, want);
}

/* As far as allowed; what holds afterwards. */
static size_t raise_to(size_t want, size_t soft, size_t hard, size_t cap)
{
    size_t most = want < cap ? want : cap;
    if (most > hard && set(most, most) == 0)
        return most;
    size_t reach = want < hard ? want : hard;
    return reach == soft || set(reach, hard) == 0 ? reach : soft;
}

int atl_fdlimit_set(size_t want, size_t *got, struct atl_error *why)
{
    size_t soft = 0, hard = 0, cap;
    if (want == 0)
        return atl_fail(why, -EINVAL, "the limit must be at least 1");
    int r = atl_fdlimit_get(&soft, &hard);
    if (r < 0)
        return atl_fail(why, r, NULL);
    *got = soft;
    if (want < soft && in_use(want, soft < SCANNED ? soft : SCANNED))
        return atl_fail(why, -EBUSY,
                        "cannot lower the limit to %zu: a descriptor of that "
                        "number or higher is open",
                        want);
    cap = want > hard ? system_cap() : SIZE_MAX;
    *got = raise_to(want, soft, hard, cap);
    return *got == want ? 0 : refused(want, *got, cap, why);
}
