/* SPDX-License-Identifier: MIT */
/*
 * Relays: what one stream receives is written to another. The bytes go from
 * the loop's read buffer straight to the target when that takes them; when its
 * queue rises above the high mark the source is held until it has drained.
 */
#include "net/stream.h"

#include <errno.h>

#include "base/mem.h"

struct atl_relay {
    struct atl_list to_link;      /* on the target's list */
    struct atl_stream *from, *to; /* peer; NULL once it ended */
    struct atl_loop *loop;        /* borrows */
    uint64_t left, copied;
    atl_relay_fn *fn;
    void *data;           /* borrows */
    struct atl_post post; /* calls fn */
    int result;
    struct atl_error why;
};

/* The relay that reads from `s`, or NULL. */
static struct atl_relay *reading(const struct atl_stream *s)
{
    return s->rare != NULL ? s->rare->relay_from : NULL;
}

/* Takes the relay off both streams. */
static void detach(struct atl_relay *r)
{
    struct atl_stream *from = r->from;
    atl__list_remove(&r->to_link);
    r->from = r->to = NULL;
    from->rare->relay_from = NULL;
    from->holds &= (uint8_t)~ATL_HOLD_RELAY;
    atl__input_resume(from);
}

static void on_post(struct atl_post *post)
{
    struct atl_relay *r = post->data;
    r->fn(r->data, r->result, r->copied, r->result < 0 ? &r->why : NULL);
    atl__free(r, sizeof(*r));
}

/* The end of copying; fn runs in the ready phase. `whose`: of this stream's
   failure. */
static void finish(struct atl_relay *r, int result,
                   const struct atl_stream *whose)
{
    detach(r);
    r->result = result;
    if (result < 0) {
        atl_fail(&r->why, result, NULL);
        if (whose != NULL && whose->rare != NULL &&
            whose->rare->error != NULL && whose->code == result)
            r->why = *whose->rare->error;
    }
    atl_loop_defer(r->loop, &r->post);
}

bool atl__relay_wants(const struct atl_stream *from)
{
    return reading(from) != NULL &&
           !(from->holds & (ATL_HOLD_USER | ATL_HOLD_RELAY));
}

bool atl__relay_feed(struct atl_stream *from)
{
    struct atl_relay *r = reading(from);
    struct atl_bytes in = atl__input_view(from);
    if (!atl__relay_wants(from) || in.length == 0)
        return false;
    struct atl_stream *to = r->to;
    size_t n = in.length < r->left ? in.length : (size_t)r->left;
    int code = atl_stream_write(to, in.data, n, ATL_WRITE_ANY);
    if (code < 0) {
        finish(r, code, to);
        return true;
    }
    atl__input_skip(from, n);
    r->copied += n;
    if (r->left != (uint64_t)ATL_NEVER)
        r->left -= n;
    if (r->left == 0)
        finish(r, 0, NULL);
    else if (to->above)
        from->holds |= ATL_HOLD_RELAY;
    return true;
}

void atl__relay_drained(struct atl_stream *to)
{
    struct atl_list *head, *l;
    if (to->rare == NULL || to->above)
        return;
    head = &to->rare->relays_to;
    for (l = head->next; l != head; l = l->next) {
        struct atl_relay *r = ATL_CONTAINER(l, struct atl_relay, to_link);
        atl_stream_unhold(r->from, ATL_HOLD_RELAY);
    }
}

void atl__relay_input_over(struct atl_stream *from, int code)
{
    struct atl_relay *r = reading(from);
    if (code == ATL_EOF) {
        (void)atl_stream_shutdown(r->to);
        code = 0;
    }
    finish(r, code, from);
}

void atl__relay_target_gone(struct atl_stream *to, int code)
{
    if (to->rare == NULL)
        return;
    struct atl_list *head = &to->rare->relays_to;
    while (!atl__list_empty(head))
        finish(ATL_CONTAINER(head->next, struct atl_relay, to_link), code, to);
}

void atl__relay_gone(struct atl_stream *s, int code)
{
    if (s->rare == NULL)
        return;
    if (code == 0)
        code = -ECANCELED;
    if (s->rare->relay_from != NULL)
        finish(s->rare->relay_from, code, s);
    atl__relay_target_gone(s, code);
}

int atl_relay_open(struct atl_relay **out, struct atl_stream *from,
                   struct atl_stream *to, uint64_t length, atl_relay_fn *fn,
                   void *data)
{
    if (from->state == ATL_STREAM_CLOSED)
        return atl__stream_gone(from);
    if (to->state == ATL_STREAM_CLOSED || to->state == ATL_STREAM_DEAD)
        return atl__stream_gone(to);
    if (to->shut)
        return -EPIPE;
    if (from->requested || reading(from) != NULL)
        return -EBUSY;
    if (atl__stream_rare(from) == NULL || atl__stream_rare(to) == NULL)
        return -ENOMEM;
    struct atl_relay *r = atl__alloc(sizeof(*r));
    if (r == NULL)
        return -ENOMEM;
    *r = (struct atl_relay){.from = from,
                            .to = to,
                            .loop = from->object.loop,
                            .left = length,
                            .fn = fn,
                            .data = data,
                            .post = {.fn = on_post, .data = r}};
    from->rare->relay_from = r;
    atl__list_append(&to->rare->relays_to, &r->to_link);
    from->relayed = to->relayed = 1;
    if (to->above)
        from->holds |= ATL_HOLD_RELAY;
    if (length == 0)
        finish(r, 0, NULL);
    atl__input_resume(from);
    *out = r;
    return 0;
}

uint64_t atl_relay_close(struct atl_relay **relay)
{
    struct atl_relay *r = *relay;
    uint64_t copied = r->copied;
    *relay = NULL;
    if (r->from != NULL)
        detach(r);
    atl_loop_undefer(r->loop, &r->post);
    atl__free(r, sizeof(*r));
    return copied;
}
