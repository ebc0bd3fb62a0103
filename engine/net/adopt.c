/* SPDX-License-Identifier: MIT */
/*
 * Streams of descriptors that are connected already. What the descriptor is
 * decides once how it is read and written: sockets by recv and sendmsg, the
 * rest (pipes, terminals, files) by read and writev.
 */
#include "net/stream.h"

#include <errno.h>

#include "base/mem.h"

/* 1: a stream socket, 0: not a socket, negative: no use. */
static int probe(const struct atl_os *os, int fd, struct atl_error *why)
{
    int type = 0;
    socklen_t n = sizeof(type);
    int r = os->calls->getsockopt(os->self, fd, SOL_SOCKET, SO_TYPE, &type, &n);
    if (r == -ENOTSOCK)
        return 0;
    if (r < 0)
        return atl_fail(why, r, "descriptor %d: %s", fd, atl_error_text(r));
    if (type != SOCK_STREAM)
        return atl_fail(why, -EINVAL, "descriptor %d is no stream socket", fd);
    return 1;
}

static int open_with(struct atl_stream **out, struct atl_loop *loop, int fd,
                     const struct atl_stream_setup *setup,
                     struct atl_error *why)
{
    const struct atl_os *os = atl__loop_os(loop);
    int is_socket = probe(os, fd, why);
    if (is_socket < 0)
        return is_socket;
    int r = os->calls->set_nonblocking(os->self, fd);
    if (r < 0)
        return atl_fail(why, r, "descriptor %d: %s", fd, atl_error_text(r));
    struct stream_config *config;
    r = atl__config_new(&config, setup->options, why);
    if (r < 0)
        return r;
    struct atl_stream *s;
    r = atl__stream_new(&s, loop, config, NULL);
    atl__config_unref(config);
    if (r < 0)
        return atl_fail(why, r, NULL);
    r = atl__stream_attach(s, fd, is_socket, why);
    if (r < 0) {
        atl__stream_discard(s);
        return r;
    }
    if (is_socket)
        atl__sockopt_presets(os, fd, s->config);
    if (setup->handlers != NULL)
        s->handlers = setup->handlers;
    s->data = setup->data;
    atl__stream_interest(s);
    atl__stream_work(s, WORK_OPEN);
    *out = s;
    return 0;
}

int atl_stream_adopt(struct atl_stream **out, struct atl_loop *loop, int fd,
                     const struct atl_stream_setup *setup,
                     struct atl_error *why)
{
    static const struct atl_stream_setup none;
    return open_with(out, loop, fd, setup != NULL ? setup : &none, why);
}

/* Takes back a stream that was opened a moment ago, its descriptor included. */
static void undo(struct atl_stream *s)
{
    atl__io_close(&s->io, s->object.loop);
    atl__stream_discard(s);
}

int atl_stream_pair(struct atl_stream *out[2], struct atl_loop *loop,
                    const struct atl_stream_setup *setup, struct atl_error *why)
{
    const struct atl_os *os = atl__loop_os(loop);
    struct atl_stream *pair[2];
    int fds[2];
    int r = os->calls->socketpair(os->self, AF_UNIX, SOCK_STREAM, fds);
    if (r < 0)
        return atl_fail(why, r, "socket pair: %s", atl_error_text(r));
    r = atl_stream_adopt(&pair[0], loop, fds[0], setup, why);
    if (r < 0)
        goto fail_first;
    r = atl_stream_adopt(&pair[1], loop, fds[1], setup, why);
    if (r < 0)
        goto fail_second;
    out[0] = pair[0];
    out[1] = pair[1];
    return 0;
fail_second:
    undo(pair[0]);
    atl__os_close(os, fds[1]);
    return r;
fail_first:
    atl__os_close(os, fds[0]);
    atl__os_close(os, fds[1]);
    return r;
}
