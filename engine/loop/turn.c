/* SPDX-License-Identifier: MIT */
/* One turn of the loop: the six phases of atools/loop.h, in their order. */
#include "loop/private.h"

#include <errno.h>

void atl__turn_unit_end(struct atl_loop *loop)
{
    struct atl_gather *g = &loop->gather;
    if (g->owner != NULL)
        g->flush(g->owner);
}

/* How long the wait may last; 0 when there is work in memory. */
int64_t atl__turn_limit(struct atl_loop *loop, int64_t timeout_ns)
{
    if (!atl__posts_empty(&loop->ready) || !atl__posts_empty(&loop->flush) ||
        loop->closing != NULL || atomic_load(&loop->any_posted) ||
        loop->dirty_count > 0 || atl__io_any_always(loop))
        return 0;
    int64_t due = atl__timers_next(loop), look = atl__governor_next(loop);
    if (look < due)
        due = look;
    if (due == ATL_NEVER)
        return timeout_ns;
    int64_t left = due - atl_loop_clock(loop);
    if (left < 0)
        left = 0;
    return left < timeout_ns ? left : timeout_ns;
}

/*
 * Output first, since a short write changes interest; then the governor, since
 * resumed listeners do too; then the backend hears of it; memory last.
 */
void atl__turn_flush(struct atl_loop *loop)
{
    atl__turn_unit_end(loop);
    atl__posts_run(loop, &loop->flush);
    atl__governor_run(loop);
    atl__io_flush(loop);
    atl__close_free(loop);
}

int atl__turn(struct atl_loop *loop, int64_t timeout_ns)
{
    atl__turn_unit_end(loop); /* what was written between the turns */
    int64_t wait_ns = atl__turn_limit(loop, timeout_ns);
    int n =
        loop->backend->wait(loop->self, loop->events, EVENTS_PER_TURN, wait_ns);
    loop->now_ns = atl_loop_clock(loop);
    loop->stats.turns++;
    if (n < 0)
        return n;
    for (int i = 0; i < n; i++)
        atl__io_dispatch(loop, &loop->events[i]);
    atl__timers_run(loop);
    atl__posts_collect(loop);
    atl__io_serve_always(loop);
    atl__posts_run(loop, &loop->ready);
    atl__close_run(loop);
    atl__turn_flush(loop);
    return 0;
}
