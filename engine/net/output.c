/* SPDX-License-Identifier: MIT */
/*
 * Output: straight to the kernel where that is possible.
 *
 * The first stream that writes in a unit of work (an event, a ready item)
 * gathers in the loop's one buffer, which leaves in a single call when the
 * unit ends. All others append to their queue and are flushed at the end of
 * the turn. Large writes go out at once behind what was gathered, so that only
 * what the kernel did not take is ever copied. The order is always: queue,
 * then gathered bytes; a stream with a queue does not gather.
 */
#include "net/stream.h"

#include <errno.h>
#include <string.h>

/* From here on copying costs more than the system call it might save. */
#define DIRECT_SIZE 16384
#define PIECES 64
/* What one stream may write per flush; a fast reader must not hold the loop. */
#define BYTES_PER_FLUSH ((size_t)1 << 20)

static struct atl_gather *own_gather(const struct atl_stream *s)
{
    struct atl_gather *g = atl__loop_gather(s->object.loop);
    return g->owner == s ? g : NULL;
}

size_t atl_stream_queued(const struct atl_stream *s)
{
    const struct atl_gather *g = own_gather(s);
    return s->output.length + (g != NULL ? g->length : 0);
}

/* --- sending ------------------------------------------------------------- */

/* Bytes taken; 0 when the kernel takes none; or the connection's death. */
static ssize_t send_pieces(struct atl_stream *s, const struct iovec *v, int n)
{
    struct atl_stats *stats = atl__loop_counters(s->object.loop);
    ssize_t r = atl__transport_write(s, v, n);
    stats->writes++;
    if (r == -EAGAIN || r == -EWOULDBLOCK)
        r = 0;
    if (r < 0) {
        atl__stream_die_later(s, (int)r);
        return r;
    }
    if (r > 0) {
        stats->bytes_out += (uint64_t)r;
        s->bytes_out += (uint64_t)r;
        s->active_ns = atl_loop_now(s->object.loop);
        atl__clock_output(s);
    }
    return r;
}

static void block(struct atl_stream *s)
{
    if (!s->blocked) {
        s->blocked = 1;
        atl__clock_output(s);
        if (atl__clock_update(s) < 0)
            atl__stream_die_later(s, -ENOMEM);
    }
    if (s->state == ATL_STREAM_CLOSED)
        atl__io_want(&s->io, s->object.loop, ATL_IO_WRITE);
    else
        atl__stream_interest(s);
}

static void unblock(struct atl_stream *s)
{
    if (!s->blocked)
        return;
    s->blocked = 0;
    atl__stream_interest(s);
}

