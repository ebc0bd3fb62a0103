/* SPDX-License-Identifier: MIT */
/*
 * Input: from the socket to whoever wants it.
 *
 * One event is one read into the loop's shared buffer, and what is delivered
 * is cut from there: the window. Only what nobody took when the event ends is
 * copied to a buffer of the stream. Input is looked at as one piece, which is
 * the window or that buffer, never both: with bytes left over, new ones are
 * appended to them first.
 */
#include "net/stream.h"

#include <errno.h>
#include <stdio.h>

/* What one stream may get per turn. */
#define FRAMES_PER_TURN 64
#define BYTES_PER_TURN ATL_READ_SIZE

struct atl_bytes atl__input_view(const struct atl_stream *s)
{
    if (s->in_window)
        return (struct atl_bytes){s->input.window->data,
                                  s->input.window->length};
    return (struct atl_bytes){atl__buf_data(s->input.buf),
                              atl__buf_length(s->input.buf)};
}

void atl__input_skip(struct atl_stream *s, size_t length)
{
    if (length == 0)
        return;
    s->scanned = 0;
    if (s->in_window) {
        s->input.window->data += length;
        s->input.window->length -= length;
        return;
    }
    atl__buf_skip(s->input.buf, length);
    if (atl__buf_length(s->input.buf) == 0)
        atl__stream_work(s, WORK_TIDY);
}

int atl__input_over(const struct atl_stream *s)
{
    if (s->state == ATL_STREAM_DEAD)
        return s->code;
    return s->eof ? ATL_EOF : 0;
}

/* Holds that keep on_data from being called. */
static bool pushed(const struct atl_stream *s)
{
    return !s->pull && s->holds == 0 && s->handlers->on_data != NULL;
}

bool atl__input_wanted(const struct atl_stream *s)
{
    if (s->eof || !s->opened || s->state != ATL_STREAM_OPEN)
        return false;
    return s->requested || atl__relay_wants(s) || pushed(s);
}

void atl__input_resume(struct atl_stream *s)
{
    if (s->state == ATL_STREAM_CLOSED)
        return;
    atl__stream_interest(s);
    /* After a callback of the stream its input is looked at anyway. */
    if (s->object.busy == 0 &&
        (atl__input_view(s).length > 0 || atl__input_over(s) != 0))
        atl__stream_work(s, WORK_INPUT);
}

/* --- delivering ---------------------------------------------------------- */

/* The connection is of no use after bytes that are not what was agreed. */
static void bad_frame(struct atl_stream *s, int code,
                      const struct atl_frame *frame)
{
    char text[96];
    size_t max = frame->max;
    if (max == 0)
        max =
            frame->kind == ATL_FRAME_LINE || frame->kind == ATL_FRAME_DELIMITER
                ? 8192
                : (size_t)1 << 20;
    if (code == -EMSGSIZE)
        snprintf(text, sizeof(text), "%s longer than %zu bytes",
                 frame->kind == ATL_FRAME_LINE ? "line" : "frame", max);
    else
        snprintf(text, sizeof(text), "malformed frame");
    atl__stream_end(s, END_GRACEFUL, code, text);
}

/* Cuts what on_data gets next. False: nothing now. */
static bool cut_next(struct atl_stream *s, struct atl_cut *cut)
{
    struct atl_bytes in = atl__input_view(s);
    const struct atl_frame *frame = atl__stream_frame(s);
    if (in.length == 0)
        return false;
    *cut = (struct atl_cut){0, in.length, in.length};
    if (frame == NULL)
        return true;
    int r = atl_frame_cut(frame, in.data, in.length, &s->scanned, cut, NULL);
    if (r < 0) {
        bad_frame(s, r, frame);
        return false;
    }
    if (r > 0 || atl__input_over(s) != ATL_EOF)
        return r > 0;
    if (frame->kind == ATL_FRAME_LINE) {
        *cut = (struct atl_cut){0, in.length, in.length};
        return true;
    }
    atl__stream_end(s, END_GRACEFUL, -EPROTO,
                    "connection ended inside a frame");
    return false;
}

/* Takes what was cut from the input, and from what is left of the turn. */
static struct atl_bytes take(struct atl_stream *s, const struct atl_cut *cut)
{
    struct atl_share *share = atl__loop_share(s->object.loop);
    const char *data = atl__input_view(s).data + cut->offset;
    atl__input_skip(s, cut->consumed);
    share->frames++;
    share->bytes += cut->consumed;
    return (struct atl_bytes){data, cut->length};
}

static bool turn_is_over(struct atl_stream *s)
{
    const struct atl_share *share = atl__loop_share(s->object.loop);
    return share->frames >= FRAMES_PER_TURN || share->bytes >= BYTES_PER_TURN;
}

int atl_stream_next(struct atl_stream *s, struct atl_bytes *out)
{
    const struct atl_frame *frame = atl__stream_frame(s);
    struct atl_bytes in;
    struct atl_cut cut;
    if (frame == NULL || s->object.busy == 0 || s->requested || !pushed(s) ||
        atl__relay_wants(s) || s->state == ATL_STREAM_CLOSED || turn_is_over(s))
        return 0;
    in = atl__input_view(s);
    /* What is wrong with the bytes is told when on_data has returned. */
    if (in.length == 0 ||
        atl_frame_cut(frame, in.data, in.length, &s->scanned, &cut, NULL) <= 0)
        return 0;
    *out = take(s, &cut);
    return 1;
}

