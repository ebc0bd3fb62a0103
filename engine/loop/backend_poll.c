/* SPDX-License-Identifier: MIT */
/*
 * poll(2): a dense array handed to the kernel each turn, so a turn costs about
 * 30 ns for each descriptor watched. A map from descriptor to place makes
 * changes constant time.
 */
#include "loop/backend.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"

struct poller {
    struct atl_backend_self base;
    struct pollfd *fds; /* owns: the set */
    uint64_t *tokens;   /* owns: beside it */
    size_t count, fds_capacity, tokens_capacity;
    size_t start;    /* where the next scan begins, so that none starves */
    uint32_t *place; /* owns: place in the set + 1, by descriptor */
    size_t places;
};

static int poll_start(void *self, struct atl_error *why)
{
    (void)why;
    ((struct poller *)self)->base.fd = -1;
    return 0;
}

static void poll_end(void *self)
{
    struct poller *p = self;
    atl__free(p->fds, p->fds_capacity * sizeof(*p->fds));
    atl__free(p->tokens, p->tokens_capacity * sizeof(*p->tokens));
    atl__free(p->place, p->places * sizeof(*p->place));
}

/* Room for one more in both arrays. */
static int grow_set(struct poller *p)
{
    size_t wanted = p->fds_capacity ? p->fds_capacity * 2 : 64;
    if (p->count == p->fds_capacity) {
        void *fds = atl__resize(p->fds, p->fds_capacity * sizeof(*p->fds),
                                wanted * sizeof(*p->fds));
        if (fds == NULL)
            return -ENOMEM;
        p->fds = fds;
        p->fds_capacity = wanted;
    }
    if (p->count == p->tokens_capacity) {
        wanted = p->fds_capacity;
        void *tokens =
            atl__resize(p->tokens, p->tokens_capacity * sizeof(*p->tokens),
                        wanted * sizeof(*p->tokens));
        if (tokens == NULL)
            return -ENOMEM;
        p->tokens = tokens;
        p->tokens_capacity = wanted;
    }
    return 0;
}

static int grow_map(struct poller *p, size_t fd)
{
    size_t wanted = p->places ? p->places : 64;
    while (wanted <= fd)
        wanted *= 2;
    uint32_t *place = atl__resize(p->place, p->places * sizeof(*place),
                                  wanted * sizeof(*place));
    if (place == NULL)
        return -ENOMEM;
    memset(place + p->places, 0, (wanted - p->places) * sizeof(*place));
    p->place = place;
    p->places = wanted;
    return 0;
}

static short to_poll(unsigned want)
{
    return (short)(((want & ATL_IO_READ) ? POLLIN : 0) |
                   ((want & ATL_IO_WRITE) ? POLLOUT : 0) |
                   ((want & ATL_IO_HANGUP) ? POLLRDHUP : 0));
}

static void leave(struct poller *p, int fd)
{
    size_t i = p->place[fd] - 1, last = --p->count;
    p->place[fd] = 0;
    if (i == last)
        return;
    p->fds[i] = p->fds[last];
    p->tokens[i] = p->tokens[last];
    p->place[p->fds[i].fd] = (uint32_t)i + 1;
}

static int poll_set(void *self, int fd, unsigned from, unsigned to,
                    uint64_t token)
{
    struct poller *p = self;
    if (to == 0) {
        leave(p, fd);
        return 0;
    }
    if (from == 0) {
        if ((size_t)fd >= p->places && grow_map(p, (size_t)fd) < 0)
            return -ENOMEM;
        if (grow_set(p) < 0)
            return -ENOMEM;
        p->place[fd] = (uint32_t)++p->count;
    }
    size_t i = p->place[fd] - 1;
    p->fds[i] = (struct pollfd){.fd = fd, .events = to_poll(to)};
    p->tokens[i] = token;
    return 0;
}

static unsigned from_poll(int events)
{
    return ((events & POLLIN) ? ATL_IO_READ : 0u) |
           ((events & POLLOUT) ? ATL_IO_WRITE : 0u) |
           ((events & POLLRDHUP) ? ATL_IO_HANGUP : 0u) |
           ((events & (POLLHUP | POLLERR | POLLNVAL)) ? ATL_IO_DEAD : 0u);
}

static int poll_sleep(void *self, struct atl_ready *out, int size,
                      int64_t wait_ns)
{
    struct poller *p = self;
    const struct atl_os *os = p->base.os;
    int left = os->calls->poll(os->self, p->fds, p->count, wait_ns);
    int n = 0;
    if (left < 0)
        return left == -EINTR ? 0 : left;
    size_t i = p->start < p->count ? p->start : 0;
    for (size_t seen = 0; seen < p->count && left > 0 && n < size; seen++) {
        if (p->fds[i].revents != 0) {
            left--;
            out[n++] = (struct atl_ready){
                .token = p->tokens[i], .ready = from_poll(p->fds[i].revents)};
        }
        if (++i == p->count)
            i = 0;
    }
    p->start = left > 0 ? i : 0;
    return n;
}

const struct atl_backend atl__backend_poll = {
    .name = "poll",
    .size = sizeof(struct poller),
    .fd_max = INT_MAX,
    .init = poll_start,
    .fini = poll_end,
    .set = poll_set,
    .wait = poll_sleep,
};