/* Queues what lies behind the first `sent` bytes of the pieces. */
static int queue_rest(struct atl_stream *s, const struct iovec *v, int n,
                      size_t sent)
{
    for (int i = 0; i < n; i++) {
        size_t skip = sent < v[i].iov_len ? sent : v[i].iov_len;
        sent -= skip;
        if (skip == v[i].iov_len)
            continue;
        int r = atl__queue_append(&s->output, (char *)v[i].iov_base + skip,
                                  v[i].iov_len - skip);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The gathered bytes and `v` behind them in one call. *sent: of `v`. What is
   left of the gathered ones is queued. */
static int send_behind_gathered(struct atl_stream *s, const struct iovec *v,
                                int n, size_t *sent)
{
    struct atl_gather *g = own_gather(s);
    struct iovec all[5];
    int count = 0;
    size_t gathered = g != NULL ? g->length : 0;
    *sent = 0;
    if (gathered > 0)
        all[count++] = (struct iovec){g->bytes, gathered};
    for (int i = 0; i < n; i++)
        all[count++] = v[i];
    if (g != NULL) {
        g->owner = NULL;
        g->length = 0;
    }
    ssize_t r = send_pieces(s, all, count);
    if (r < 0)
        return (int)r;
    if ((size_t)r >= gathered) {
        *sent = (size_t)r - gathered;
        return 0;
    }
    return queue_rest(s, all, 1, (size_t)r);
}

/* What follows from there being less to write. */
static void fell(struct atl_stream *s)
{
    size_t queued = atl_stream_queued(s);
    if (s->above && queued <= s->config->low) {
        s->above = 0;
        s->holds &= (uint8_t)~ATL_HOLD_OUTPUT;
        atl__stream_work(s, WORK_DRAIN | WORK_INPUT);
        atl__stream_interest(s);
    }
    if (s->level != SIZE_MAX && queued <= s->level)
        atl__stream_work(s, WORK_LEVEL);
    if (queued > 0 || !s->shut || s->state != ATL_STREAM_OPEN)
        return;
    if (!s->shut_done && !s->end_flushed && s->socket) {
        const struct atl_os *os = stream_os(s);
        os->calls->shutdown(os->self, s->io.fd, SHUT_WR);
    }
    s->shut_done = 1;
    if (s->end_flushed || s->ended)
        atl__stream_end(s, END_GRACEFUL, ATL_EOF, NULL);
}

static void rose(struct atl_stream *s)
{
    if (s->above || s->state != ATL_STREAM_OPEN ||
        atl_stream_queued(s) <= s->config->high)
        return;
    s->above = 1;
    s->holds |= ATL_HOLD_OUTPUT;
    atl__stream_interest(s);
}

static void forget_gathered(struct atl_stream *s)
{
    struct atl_gather *g = own_gather(s);
    if (g != NULL) {
        g->length = 0;
        g->owner = NULL;
    }
}

static bool aborted(const struct atl_stream *s)
{
    return s->state == ATL_STREAM_CLOSED && s->manner == END_RESET;
}

static void gather_flush(void *owner)
{
    struct atl_stream *s = owner;
    size_t sent;
    if (aborted(s)) {
        forget_gathered(s);
        return;
    }
    int r = send_behind_gathered(s, NULL, 0, &sent);
    if (r == -ENOMEM)
        atl__stream_die_later(s, r);
    if (s->output.length > 0)
        block(s);
    fell(s);
}

void atl__output_flush(struct atl_stream *s)
{
    size_t total = 0;
    if (own_gather(s) != NULL)
        gather_flush(s);
    if (s->io.token == 0 || s->dying || aborted(s))
        return;
    while (s->output.length > 0) {
        struct iovec v[PIECES];
        size_t offered = 0;
        int n = atl__queue_pieces(&s->output, v, PIECES);
        for (int i = 0; i < n; i++)
            offered += v[i].iov_len;
        ssize_t r = send_pieces(s, v, n);
        if (r < 0)
            return;
        atl__queue_consume(&s->output, (size_t)r);
        total += (size_t)r;
        if ((size_t)r < offered || total >= BYTES_PER_FLUSH)
            break;
    }
    if (s->output.length > 0)
        block(s);
    else
        unblock(s);
    fell(s);
}

void atl__output_drop(struct atl_stream *s)
{
    forget_gathered(s);
    atl__queue_clear(&s->output);
    s->blocked = 0;
}

/* --- writing ------------------------------------------------------------- */

static int write_check(const struct atl_stream *s, size_t length,
                       unsigned flags)
{
    if (s->state == ATL_STREAM_CLOSED || s->state == ATL_STREAM_DEAD ||
        s->dying)
        return atl__stream_gone(s);
    if (s->shut)
        return -EPIPE;
    size_t queued = atl_stream_queued(s), cap = s->config->cap;
    if (!(flags & ATL_WRITE_ANY) && (queued > cap || length > cap - queued))
        return -ENOBUFS;
    return 0;
}

/* Output that has to wait its turn behind other output or the connection. */
static bool must_queue(const struct atl_stream *s)
{
    return s->state == ATL_STREAM_CONNECTING || s->output.length > 0;
}

static void flush_later(struct atl_stream *s)
{
    if (s->state != ATL_STREAM_CONNECTING && !s->blocked)
        atl__stream_work(s, WORK_FLUSH);
}

/* All of the pieces or none, except that one too many for the memory ends the
   connection: a part of a message must never be followed by another. */
static int queue_pieces(struct atl_stream *s, const struct iovec *v, int n)
{
    struct iovec two[2] = {v[0], n > 1 ? v[1] : (struct iovec){NULL, 0}};
    int r = atl__queue_append2(&s->output, two);
    if (r < 0)
        return r;
    if (n > 2 && (r = queue_rest(s, v + 2, n - 2, 0)) < 0)
        atl__stream_die_later(s, r);
    return r;
}

static bool gather_pieces(struct atl_stream *s, const struct iovec *v, int n,
                          size_t length)
{
    struct atl_gather *g = atl__loop_gather(s->object.loop);
    if ((g->owner != NULL && g->owner != s) || length >= DIRECT_SIZE ||
        length > ATL_GATHER_SIZE - g->length)
        return false;
    g->owner = s;
    g->flush = gather_flush;
    for (int i = 0; i < n; i++) {
        if (v[i].iov_len > 0)
            memcpy(g->bytes + g->length, v[i].iov_base, v[i].iov_len);
        g->length += v[i].iov_len;
    }
    return true;
}

static int send_now(struct atl_stream *s, const struct iovec *v, int n)
{
    size_t sent;
    int r = send_behind_gathered(s, v, n, &sent);
    if (r == 0)
        r = queue_rest(s, v, n, sent);
    if (r == -ENOMEM)
        atl__stream_die_later(s, r);
    if (r == 0 && s->output.length > 0)
        block(s);
    return r;
}

static int write_pieces(struct atl_stream *s, const struct iovec *v, int n,
                        unsigned flags)
{
    size_t length = 0;
    for (int i = 0; i < n; i++) {
        if (v[i].iov_len > SIZE_MAX - length)
            return -ENOBUFS;
        length += v[i].iov_len;
    }
    int r = write_check(s, length, flags);
    if (r < 0 || length == 0)
        return r;
    if (!must_queue(s) && gather_pieces(s, v, n, length)) {
        rose(s);
        return 0;
    }
    if (!must_queue(s) && (length >= DIRECT_SIZE || own_gather(s) != NULL)) {
        r = send_now(s, v, n);
    } else {
        r = queue_pieces(s, v, n);
        flush_later(s);
    }
    rose(s);
    return r;
}

int atl_stream_write(struct atl_stream *s, const void *bytes, size_t length,
                     unsigned flags)
{
    struct iovec v = {(void *)(uintptr_t)bytes, length};
    return write_pieces(s, &v, 1, flags);
}

int atl_stream_write_frame(struct atl_stream *s, const void *bytes,
                           size_t length, unsigned flags)
{
    const struct atl_frame *frame = atl__stream_frame(s);
    struct atl_wrap wrap;
    if (frame == NULL)
        return atl_stream_write(s, bytes, length, flags);
    int r = atl_frame_wrap(frame, bytes, length, &wrap);
    if (r < 0)
        return r;
    struct iovec v[3] = {{wrap.head, wrap.head_length},
                         {(void *)(uintptr_t)bytes, length},
                         {(void *)(uintptr_t)wrap.tail, wrap.tail_length}};
    return write_pieces(s, v, 3, flags);
}

int atl_stream_write_ref(struct atl_stream *s, const struct atl_ref *ref,
                         unsigned flags)
{
    struct iovec v = {(void *)(uintptr_t)ref->bytes, ref->length};
    size_t sent = 0;
    int r = write_check(s, ref->length, flags);
    if (r < 0)
        return r;
    bool send = !must_queue(s) && ref->length > 0;
    if (send && (r = send_behind_gathered(s, &v, 1, &sent)) < 0) {
        if (r == -ENOMEM)
            atl__stream_die_later(s, r);
        return r;
    }
    if (sent == ref->length) {
        ref->release(ref->ctx);
        return 0;
    }
    r = atl__queue_append_ref(&s->output, (const char *)ref->bytes + sent,
                              ref->length - sent, ref->release, ref->ctx);
    if (r < 0) {
        /* Half a message cannot be taken back. */
        if (sent > 0)
            atl__stream_die_later(s, r);
        else if (send && s->output.length > 0)
            block(s);
        return r;
    }
    if (send)
        block(s);
    else
        flush_later(s);
    rose(s);
    return 0;
}

void atl_stream_notify(struct atl_stream *s, size_t level)
{
    s->level = level;
    if (level != SIZE_MAX && atl_stream_queued(s) <= level)
        atl__stream_work(s, WORK_LEVEL);
}

int atl_stream_shutdown(struct atl_stream *s)
{
    if (s->state == ATL_STREAM_CLOSED || s->state == ATL_STREAM_DEAD)
        return atl__stream_gone(s);
    s->shut = 1;
    if (s->state == ATL_STREAM_OPEN && !s->blocked)
        atl__stream_work(s, WORK_FLUSH);
    return 0;
}
