/* SPDX-License-Identifier: MIT */
/*
 * How streams end.
 *
 * Closing only marks the stream: on_close runs in the close phase, and beside
 * it, in steps that start in the flush phase, the descriptor comes to rest:
 * flush, shut down, discard input until the peer ends, close. (Closing with
 * unread input would reset the connection and destroy what was sent.) The
 * memory stays until both are done; the descriptor stays open until on_close
 * has run, so that addresses can still be asked for.
 *
 * A connection that dies while input is left is closed at once, but the stream
 * lives on until that input has been delivered.
 */
#include "net/stream.h"

#include <errno.h>

#include "base/mem.h"

/* What is saved from a dying connection's receive queue. */
#define RESCUE_SIZE 65536

static void keep_local(struct atl_stream *s)
{
    struct atl_addr a;
    if (atl_stream_local(s, &a) < 0 || atl__stream_rare(s) == NULL)
        return;
    s->rare->local = atl__alloc(sizeof(a));
    if (s->rare->local != NULL)
        *s->rare->local = a;
}

void atl__stream_close_fd(struct atl_stream *s)
{
    if (s->io.token == 0)
        return;
    if (!s->told)
        keep_local(s);
    atl__io_close(&s->io, s->object.loop);
    s->io.fd = -1;
    atl__loop_counters(s->object.loop)->closed++;
    if (s->family != NULL)
        atl__family_closed(s->family);
}

/* --- closing ------------------------------------------------------------- */

/* One step of reading away what nobody wants. True: the end was reached. */
static bool discard(struct atl_stream *s)
{
    char *buf = atl__loop_read_buffer(s->object.loop);
    ssize_t n = atl__transport_read(s, buf, ATL_READ_SIZE);
    return n == 0 || (n < 0 && n != -EAGAIN && n != -EWOULDBLOCK);
}

/* The gentle way; true when there is nothing left to wait for. */
static bool at_rest(struct atl_stream *s)
{
    struct atl_loop *loop = s->object.loop;
    const struct atl_os *os = atl__loop_os(loop);
    if (atl_stream_queued(s) > 0)
        atl__output_flush(s);
    if (s->dying)
        return true;
    if (atl_stream_queued(s) > 0)
        return false;
    if (s->eof || !s->socket)
        return true;
    if (s->lingering)
        return discard(s);
    if (!s->shut_done && os->calls->shutdown(os->self, s->io.fd, SHUT_WR) < 0)
        return true;
    s->shut_done = s->lingering = 1;
    if (atl__clock_due(s, s->config->linger_ns) < 0)
        return true;
    atl__io_want(&s->io, loop, ATL_IO_READ);
    return false;
}

static void reset_on_close(const struct atl_stream *s)
{
    const struct atl_os *os = stream_os(s);
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    os->calls->setsockopt(os->self, s->io.fd, SOL_SOCKET, SO_LINGER, &hard,
                          sizeof(hard));
}

void atl__stream_finish(struct atl_stream *s)
{
    struct atl_loop *loop = s->object.loop;
    if (s->object.ops == 0)
        return;
    if (!s->in_window)
        atl__buf_free(&s->input.buf);
    if (s->io.token != 0 && s->manner == END_GRACEFUL && !at_rest(s))
        return;
    /* A post in the flush queue cannot be taken back; it comes here again. */
    if (s->queued == QUEUE_FLUSH)
        s->work |= WORK_FINISH;
    if (!s->told || s->queued == QUEUE_FLUSH)
        return;
    if (s->io.token != 0 && s->manner == END_HARD && !s->dying)
        atl__output_flush(s);
    if (s->io.token != 0 && s->manner == END_RESET && s->socket)
        reset_on_close(s);
    atl__output_drop(s);
    atl__stream_close_fd(s);
    if (s->queued == QUEUE_READY)
        atl_loop_undefer(loop, &s->post);
    s->queued = QUEUE_NONE;
    s->work = 0;
    atl__clock_free(s);
    atl__object_done(&s->object);
}

void atl__stream_end(struct atl_stream *s, enum stream_end manner, int code,
                     const char *text)
{
    if (s->state == ATL_STREAM_CLOSED) {
        if (manner > (enum stream_end)s->manner) {
            s->manner = manner;
            atl__stream_work(s, WORK_FINISH);
        }
        return;
    }
    bool connecting = s->state == ATL_STREAM_CONNECTING;
    atl__stream_why(s, code, text);
    s->state = ATL_STREAM_CLOSED;
    s->manner = manner;
    s->requested = 0;
    s->level = SIZE_MAX;
    s->object.ops = 1;
    atl__object_close(&s->object);
    if (connecting)
        atl__connect_cancel(s);
    atl__relay_gone(s, code);
    atl__stream_work(s, WORK_FINISH);
}

void atl_stream_close(struct atl_stream *s)
{
    atl__stream_end(s, END_GRACEFUL, 0, NULL);
}

void atl_stream_abort(struct atl_stream *s)
{
    atl__stream_end(s, END_RESET, 0, NULL);
}

/* --- dying --------------------------------------------------------------- */

/* Takes what the kernel still has into the stream's own memory. */
static void rescue_input(struct atl_stream *s)
{
    char chunk[8192];
    size_t total = 0;
    while (!s->eof && total < RESCUE_SIZE) {
        ssize_t n = atl__transport_read(s, chunk, sizeof(chunk));
        if (n == 0)
            s->eof = 1;
        if (n <= 0 || atl__buf_append(&s->input.buf, chunk, (size_t)n) < 0)
            return;
        total += (size_t)n;
        s->bytes_in += (uint64_t)n;
        atl__loop_counters(s->object.loop)->bytes_in += (uint64_t)n;
    }
}

static void tell_dead(struct atl_stream *s)
{
    struct atl_error why;
    if (s->handlers->on_dead == NULL)
        return;
    atl_fail(&why, s->code, NULL);
    if (s->rare != NULL && s->rare->error != NULL)
        why = *s->rare->error;
    atl__object_enter(&s->object);
    s->handlers->on_dead(s, &why);
    atl__object_leave(&s->object);
}

void atl__stream_die(struct atl_stream *s, int code, const char *text)
{
    if (s->state != ATL_STREAM_OPEN)
        return;
    s->dying = 1;
    atl__stream_why(s, code, text);
    atl__stream_opened(s);
    if (s->state == ATL_STREAM_OPEN)
        rescue_input(s);
    /* Releasing what was queued may close the stream. */
    atl__output_drop(s);
    if (s->state != ATL_STREAM_OPEN)
        return;
    atl__stream_close_fd(s);
    s->state = ATL_STREAM_DEAD;
    s->above = 0;
    s->holds &= (uint8_t)~ATL_HOLD_OUTPUT;
    atl__relay_target_gone(s, code);
    if (s->level != SIZE_MAX)
        atl__stream_work(s, WORK_LEVEL);
    atl__input_deliver(s);
    if (s->state == ATL_STREAM_DEAD) {
        tell_dead(s);
        atl__input_deliver(s);
    }
}

void atl__stream_die_later(struct atl_stream *s, int code)
{
    if (s->dying)
        return;
    s->dying = 1;
    if (s->state == ATL_STREAM_CLOSED) {
        if (s->manner == END_GRACEFUL)
            s->manner = END_HARD;
        atl__stream_work(s, WORK_FINISH);
        return;
    }
    atl__stream_why(s, code, NULL);
    atl__stream_work(s, WORK_DIE);
}
