/* SPDX-License-Identifier: MIT */
/*
 * select(2): for systems that have nothing else, and as the smallest example
 * of a backend. It cannot watch descriptors from FD_SETSIZE on, costs about
 * 30 ns a turn for each number up to the highest, and knows no "hangup only":
 * descriptors that want the end told but not input are looked at with poll(2),
 * at most every 100 ms. One bad descriptor fails the whole call; poll tells
 * which.
 */
#include "loop/backend.h"

#include <errno.h>
#include <string.h>

#define HANGUP_CHECK_NS (100 * ATL_MILLISECOND)

struct selector {
    struct atl_backend_self base;
    fd_set read, write;
    uint64_t tokens[FD_SETSIZE];
    uint8_t want[FD_SETSIZE]; /* enum atl_io_want */
    int end;                  /* highest watched descriptor + 1 */
    int start;                /* where the next scan begins */
    int unseen;               /* of how many only poll can tell the end */
    int64_t next_check_ns;
};

static int select_start(void *self, struct atl_error *why)
{
    struct selector *s = self;
    (void)why;
    s->base.fd = -1;
    FD_ZERO(&s->read);
    FD_ZERO(&s->write);
    return 0;
}

static void select_end(void *self)
{
    (void)self;
}

/* A readable descriptor tells its end by itself. */
static bool unseen(unsigned want)
{
    return (want & (ATL_IO_READ | ATL_IO_HANGUP)) == ATL_IO_HANGUP;
}

static int select_set(void *self, int fd, unsigned from, unsigned to,
                      uint64_t token)
{
    struct selector *s = self;
    if (fd < 0 || fd >= FD_SETSIZE)
        return -EMFILE;
    FD_CLR(fd, &s->read);
    FD_CLR(fd, &s->write);
    if (to & ATL_IO_READ)
        FD_SET(fd, &s->read);
    if (to & ATL_IO_WRITE)
        FD_SET(fd, &s->write);
    s->unseen += unseen(to) - unseen(from);
    s->want[fd] = (uint8_t)to;
    s->tokens[fd] = token;
    if (to != 0 && fd >= s->end)
        s->end = fd + 1;
    while (s->end > 0 && s->want[s->end - 1] == 0)
        s->end--;
    return 0;
}

/* Asks poll for the end of descriptors: of all, or of the unseen. */
static int ask_poll(struct selector *s, bool all, struct atl_ready *out,
                    int size)
{
    const struct atl_os *os = s->base.os;
    struct pollfd fds[FD_SETSIZE];
    size_t count = 0;
    int n = 0;
    for (int fd = 0; fd < s->end; fd++)
        if (all ? s->want[fd] != 0 : unseen(s->want[fd]))
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLRDHUP};
    if (os->calls->poll(os->self, fds, count, 0) <= 0)
        return 0;
    for (size_t i = 0; i < count && n < size; i++) {
        int events = fds[i].revents;
        if (events == 0)
            continue;
        out[n++] = (struct atl_ready){
            .token = s->tokens[fds[i].fd],
            .ready = ATL_IO_HANGUP | ((events & ~POLLRDHUP) ? ATL_IO_DEAD : 0u),
        };
    }
    return n;
}

/* Looks at the unseen when it is time, and bounds the wait by the next time. */
static int check_unseen(struct selector *s, struct atl_ready *out, int size,
                        int64_t *wait_ns)
{
    const struct atl_os *os = s->base.os;
    int n = 0;
    if (s->unseen == 0)
        return 0;
    int64_t now = os->calls->now(os->self);
    if (now >= s->next_check_ns) {
        s->next_check_ns = now + HANGUP_CHECK_NS;
        n = ask_poll(s, false, out, size);
    }
    int64_t most = n > 0 ? 0 : s->next_check_ns - now;
    if (*wait_ns > most)
        *wait_ns = most;
    return n;
}

static int collect(struct selector *s, const fd_set *r, const fd_set *w,
                   int left, struct atl_ready *out, int size)
{
    int n = 0, fd = s->start < s->end ? s->start : 0;
    for (int seen = 0; seen < s->end && left > 0 && n < size; seen++) {
        unsigned ready = (FD_ISSET(fd, r) ? ATL_IO_READ : 0u) |
                         (FD_ISSET(fd, w) ? ATL_IO_WRITE : 0u);
        if (ready != 0) {
            left -= FD_ISSET(fd, r) && FD_ISSET(fd, w) ? 2 : 1;
            out[n++] =
                (struct atl_ready){.token = s->tokens[fd], .ready = ready};
        }
        if (++fd == s->end)
            fd = 0;
    }
    s->start = left > 0 ? fd : 0;
    return n;
}

static int select_sleep(void *self, struct atl_ready *out, int size,
                        int64_t wait_ns)
{
    struct selector *s = self;
    const struct atl_os *os = s->base.os;
    fd_set r = s->read, w = s->write;
    int n = check_unseen(s, out, size, &wait_ns);
    int left = os->calls->select(os->self, s->end, &r, &w, wait_ns);
    if (left == -EBADF && n == 0)
        n = ask_poll(s, true, out, size);
    if (left == -EINTR || (left < 0 && n > 0))
        return n;
    if (left < 0)
        return left;
    return n + collect(s, &r, &w, left, out + n, size - n);
}

const struct atl_backend atl__backend_select = {
    .name = "select",
    .size = sizeof(struct selector),
    .fd_max = FD_SETSIZE - 1,
    .init = select_start,
    .fini = select_end,
    .set = select_set,
    .wait = select_sleep,
};
