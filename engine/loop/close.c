/* SPDX-License-Identifier: MIT */
/*
 * The end of objects. Closing only queues: on_close runs in phase 5, memory is
 * freed at the end of phase 6 once no callback of the object is on the stack
 * and no operation of it is in flight.
 */
#include "loop/private.h"

void atl__object_init(struct atl_object *o, struct atl_loop *loop,
                      const struct atl_object_kind *kind, bool keeps_alive)
{
    *o = (struct atl_object){
        .kind = kind, .loop = loop, .keeps_alive = keeps_alive};
    atl__list_append(&loop->objects[kind->kind], &o->link);
    loop->open[kind->kind]++;
    loop->kept += keeps_alive;
}

void atl__object_fini(struct atl_object *o)
{
    atl__object_keep_alive(o, false);
    atl__list_remove(&o->link);
    o->loop->open[o->kind->kind]--;
}

void atl__object_keep_alive(struct atl_object *o, bool keep)
{
    o->loop->kept += keep - o->keeps_alive;
    o->keeps_alive = keep;
}

void atl__object_close(struct atl_object *o)
{
    struct atl_loop *loop = o->loop;
    if (o->state != ATL_OBJECT_OPEN)
        return;
    o->state = ATL_OBJECT_CLOSING;
    o->next_closing = NULL;
    *loop->closing_end = o;
    loop->closing_end = &o->next_closing;
}

/* Nothing will call into it any more: to be freed. */
static void retire(struct atl_object *o)
{
    struct atl_loop *loop = o->loop;
    atl__object_fini(o);
    o->next_closing = loop->closed;
    loop->closed = o;
}

void atl__object_done(struct atl_object *o)
{
    if (--o->ops == 0 && o->state == ATL_OBJECT_CLOSED)
        retire(o);
}

void atl__close_run(struct atl_loop *loop)
{
    struct atl_object *o = loop->closing;
    loop->closing = NULL;
    loop->closing_end = &loop->closing;
    while (o != NULL) {
        struct atl_object *next = o->next_closing;
        o->busy++;
        o->kind->closed(o);
        o->busy--;
        atl__turn_unit_end(loop);
        o->state = ATL_OBJECT_CLOSED;
        if (o->ops == 0)
            retire(o);
        o = next;
    }
}

void atl__close_free(struct atl_loop *loop)
{
    struct atl_object **link = &loop->closed;
    while (*link != NULL) {
        struct atl_object *o = *link;
        if (o->busy > 0) {
            link = &o->next_closing;
            continue;
        }
        *link = o->next_closing;
        o->kind->free(o);
    }
}
