/* SPDX-License-Identifier: MIT */
/* Streams of descriptors from elsewhere: pairs, pipes, files. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void pairs(struct atl_loop *loop)
{
    struct net_record r[2] = {{0}, {0}};
    struct atl_stream_setup setup = {&net_recorder, &r[0], NULL, NULL};
    struct atl_stream *s[2];
    CHECK_OK(atl_stream_pair(s, loop, &setup, NULL));
    atl_stream_set_data(s[1], &r[1]);
    r[0].stream = s[0];
    r[1].stream = s[1];
    CHECK_EQ_INT(r[0].opened, 0);
    CHECK_OK(atl_stream_write(s[0], "across", 6, 0));
    NET_UNTIL(loop, r[1].length == 6);
    CHECK_EQ_INT(r[0].opened + r[1].opened, 2);
    atl_stream_close(s[0]);
    NET_UNTIL(loop, r[1].ended == 1);
    atl_stream_close(s[1]);
    net_finish(loop);
    net_record_free(&r[1]);
}
TEST(a_pair_is_connected)
{
    net_each_backend(pairs);
}

static void pipes(struct atl_loop *loop)
{
    struct net_record in = {0}, out = {0};
    struct atl_stream_setup to_in = {&net_recorder, &in, NULL, NULL},
                            to_out = {&net_recorder, &out, NULL, NULL};
    int fds[2];
    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_OK(atl_stream_adopt(&in.stream, loop, fds[0], &to_in, NULL));
    CHECK_OK(atl_stream_adopt(&out.stream, loop, fds[1], &to_out, NULL));
    CHECK(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    for (int i = 0; i < 1000; i++)
        CHECK_OK(atl_stream_write(out.stream, "0123456789012345678901234567890",
                                  31, 0));
    char *large = calloc(1, 300000);
    CHECK_OK(atl_stream_write(out.stream, large, 300000, 0));
    free(large);
    NET_UNTIL(loop, in.length == 331000);
    CHECK_EQ_INT(out.ended, 0); /* there is no input that could end */
    atl_stream_close(out.stream);
    NET_UNTIL(loop, in.ended == 1);
    atl_stream_close(in.stream);
    net_finish(loop);
    CHECK_EQ_INT(in.code, 0);
    net_record_free(&in);
}
TEST(pipes_are_streams_too)
{
    net_each_backend(pipes);
}

static void broken_pipe(struct atl_loop *loop)
{
    struct net_record out = {0};
    struct atl_stream_setup setup = {&net_recorder, &out, NULL, NULL};
    int fds[2];
    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_OK(atl_stream_adopt(&out.stream, loop, fds[1], &setup, NULL));
    close(fds[0]);
    CHECK_OK(atl_stream_write(out.stream, "x", 1, 0)); /* SIGPIPE would kill */
    NET_UNTIL(loop, out.closed == 1);
    CHECK_CODE(out.code, -EPIPE);
    net_finish(loop);
}
TEST(writing_to_a_pipe_nobody_reads_kills_the_stream_only)
{
    net_each_backend(broken_pipe);
}

static void files(struct atl_loop *loop)
{
    char name[] = "/tmp/atools-adopt-XXXXXX", bytes[100000];
    struct net_record r = {0};
    struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
    int fd = mkostemp(name, O_CLOEXEC);
    memset(bytes, 'f', sizeof(bytes));
    unlink(name);
    CHECK_EQ_INT(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    lseek(fd, 0, SEEK_SET);
    CHECK_OK(atl_stream_adopt(&r.stream, loop, fd, &setup, NULL));
    NET_UNTIL(loop, r.ended == 1);
    CHECK_EQ_INT(r.length, sizeof(bytes));
    atl_stream_close(r.stream);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_file_can_be_read_as_a_stream)
{
    net_each_backend(files);
}

static void unfit(struct atl_loop *loop)
{
    struct atl_stream *s = NULL, *two[2] = {NULL, NULL};
    struct atl_error why = {0, ""};
    struct atl_stream_options bad = {.idle_ns = -1}, big = {.reserved = {1}};
    struct atl_stream_setup setup = {.options = &bad};
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_CODE(atl_stream_adopt(&s, loop, udp, NULL, &why), -EINVAL);
    CHECK_CODE(atl_stream_adopt(&s, loop, 9999, NULL, &why), -EBADF);
    int fds[2];
    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_CODE(atl_stream_adopt(&s, loop, fds[0], &setup, &why), -EINVAL);
    setup.options = &big;
    CHECK_CODE(atl_stream_pair(two, loop, &setup, &why), -EINVAL);
    CHECK_EQ_PTR(s, NULL);
    close(udp); /* still ours */
    close(fds[0]);
    close(fds[1]);
    CHECK(!atl_loop_alive(loop));
}
TEST(what_cannot_be_adopted_stays_the_callers)
{
    net_each_backend(unfit);
}
