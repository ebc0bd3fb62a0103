/* SPDX-License-Identifier: MIT */
/*
 * A peer: echo over libuv, as its own documentation teaches it.
 *
 *   uv_echo [try]
 *
 * The read buffer is shared by all connections; uv_write gets a copy in the
 * same block as its request. With "try" uv_try_write goes first and only what
 * it leaves is copied and queued: fewer steps, not what most programs do.
 */
#include "server.h"

#include <stdbool.h>
#include <string.h>
#include <uv.h>

struct copy {
    uv_write_t request;
    char bytes[];
};

static uv_loop_t loop;
static char input[65536];
static bool try_first;

static void lend(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    (void)size;
    *buf = uv_buf_init(input, sizeof input);
}

static void closed(uv_handle_t *handle)
{
    free(handle);
}

static void written(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

static void got(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    if (n < 0)
        uv_close((uv_handle_t *)stream, closed);
    if (n <= 0)
        return;
    size_t done = 0, length = (size_t)n;
    if (try_first) {
        uv_buf_t whole = uv_buf_init(buf->base, (unsigned)length);
        int taken = uv_try_write(stream, &whole, 1);
        done = taken > 0 ? (size_t)taken : 0;
        if (done == length)
            return;
    }
    struct copy *copy = malloc(sizeof *copy + length - done);
    if (copy == NULL)
        die("malloc");
    memcpy(copy->bytes, buf->base + done, length - done);
    copy->request.data = copy;
    uv_buf_t rest = uv_buf_init(copy->bytes, (unsigned)(length - done));
    uv_write(&copy->request, stream, &rest, 1, written);
}

static void connected(uv_stream_t *listener, int status)
{
    uv_tcp_t *client = malloc(sizeof *client);
    if (client == NULL || status < 0)
        die("connection");
    uv_tcp_init(&loop, client);
    if (uv_accept(listener, (uv_stream_t *)client) < 0) {
        uv_close((uv_handle_t *)client, closed);
        return;
    }
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, lend, got);
}

int main(int argc, char **argv)
{
    (void)argv;
    try_first = argc > 1;
    use_all_files();
    uv_tcp_t listener;
    struct sockaddr_in at;
    uv_loop_init(&loop);
    uv_tcp_init(&loop, &listener);
    uv_ip4_addr("127.0.0.1", 0, &at);
    uv_tcp_bind(&listener, (const struct sockaddr *)&at, 0);
    if (uv_listen((uv_stream_t *)&listener, 4096, connected) < 0)
        die("listen");
    uv_os_fd_t fd;
    uv_fileno((uv_handle_t *)&listener, &fd);
    announce(fd);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
