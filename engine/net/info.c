/* SPDX-License-Identifier: MIT */
/*
 * What can be asked of a stream and set on it without any byte moving.
 */
#include "net/stream.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

void *atl_stream_data(const struct atl_stream *s)
{
    return s->data;
}

void atl_stream_set_data(struct atl_stream *s, void *data)
{
    s->data = data;
}

struct atl_loop *atl_stream_loop(const struct atl_stream *s)
{
    return s->object.loop;
}

void atl_stream_set_handlers(struct atl_stream *s,
                             const struct atl_stream_handlers *h)
{
    static const struct atl_stream_handlers none;
    if (s->told)
        return;
    s->handlers = h != NULL ? h : &none;
    atl__input_resume(s);
}

const struct atl_frame *atl__stream_frame(const struct atl_stream *s)
{
    if (s->rare != NULL && s->rare->unframed)
        return NULL;
    if (s->rare != NULL && s->rare->frame != NULL)
        return s->rare->frame;
    return s->config->framed ? &s->config->frame : NULL;
}

int atl__frame_keep(struct atl_frame **copy, const struct atl_frame *frame)
{
    if (*copy == NULL)
        *copy = atl__alloc(sizeof(**copy));
    if (*copy == NULL)
        return -ENOMEM;
    **copy = *frame;
    return 0;
}

int atl_stream_set_frame(struct atl_stream *s, const struct atl_frame *frame,
                         struct atl_error *why)
{
    bool framed = frame != NULL && frame->kind != ATL_FRAME_NONE;
    if (framed) {
        int r = atl_frame_check(frame, why);
        if (r < 0)
            return r;
    }
    struct stream_rare *rare = atl__stream_rare(s);
    if (rare == NULL || (framed && atl__frame_keep(&rare->frame, frame) < 0))
        return atl_fail(why, -ENOMEM, NULL);
    rare->unframed = !framed;
    s->scanned = 0;
    atl__input_resume(s);
    return 0;
}

unsigned atl_stream_holds(const struct atl_stream *s)
{
    return s->holds;
}

void atl_stream_hold(struct atl_stream *s, enum atl_hold reason)
{
    s->holds |= (uint8_t)reason;
    atl__stream_interest(s);
}

void atl_stream_unhold(struct atl_stream *s, enum atl_hold reason)
{
    if (!(s->holds & reason))
        return;
    s->holds &= (uint8_t)~reason;
    if (reason & ATL_HOLD_WORK) {
        /* The idle time stood still. Without memory for the timer it goes on
           standing still. */
        s->active_ns = atl_loop_now(s->object.loop);
        (void)atl__clock_update(s);
    }
    atl__input_resume(s);
}

void atl_stream_set_idle(struct atl_stream *s, int64_t idle_ns)
{
    struct stream_rare *rare = atl__stream_rare(s);
    if (rare == NULL || s->state == ATL_STREAM_CLOSED)
        return;
    rare->idle_ns = idle_ns > 0 ? idle_ns : ATL_NEVER;
    s->active_ns = atl_loop_now(s->object.loop);
    (void)atl__clock_update(s);
}

enum atl_stream_state atl_stream_state(const struct atl_stream *s)
{
    return (enum atl_stream_state)s->state;
}

bool atl_stream_ended(const struct atl_stream *s)
{
    return s->ended;
}

int atl_stream_peer(const struct atl_stream *s, struct atl_addr *out)
{
    if (s->peer_length != 0) {
        memset(out, 0, sizeof(*out));
        out->length = s->peer_length;
        memcpy(&out->sa, s + 1, s->peer_length);
        return 0;
    }
    if (s->io.fd < 0)
        return -ENOTCONN;
    struct atl_addr a = {.length = sizeof(a.sa)};
    const struct atl_os *os = stream_os(s);
    int r = os->calls->getpeername(os->self, s->io.fd, &a.sa.any, &a.length);
    if (r < 0)
        return r;
    *out = a;
    return 0;
}

int atl_stream_local(const struct atl_stream *s, struct atl_addr *out)
{
    if (s->io.fd < 0) {
        if (s->rare == NULL || s->rare->local == NULL)
            return -ENOTCONN;
        *out = *s->rare->local;
        return 0;
    }
    struct atl_addr a = {.length = sizeof(a.sa)};
    const struct atl_os *os = stream_os(s);
    int r = os->calls->getsockname(os->self, s->io.fd, &a.sa.any, &a.length);
    if (r < 0)
        return r;
    *out = a;
    return 0;
}

int atl_stream_fd(const struct atl_stream *s)
{
    return s->state == ATL_STREAM_CLOSED ? -1 : s->io.fd;
}

void atl_stream_stats(const struct atl_stream *s, struct atl_stream_stats *out)
{
    *out = (struct atl_stream_stats){
        .bytes_in = s->bytes_in,
        .bytes_out = s->bytes_out,
        .opened_ns = s->opened_ns,
        .idle_ns = s->active_ns,
        .queued = atl_stream_queued(s),
        .buffered = atl__input_view(s).length,
    };
}
