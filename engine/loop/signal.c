/* SPDX-License-Identifier: MIT */
/* Signals on the loop's side: a handle is an object that keeps nothing alive,
   and a number is watched while some open handle of the loop wants it. */
#include "loop/private.h"

#include <errno.h>

#include "base/mem.h"

struct atl_signal {
    struct atl_object object;
    atl_signal_fn *fn;
    void *data; /* borrows */
    int number;
};

static void signal_stop(struct atl_object *o)
{
    struct atl_signal *s = ATL_CONTAINER(o, struct atl_signal, object);
    if (o->state != ATL_OBJECT_OPEN)
        return;
    /* Another handle of this loop may still want the number. */
    struct atl_list *head = &o->loop->objects[ATL_KIND_SIGNAL];
    bool shared = false;
    for (struct atl_list *l = head->next; l != head; l = l->next) {
        const struct atl_signal *other =
            ATL_CONTAINER(l, struct atl_signal, object.link);
        shared |= other != s && other->number == s->number &&
                  other->object.state == ATL_OBJECT_OPEN;
    }
    if (!shared)
        atl__signal_unwatch(o->loop->signal_port, s->number);
    atl__object_close(o);
}

static void signal_closed(struct atl_object *o)
{
    (void)o;
}

static void signal_free(struct atl_object *o)
{
    atl__free(o, sizeof(struct atl_signal));
}

static const struct atl_object_kind signal_kind = {ATL_KIND_SIGNAL, signal_stop,
                                                   signal_closed, signal_free};

static bool watched(const struct atl_loop *loop, int number)
{
    const struct atl_list *head = &loop->objects[ATL_KIND_SIGNAL];
    for (const struct atl_list *l = head->next; l != head; l = l->next) {
        const struct atl_signal *s =
            ATL_CONTAINER(l, struct atl_signal, object.link);
        if (s->number == number && s->object.state == ATL_OBJECT_OPEN)
            return true;
    }
    return false;
}

int atl_signal_open(struct atl_signal **out, struct atl_loop *loop, int number,
                    atl_signal_fn *fn, void *data, struct atl_error *why)
{
    int r;
    if (loop->signal_port < 0) {
        r = atl__signal_port_open(loop->wake[1]);
        if (r < 0)
            return atl_fail(why, r, "too many loops watch signals");
        loop->signal_port = r;
    }
    struct atl_signal *s = atl__zalloc(sizeof(*s));
    if (s == NULL)
        return atl_fail(why, -ENOMEM, NULL);
    r = watched(loop, number) ? 0
                              : atl__signal_watch(loop->signal_port, number);
    if (r < 0) {
        atl__free(s, sizeof(*s));
        return atl_fail(why, r, "signal %d cannot be watched: %s", number,
                        atl_error_text(r));
    }
    s->fn = fn;
    s->data = data;
    s->number = number;
    atl__object_init(&s->object, loop, &signal_kind, false);
    *out = s;
    return 0;
}

void atl_signal_close(struct atl_signal **signal)
{
    struct atl_signal *s = *signal;
    *signal = NULL;
    if (s != NULL)
        signal_stop(&s->object);
}

void *atl_signal_data(const struct atl_signal *signal)
{
    return signal->data;
}

void atl__signals_run(struct atl_loop *loop)
{
    uint64_t pending = atl__signal_take(loop->signal_port);
    const struct atl_list *head = &loop->objects[ATL_KIND_SIGNAL];
    const struct atl_list *last = head->prev, *next = head->next;
    if (pending == 0 || atl__list_empty(head))
        return;
    /* Closed handles stay on the list until phase 5, so the walk is safe; what
       is opened meanwhile comes after the last and was not meant. */
    for (const struct atl_list *l = NULL; l != last; next = l->next) {
        l = next;
        struct atl_signal *s = ATL_CONTAINER(l, struct atl_signal, object.link);
        if (s->object.state != ATL_OBJECT_OPEN ||
            !(pending & (UINT64_C(1) << s->number)))
            continue;
        s->fn(s, s->number);
        atl__turn_unit_end(loop);
    }
}

void atl__signals_fini(struct atl_loop *loop)
{
    if (loop->signal_port >= 0)
        atl__signal_port_close(loop->signal_port);
    loop->signal_port = -1;
}
