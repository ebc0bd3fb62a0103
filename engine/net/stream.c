/* SPDX-License-Identifier: MIT */
/*
 * The life of a stream up to its open state, and its two places in the loop:
 * the event and the post. Input, output and closing have files of their own.
 */
#include "net/stream.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define STREAM_SIZE (sizeof(struct atl_stream) + sizeof(union stream_peer))

/* Until a stream has handlers of its own, and after on_close. */
static const struct atl_stream_handlers no_handlers;

/* --- the event and the post ---------------------------------------------- */

static struct atl_stream *stream_of(struct atl_object *o)
{
    return ATL_CONTAINER(o, struct atl_stream, object);
}

static void on_io(struct atl_io *io, unsigned ready)
{
    struct atl_stream *s = ATL_CONTAINER(io, struct atl_stream, io);
    bool dead = ready & ATL_IO_DEAD;
    if ((ready & ATL_IO_WRITE || dead) && s->blocked)
        atl__output_flush(s);
    if (s->state == ATL_STREAM_CLOSED)
        atl__stream_finish(s);
    else if (s->state != ATL_STREAM_OPEN || s->dying)
        return;
    else if (atl__input_wanted(s)) {
        if (ready & (ATL_IO_READ | ATL_IO_HANGUP | ATL_IO_DEAD))
            atl__input_event(s, ready);
    } else if (ready & (ATL_IO_HANGUP | ATL_IO_DEAD)) {
        atl__input_hangup(s, ready);
    }
}

static void quiet_work(struct atl_stream *s)
{
    unsigned work = s->work;
    s->work &= ~WORK_QUIET;
    if (work & WORK_FLUSH)
        atl__output_flush(s);
    if (work & WORK_TIDY && !s->in_window && atl__buf_length(s->input.buf) == 0)
        atl__buf_free(&s->input.buf);
    if (work & WORK_FINISH)
        atl__stream_finish(s);
}

/* One callback without arguments, if the stream still takes any. */
static void call(struct atl_stream *s, void (*fn)(struct atl_stream *))
{
    if (fn == NULL || s->state == ATL_STREAM_CLOSED)
        return;
    atl__object_enter(&s->object);
    fn(s);
    atl__object_leave(&s->object);
}

void atl__stream_opened(struct atl_stream *s)
{
    if (s->state == ATL_STREAM_CLOSED || s->opened)
        return;
    s->opened = 1;
    s->work &= ~(unsigned)WORK_OPEN;
    call(s, s->handlers->on_open);
    atl__stream_interest(s);
    if (!s->dying)
        atl__input_deliver(s);
}

static void loud_work(struct atl_stream *s)
{
    unsigned work = s->work;
    s->work &= WORK_QUIET;
    if (work & WORK_OPEN)
        atl__stream_opened(s);
    if (work & WORK_DIE)
        atl__stream_die(s, s->code, NULL);
    if (work & WORK_DRAIN) {
        atl__relay_drained(s);
        call(s, s->handlers->on_drain);
    }
    if (work & WORK_LEVEL && s->level != SIZE_MAX &&
        atl_stream_queued(s) <= s->level) {
        s->level = SIZE_MAX;
        call(s, s->handlers->on_level);
    }
    /* Always: a callback may have lifted a hold. */
    atl__input_deliver(s);
}

static void on_post(struct atl_post *post)
{
    struct atl_stream *s = ATL_CONTAINER(post, struct atl_stream, post);
    bool may_call = s->queued == QUEUE_READY;
    s->queued = QUEUE_NONE;
    quiet_work(s);
    if (may_call && s->work & ~WORK_QUIET && s->state != ATL_STREAM_CLOSED)
        loud_work(s);
    if (s->work != 0)
        atl__stream_work(s, 0);
}

void atl__stream_work(struct atl_stream *s, unsigned work)
{
    if (s->state == ATL_STREAM_CLOSED)
        s->work &= WORK_QUIET, work &= WORK_QUIET;
    s->work |= work;
    /* Where it waits already it is left: taking it from the ready queue to
       flush earlier could starve its input. */
    if (s->queued != QUEUE_NONE || s->work == 0)
        return;
    if (s->work & ~WORK_QUIET) {
        s->queued = QUEUE_READY;
        atl_loop_defer(s->object.loop, &s->post);
    } else {
        s->queued = QUEUE_FLUSH;
        atl__loop_flush_later(s->object.loop, &s->post);
    }
}

void atl__stream_interest(struct atl_stream *s)
{
    if (s->io.token == 0 || s->state != ATL_STREAM_OPEN)
        return;
    unsigned want = s->blocked ? ATL_IO_WRITE : 0;
    if (atl__input_wanted(s))
        want |= ATL_IO_READ;
    else if (!s->eof && !s->fin_noticed)
        want |= ATL_IO_HANGUP;
    atl__io_want(&s->io, s->object.loop, want);
}

/* --- life ---------------------------------------------------------------- */

int atl__stream_new(struct atl_stream **out, struct atl_loop *loop,
                    struct stream_config *config, struct stream_family *family)
{
    struct atl_stream *s = atl__zalloc(STREAM_SIZE);
    if (s == NULL)
        return -ENOMEM;
    atl__object_init(&s->object, loop, &atl__stream_kind, true);
    s->io.fd = -1;
    s->post.fn = on_post;
    s->handlers = &no_handlers;
    s->config = config;
    config->refs++;
    s->family = family;
    if (family != NULL)
        family->refs++;
    s->level = SIZE_MAX;
    s->opened_ns = s->active_ns = atl_loop_now(loop);
    s->state = ATL_STREAM_CONNECTING;
    s->pull = config->pull;
    s->holds = config->pull ? ATL_HOLD_PULL : 0;
    *out = s;
    return 0;
}

