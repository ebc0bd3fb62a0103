/* SPDX-License-Identifier: MIT */
/*
 * Watched descriptors. Owners say what they want as often as they like; the
 * backend hears of it once a turn. What the kernel is given is a token, so an
 * event for a descriptor that was closed, or closed and opened again, finds
 * nobody.
 */
#include <errno.h>

#include "base/mem.h"
#include "loop/private.h"

/* A descriptor that is always ready (a regular file) is served each turn. */
struct always {
    struct atl_list link;
    uint64_t token;
};

/* Every open descriptor can become dirty once more before the next flush, and
   again in it. */
static int reserve_dirty(struct atl_loop *loop)
{
    size_t needed = loop->dirty_count + 2 * (loop->io_count + 1);
    size_t wanted = loop->dirty_capacity ? loop->dirty_capacity : 64;
    if (needed <= loop->dirty_capacity)
        return 0;
    while (wanted < needed)
        wanted *= 2;
    void *p =
        atl__resize(loop->dirty, loop->dirty_capacity * sizeof(*loop->dirty),
                    wanted * sizeof(*loop->dirty));
    if (p == NULL)
        return -ENOMEM;
    loop->dirty = p;
    loop->dirty_capacity = wanted;
    return 0;
}

int atl__io_open(struct atl_io *io, struct atl_loop *loop, int fd,
                 atl_io_fn *fn, struct atl_error *why)
{
    if (fd > loop->backend->fd_max)
        return atl_fail(why, -EMFILE,
                        "descriptor %d is too high for the %s backend (at "
                        "most %d): use poll or epoll",
                        fd, loop->backend->name, loop->backend->fd_max);
    uint64_t token;
    int r = reserve_dirty(loop);
    if (r == 0)
        r = atl__slots_take(loop->slots, io, &token);
    if (r < 0)
        return atl_fail(why, r, NULL);
    *io = (struct atl_io){.fn = fn, .token = token, .fd = fd};
    loop->io_count++;
    return 0;
}

void atl__io_want(struct atl_io *io, struct atl_loop *loop, unsigned want)
{
    io->want = (uint8_t)want;
    if (io->want == io->told || io->dirty || io->token == 0)
        return;
    io->dirty = true;
    loop->dirty[loop->dirty_count++] = io->token;
}

int atl__io_release(struct atl_io *io, struct atl_loop *loop)
{
    if (io->token == 0)
        return io->fd;
    if (io->told != 0)
        loop->backend->set(loop->self, io->fd, io->told, 0, io->token);
    atl__slots_give(loop->slots, io->token);
    io->token = 0;
    io->want = io->told = 0;
    loop->io_count--;
    return io->fd;
}

void atl__io_close(struct atl_io *io, struct atl_loop *loop)
{
    if (io->token == 0)
        return;
    int fd = atl__io_release(io, loop);
    io->fd = -1;
    atl__os_close(loop->os, fd);
    atl__governor_freed(loop);
}

static void watch_always(struct atl_loop *loop, struct atl_io *io)
{
    struct always *a = atl__alloc(sizeof(*a));
    if (a == NULL) {
        io->fn(io, ATL_IO_DEAD);
        return;
    }
    io->always_ready = true;
    a->token = io->token;
    atl__list_append(&loop->always, &a->link);
}

static void tell(struct atl_loop *loop, struct atl_io *io)
{
    io->dirty = false;
    if (io->want == io->told || io->always_ready)
        return;
    int r =
        loop->backend->set(loop->self, io->fd, io->told, io->want, io->token);
    if (r == 0)
        io->told = io->want;
    else if (r == -EPERM && io->told == 0)
        watch_always(loop, io);
    else
        io->fn(io, ATL_IO_DEAD); /* cannot be watched any more */
}

void atl__io_flush(struct atl_loop *loop)
{
    size_t count = loop->dirty_count;
    for (size_t i = 0; i < count; i++) {
        struct atl_io *io = atl__slots_get(loop->slots, loop->dirty[i]);
        if (io != NULL && io->dirty)
            tell(loop, io);
    }
    /* What an owner wants on being told that its descriptor cannot be watched
       is for the next turn: the backend may fail again. */
    loop->dirty_count -= count;
    for (size_t i = 0; i < loop->dirty_count; i++)
        loop->dirty[i] = loop->dirty[count + i];
}

void atl__io_dispatch(struct atl_loop *loop, const struct atl_ready *event)
{
    struct atl_io *io = atl__slots_get(loop->slots, event->token);
    if (io == NULL) {
        loop->stats.stale_events++;
        return;
    }
    unsigned ready = event->ready & (io->want | ATL_IO_DEAD);
    if (ready == 0 || io->want == 0) /* changed its mind in this batch */
        return;
    if (ready & ATL_IO_HANGUP)
        atl__io_want(io, loop, io->want & ~(unsigned)ATL_IO_HANGUP);
    loop->stats.events++;
    io->fn(io, ready);
    atl__turn_unit_end(loop);
}

bool atl__io_any_always(const struct atl_loop *loop)
{
    for (const struct atl_list *l = loop->always.next; l != &loop->always;
         l = l->next) {
        const struct always *a = ATL_CONTAINER(l, struct always, link);
        const struct atl_io *io = atl__slots_get(loop->slots, a->token);
        if (io == NULL || (io->want & (ATL_IO_READ | ATL_IO_WRITE)))
            return true;
    }
    return false;
}

void atl__io_serve_always(struct atl_loop *loop)
{
    struct atl_list *next;
    for (struct atl_list *l = loop->always.next; l != &loop->always; l = next) {
        struct always *a = ATL_CONTAINER(l, struct always, link);
        struct atl_io *io = atl__slots_get(loop->slots, a->token);
        next = l->next;
        if (io == NULL) {
            atl__list_remove(l);
            atl__free(a, sizeof(*a));
            continue;
        }
        unsigned ready = io->want & (ATL_IO_READ | ATL_IO_WRITE);
        if (ready != 0) {
            io->fn(io, ready);
            atl__turn_unit_end(loop);
        }
    }
}
