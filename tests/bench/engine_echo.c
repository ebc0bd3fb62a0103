/* SPDX-License-Identifier: MIT */
/*
 * The engine without Lua: what is left of a server's cost when the script's
 * share is taken away.
 *
 *   engine_echo BACKEND [lines]
 */
#include "server.h"

#include <atools.h>
#include <string.h>

static void on_data(struct atl_stream *s, const void *bytes, size_t length)
{
    if (atl_stream_write(s, bytes, length, 0) < 0)
        atl_stream_abort(s);
}

/* Frames come without the end of the line. */
static void on_line(struct atl_stream *s, const void *bytes, size_t length)
{
    if (atl_stream_write(s, bytes, length, 0) < 0 ||
        atl_stream_write(s, "\n", 1, 0) < 0)
        atl_stream_abort(s);
}

static const struct atl_stream_handlers echo = {.on_data = on_data};
static const struct atl_stream_handlers echo_lines = {.on_data = on_line};
static const struct atl_listener_handlers none;

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: engine_echo BACKEND [lines]\n");
        return 2;
    }
    use_all_files();
    struct atl_error why = {0};
    struct atl_loop *loop;
    struct atl_listener *listener;
    struct atl_endpoint at = {.host = "127.0.0.1"};
    const struct atl_frame line = {.kind = ATL_FRAME_LINE};
    const struct atl_loop_options with = {.backend = argv[1]};
    struct atl_listener_options options = {.stream_handlers = &echo};
    if (argc > 2) {
        options.stream.frame = &line;
        options.stream_handlers = &echo_lines;
    }
    int result = atl_loop_new(&loop, &with, &why);
    if (result == 0)
        result = atl_listener_open(&listener, loop, &at, &options, &none, NULL,
                                   &why);
    if (result < 0) {
        fprintf(stderr, "engine_echo: %s\n", why.text);
        return 1;
    }
    announce(atl_listener_fd(listener));
    return atl_loop_run(loop) < 0;
}