void atl__stream_set_peer(struct atl_stream *s, const struct atl_addr *peer)
{
    if (peer->length == 0 || peer->length > sizeof(union stream_peer) ||
        peer->sa.any.sa_family == AF_UNIX)
        return;
    memcpy(s + 1, &peer->sa, peer->length);
    s->peer_length = (uint8_t)peer->length;
}

int atl__stream_attach(struct atl_stream *s, int fd, bool is_socket,
                       struct atl_error *why)
{
    struct atl_loop *loop = s->object.loop;
    s->opened_ns = s->active_ns = atl_loop_now(loop);
    s->state = ATL_STREAM_OPEN;
    int r = atl__clock_update(s);
    if (r < 0) {
        atl_fail(why, r, NULL);
        goto fail;
    }
    r = atl__io_open(&s->io, loop, fd, on_io, why);
    if (r < 0)
        goto fail;
    s->socket = is_socket;
    if (s->family != NULL)
        s->family->connections++;
    return 0;
fail:
    s->io.fd = -1;
    s->state = ATL_STREAM_CONNECTING;
    return r;
}

static void stream_free(struct atl_stream *s)
{
    struct stream_rare *rare = s->rare;
    if (rare != NULL) {
        atl__free(rare->error, sizeof(*rare->error));
        atl__free(rare->local, sizeof(*rare->local));
        atl__free(rare->asked, sizeof(*rare->asked));
        atl__free(rare->frame, sizeof(*rare->frame));
        atl__free(rare, sizeof(*rare));
    }
    atl__buf_free(&s->input.buf);
    atl__clock_free(s);
    atl__config_unref(s->config);
    if (s->family != NULL)
        atl__family_unref(s->family);
    atl__free(s, STREAM_SIZE);
}

void atl__stream_discard(struct atl_stream *s)
{
    if (s->queued == QUEUE_READY)
        atl_loop_undefer(s->object.loop, &s->post);
    atl__object_fini(&s->object);
    stream_free(s);
}

static void kind_free(struct atl_object *o)
{
    stream_free(stream_of(o));
}

/* The loop is being freed: nobody will wait for a peer any more. */
static void kind_close(struct atl_object *o)
{
    struct atl_stream *s = stream_of(o);
    atl__stream_end(s, END_HARD, 0, NULL);
    if (s->told)
        atl__stream_finish(s);
}

static void kind_closed(struct atl_object *o)
{
    struct atl_stream *s = stream_of(o);
    const struct atl_stream_handlers *h = s->handlers;
    struct atl_error why;
    if (s->code != 0) {
        atl_fail(&why, s->code, NULL);
        if (s->rare != NULL && s->rare->error != NULL)
            why = *s->rare->error;
    }
    s->told = 1;
    if (h->on_close != NULL) {
        atl__object_enter(o);
        h->on_close(s, s->code != 0 ? &why : NULL);
        atl__object_leave(o);
    }
    s->handlers = &no_handlers;
    s->data = NULL;
    atl__stream_finish(s);
}

const struct atl_object_kind atl__stream_kind = {
    .kind = ATL_KIND_STREAM,
    .close = kind_close,
    .closed = kind_closed,
    .free = kind_free,
};

struct stream_rare *atl__stream_rare(struct atl_stream *s)
{
    if (s->rare == NULL) {
        s->rare = atl__zalloc(sizeof(*s->rare));
        if (s->rare != NULL)
            atl__list_init(&s->rare->relays_to);
    }
    return s->rare;
}

void atl__stream_why(struct atl_stream *s, int code, const char *text)
{
    /* The same code again keeps the words it came with. */
    if (s->code != code && s->rare != NULL) {
        atl__free(s->rare->error, sizeof(*s->rare->error));
        s->rare->error = NULL;
    }
    s->code = (int16_t)code;
    if (text == NULL || atl__stream_rare(s) == NULL)
        return;
    if (s->rare->error == NULL)
        s->rare->error = atl__alloc(sizeof(*s->rare->error));
    if (s->rare->error != NULL)
        atl_fail(s->rare->error, code, "%s", text);
}

int atl__stream_gone(const struct atl_stream *s)
{
    return s->code != 0 ? s->code : ATL_ECLOSED;
}

ssize_t atl__transport_read(struct atl_stream *s, void *buf, size_t size)
{
    return s->socket ? atl__os_recv(stream_os(s), s->io.fd, buf, size, 0)
                     : atl__os_read(stream_os(s), s->io.fd, buf, size);
}

ssize_t atl__transport_write(struct atl_stream *s, const struct iovec *v, int n)
{
    if (!s->socket)
        return atl__os_writev(stream_os(s), s->io.fd, v, n);
    if (n == 1)
        return atl__os_send(stream_os(s), s->io.fd, v->iov_base, v->iov_len,
                            MSG_NOSIGNAL);
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)v,
                       .msg_iovlen = (size_t)n};
    return atl__os_sendmsg(stream_os(s), s->io.fd, &m, MSG_NOSIGNAL);
}
