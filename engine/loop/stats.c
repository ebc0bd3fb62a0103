/* SPDX-License-Identifier: MIT */
/* Counters, and the walk over everything that is open. */
#include "loop/private.h"

struct atl_stats *atl__loop_counters(struct atl_loop *loop)
{
    return &loop->stats;
}

void atl_loop_stats(const struct atl_loop *loop, struct atl_stats *out)
{
    *out = loop->stats;
    out->streams = loop->open[ATL_KIND_STREAM];
    out->listeners = loop->open[ATL_KIND_LISTENER];
    out->signals = loop->open[ATL_KIND_SIGNAL];
    out->timers = loop->timers.count;
    out->files = loop->io_count - 1; /* without the wake-up descriptor */
    out->memory = atl_memory_used();
}

int atl_loop_visit(struct atl_loop *loop, atl_visit_fn *fn, void *ctx)
{
    for (int kind = 0; kind < ATL_KINDS; kind++) {
        struct atl_list *head = &loop->objects[kind];
        for (struct atl_list *l = head->next; l != head; l = l->next) {
            struct atl_object *o = ATL_CONTAINER(l, struct atl_object, link);
            int r = fn(ctx, (enum atl_kind)kind, o, o->keeps_alive);
            if (r != 0)
                return r;
        }
    }
    for (size_t i = 0; i < loop->timers.count; i++) {
        struct atl_timer *timer = ATL_CONTAINER(loop->timers.entries[i].index,
                                                struct atl_timer, index);
        int r = fn(ctx, ATL_KIND_TIMER, timer, !timer->unref);
        if (r != 0)
            return r;
    }
    return 0;
}
