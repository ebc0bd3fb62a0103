/* SPDX-License-Identifier: MIT */
/*
 * epoll(7): the kernel keeps the set, so a turn costs what is ready, not what
 * is watched. The token travels in the event itself.
 */
#include "loop/backend.h"

#include <errno.h>
#include <limits.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#ifdef __linux__
#define BATCH 256

struct epoll {
    struct atl_backend_self base;
    struct epoll_event events[BATCH];
};

static int epoll_start(void *self, struct atl_error *why)
{
    struct epoll *e = self;
    int fd = e->base.os->calls->epoll_create(e->base.os->self);
    if (fd < 0)
        return atl_fail(why, fd, "epoll_create: %s", atl_error_text(fd));
    e->base.fd = fd;
    return 0;
}

static void epoll_end(void *self)
{
    struct epoll *e = self;
    atl__os_close(e->base.os, e->base.fd);
}

static uint32_t to_epoll(unsigned want)
{
    return ((want & ATL_IO_READ) ? EPOLLIN : 0) |
           ((want & ATL_IO_WRITE) ? EPOLLOUT : 0) |
           ((want & ATL_IO_HANGUP) ? EPOLLRDHUP : 0);
}

static unsigned from_epoll(uint32_t events)
{
    return ((events & EPOLLIN) ? ATL_IO_READ : 0u) |
           ((events & EPOLLOUT) ? ATL_IO_WRITE : 0u) |
           ((events & EPOLLRDHUP) ? ATL_IO_HANGUP : 0u) |
           ((events & (EPOLLHUP | EPOLLERR)) ? ATL_IO_DEAD : 0u);
}

static int epoll_set(void *self, int fd, unsigned from, unsigned to,
                     uint64_t token)
{
    struct epoll *e = self;
    const struct atl_os *os = e->base.os;
    struct epoll_event ev = {.events = to_epoll(to), .data.u64 = token};
    int op = from == 0 ? EPOLL_CTL_ADD
             : to == 0 ? EPOLL_CTL_DEL
                       : EPOLL_CTL_MOD;
    return os->calls->epoll_ctl(os->self, e->base.fd, op, fd, &ev);
}

static int epoll_sleep(void *self, struct atl_ready *out, int size,
                       int64_t wait_ns)
{
    struct epoll *e = self;
    const struct atl_os *os = e->base.os;
    int n = os->calls->epoll_wait(os->self, e->base.fd, e->events,
                                  size < BATCH ? size : BATCH, wait_ns);
    if (n == -EINTR)
        return 0;
    for (int i = 0; i < n; i++)
        out[i] = (struct atl_ready){.token = e->events[i].data.u64,
                                    .ready = from_epoll(e->events[i].events)};
    return n;
}

const struct atl_backend atl__backend_epoll = {
    .name = "epoll",
    .size = sizeof(struct epoll),
    .fd_max = INT_MAX,
    .init = epoll_start,
    .fini = epoll_end,
    .set = epoll_set,
    .wait = epoll_sleep,
};
#endif
