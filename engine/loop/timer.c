/* SPDX-License-Identifier: MIT */
/*
 * Timers in a heap. A phase runs those that were due when the turn read the
 * clock and were started before the phase began, so a timer that starts itself
 * anew with no delay cannot keep descriptors waiting.
 */
#include "loop/private.h"

static int64_t add(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

void atl_timer_init(struct atl_timer *timer, struct atl_loop *loop,
                    atl_timer_fn *fn, void *data)
{
    *timer = (struct atl_timer){.fn = fn, .data = data, .loop = loop};
}

static int put(struct atl_timer *timer, int64_t due_ns)
{
    struct atl_loop *loop = timer->loop;
    timer->due_ns = due_ns;
    if (timer->index != 0) {
        atl__heap_move(&loop->timers, &timer->index, due_ns,
                       loop->timer_sequence++);
        return 0;
    }
    int r = atl__heap_push(&loop->timers, due_ns, loop->timer_sequence++,
                           &timer->index);
    if (r == 0 && !timer->unref)
        loop->timers_kept++;
    return r;
}

int atl_timer_start(struct atl_timer *timer, int64_t delay_ns,
                    int64_t repeat_ns)
{
    timer->repeat_ns = repeat_ns > 0 ? repeat_ns : 0;
    timer->missed = 0;
    if (delay_ns == ATL_NEVER) {
        atl_timer_stop(timer);
        return 0;
    }
    int64_t now = atl_loop_clock(timer->loop);
    return put(timer, add(now, delay_ns > 0 ? delay_ns : 0));
}

void atl_timer_stop(struct atl_timer *timer)
{
    if (timer->index == 0)
        return;
    atl__heap_remove(&timer->loop->timers, &timer->index);
    if (!timer->unref)
        timer->loop->timers_kept--;
}

bool atl_timer_active(const struct atl_timer *timer)
{
    return timer->index != 0;
}

void atl_timer_keep_alive(struct atl_timer *timer, bool keep)
{
    if (timer->unref == !keep)
        return;
    timer->unref = !keep;
    if (timer->index == 0)
        return;
    if (keep)
        timer->loop->timers_kept++;
    else
        timer->loop->timers_kept--;
}

int64_t atl__timers_next(const struct atl_loop *loop)
{
    const struct atl_heap_entry *top = atl__heap_top(&loop->timers);
    return top ? top->key : ATL_NEVER;
}

/* Moves a repeating timer to its next tick in the future. Never fails: the
   timer keeps its place in the heap. */
static void advance(struct atl_timer *timer, int64_t now)
{
    int64_t late = now - timer->due_ns;
    int64_t skipped = late / timer->repeat_ns;
    timer->missed += (uint64_t)skipped;
    put(timer, add(timer->due_ns, (skipped + 1) * timer->repeat_ns));
}

void atl__timers_run(struct atl_loop *loop)
{
    uint64_t bound = loop->timer_sequence;
    int64_t now = loop->now_ns;
    for (;;) {
        const struct atl_heap_entry *top = atl__heap_top(&loop->timers);
        if (top == NULL || top->key > now || top->sequence >= bound)
            return;
        struct atl_timer *timer =
            ATL_CONTAINER(top->index, struct atl_timer, index);
        if (timer->repeat_ns > 0)
            advance(timer, now);
        else
            atl_timer_stop(timer);
        loop->stats.timers_fired++;
        timer->fn(timer);
        atl__turn_unit_end(loop);
    }
}

void atl__timers_drop(struct atl_loop *loop)
{
    while (loop->timers.count > 0) {
        uint32_t *index = loop->timers.entries[loop->timers.count - 1].index;
        atl_timer_stop(ATL_CONTAINER(index, struct atl_timer, index));
    }
    atl__heap_fini(&loop->timers);
}