/* One chunk or frame to on_data. */
static bool push_next(struct atl_stream *s)
{
    struct atl_cut cut;
    if (!pushed(s) || !cut_next(s, &cut))
        return false;
    struct atl_bytes bytes = take(s, &cut);
    atl__object_enter(&s->object);
    s->handlers->on_data(s, bytes.data, bytes.length);
    atl__object_leave(&s->object);
    return true;
}

/* Whether everything before the end was delivered, or cannot ever be. */
static bool drained(const struct atl_stream *s)
{
    unsigned holds = ATL_HOLD_USER | ATL_HOLD_WORK | ATL_HOLD_OUTPUT;
    if (s->holds & holds)
        return false;
    if (atl__input_view(s).length == 0)
        return true;
    if (s->state != ATL_STREAM_DEAD)
        return false;
    /* What is left is part of a frame that a dead connection cannot complete,
       or nobody will ever ask for it. */
    return pushed(s) || (!s->pull && s->handlers->on_data == NULL &&
                         s->handlers->on_dead == NULL);
}

static void tell_end(struct atl_stream *s)
{
    s->ended = 1;
    if (s->handlers->on_end != NULL) {
        atl__object_enter(&s->object);
        s->handlers->on_end(s);
        atl__object_leave(&s->object);
    } else if (!s->relayed) {
        s->end_flushed = s->shut = 1;
    }
    if (s->state == ATL_STREAM_OPEN && s->shut)
        atl__output_flush(s);
}

/* The end of input: told when all before it was delivered. */
static void over(struct atl_stream *s)
{
    int code = atl__input_over(s);
    if (code == 0 || s->state == ATL_STREAM_CLOSED)
        return;
    if (s->rare != NULL && s->rare->relay_from != NULL) {
        if (atl__input_view(s).length > 0)
            return;
        atl__relay_input_over(s, code);
    }
    if (!drained(s))
        return;
    if (s->state == ATL_STREAM_DEAD)
        atl__stream_end(s, END_HARD, s->code, NULL);
    else if (!s->ended)
        tell_end(s);
}

void atl__input_deliver(struct atl_stream *s)
{
    if (!s->opened)
        return;
    *atl__loop_share(s->object.loop) = (struct atl_share){0, 0};
    while (s->state != ATL_STREAM_CLOSED) {
        if (atl__input_view(s).length > 0 && turn_is_over(s)) {
            atl__stream_work(s, WORK_INPUT);
            break;
        }
        if (s->requested ? !atl__pull_answer(s)
                         : !atl__relay_feed(s) && !push_next(s)) {
            over(s);
            break;
        }
    }
    atl__stream_interest(s);
}

/* --- receiving ----------------------------------------------------------- */

/* Moves what the event leaves behind out of the shared buffer. */
static void keep_rest(struct atl_stream *s, const struct stream_window *w)
{
    s->in_window = 0;
    s->input.buf = NULL;
    if (w->length == 0 || s->state == ATL_STREAM_CLOSED)
        return;
    if (atl__buf_append(&s->input.buf, w->data, w->length) < 0)
        atl__stream_end(s, END_HARD, -ENOMEM, NULL);
}

static void received(struct atl_stream *s, const char *bytes, size_t length)
{
    struct atl_stats *stats = atl__loop_counters(s->object.loop);
    stats->reads++;
    stats->bytes_in += length;
    s->bytes_in += length;
    s->active_ns = atl_loop_now(s->object.loop);
    if (atl__buf_length(s->input.buf) > 0) {
        if (atl__buf_append(&s->input.buf, bytes, length) < 0)
            atl__stream_end(s, END_HARD, -ENOMEM, NULL);
        else
            atl__input_deliver(s);
        return;
    }
    struct stream_window window = {bytes, length};
    atl__buf_free(&s->input.buf);
    s->input.window = &window;
    s->in_window = 1;
    atl__input_deliver(s);
    keep_rest(s, &window);
}

void atl__input_event(struct atl_stream *s, unsigned ready)
{
    /* What is in memory goes first, in this turn's ready phase. */
    if (s->work & WORK_INPUT)
        return;
    char *buf = atl__loop_read_buffer(s->object.loop);
    ssize_t n = atl__transport_read(s, buf, ATL_READ_SIZE);
    if (n == -EAGAIN || n == -EWOULDBLOCK) {
        /* Told dead because the backend refused to watch it. */
        if (ready & ATL_IO_DEAD && !s->io.dirty && s->io.told != s->io.want)
            atl__stream_die(s, -EIO, NULL);
        return;
    }
    if (n > 0) {
        received(s, buf, (size_t)n);
    } else if (n == 0) {
        s->eof = 1;
        atl__input_deliver(s);
    } else if (n == -EBADF && !s->socket) {
        /* A descriptor open for writing only: there is no input to end. */
        s->eof = s->ended = 1;
        atl__stream_interest(s);
    } else {
        atl__stream_die(s, (int)n, NULL);
    }
}

/*
 * A hangup while the input is not being read. It would be reported again and
 * again: a FIN is only remembered, an error is the connection's death.
 */
void atl__input_hangup(struct atl_stream *s, unsigned ready)
{
    const struct atl_os *os = stream_os(s);
    int code = 0;
    socklen_t n = sizeof(code);
    s->fin_noticed = 1;
    if (ready & ATL_IO_DEAD && s->socket)
        os->calls->getsockopt(os->self, s->io.fd, SOL_SOCKET, SO_ERROR, &code,
                              &n);
    if (code != 0)
        atl__stream_die(s, -code, NULL);
    else
        atl__stream_interest(s);
}
