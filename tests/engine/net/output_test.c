/* SPDX-License-Identifier: MIT */
/* Output: order, marks, borrowed bytes, framing. */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 31 + i / 253 + i / 65537);
}

static void release(void *ctx)
{
    ++*(int *)ctx;
}

/* Writes of all sizes and both kinds, while the peer reads at its pace. */
static void order(struct atl_loop *loop)
{
    enum { TOTAL = 12 << 20 };
    static const size_t sizes[] = {1,     0,     100,   4096,   16383, 16384,
                                   65535, 65536, 65537, 200000, 7};
    struct atl_stream_options o = {.cap = 64 << 20};
    struct net_record r = {0};
    char *bytes = malloc(TOTAL), *got = malloc(TOTAL);
    size_t at = 0;
    int refs = 0, released = 0, fd = net_pair(&r, loop, &o);
    CHECK_OK(atl_stream_set_option(r.stream, "send_buffer", 100000, NULL));
    for (size_t i = 0; i < TOTAL; i++)
        bytes[i] = (char)pattern(i);
    for (size_t i = 0; at < TOTAL; i++) {
        size_t n = sizes[i % 11];
        if (n > TOTAL - at)
            n = TOTAL - at;
        if (i % 3 == 1) {
            struct atl_ref ref = {bytes + at, n, release, &released};
            CHECK_OK(atl_stream_write_ref(r.stream, &ref, 0));
            refs++;
        } else {
            CHECK_OK(atl_stream_write(r.stream, bytes + at, n, 0));
        }
        at += n;
        if (i % 5 == 4)
            atl_loop_step(loop, 0);
    }
    CHECK(released < refs);
    net_receive(loop, fd, got, TOTAL);
    CHECK_EQ_MEM(got, bytes, TOTAL);
    NET_UNTIL(loop, atl_stream_queued(r.stream) == 0);
    CHECK_EQ_INT(released, refs);
    struct atl_stream_stats stats;
    atl_stream_stats(r.stream, &stats);
    CHECK_EQ_INT(stats.bytes_out, TOTAL);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
    free(bytes);
    free(got);
}
TEST(bytes_leave_in_the_order_they_were_written)
{
    net_each_backend(order);
}

static void many_writes(struct net_record *r, const void *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    for (int i = 0; i < 100; i++)
        CHECK_OK(atl_stream_write(r->stream, "0123456789", 10, 0));
}

static void gathers(struct atl_loop *loop)
{
    struct net_record r = {.then_data = many_writes};
    struct atl_stats before, after;
    char got[1000];
    int fd = net_pair(&r, loop, NULL);
    net_settle(loop);
    atl_loop_stats(loop, &before);
    net_send(fd, "go", 2);
    net_receive(loop, fd, got, sizeof(got));
    atl_loop_stats(loop, &after);
    CHECK_EQ_INT(after.writes - before.writes, 1);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(the_writes_of_one_event_leave_in_one_call)
{
    net_each_backend(gathers);
}

static void marks(struct atl_loop *loop)
{
    enum { HIGH = 100000, CAP = 9000000 };
    struct atl_stream_options o = {.high = HIGH, .low = 1000, .cap = CAP};
    struct net_record r = {0};
    char *block = calloc(1, CAP + 1);
    int fd = net_pair(&r, loop, &o);
    net_settle(loop);
    CHECK_CODE(atl_stream_write(r.stream, block, CAP + 1, 0), -ENOBUFS);
    CHECK_EQ_INT(atl_stream_queued(r.stream), 0);
    CHECK_OK(atl_stream_write(r.stream, block, CAP, 0));
    size_t queued = atl_stream_queued(r.stream);
    CHECK(queued > HIGH);
    CHECK_EQ_INT(atl_stream_holds(r.stream), ATL_HOLD_OUTPUT);
    CHECK_CODE(atl_stream_write(r.stream, block, CAP - queued + 1, 0),
               -ENOBUFS);
    CHECK_EQ_INT(atl_stream_queued(r.stream), queued);
    CHECK_OK(
        atl_stream_write(r.stream, block, CAP - queued + 1, ATL_WRITE_ANY));
    atl_stream_notify(r.stream, HIGH);
    net_send(fd, "held", 4);
    net_settle(loop);
    CHECK_EQ_INT(r.calls, 0);
    CHECK_EQ_INT(r.drained + r.levels, 0);
    char *got = malloc(CAP * 2);
    net_receive(loop, fd, got, CAP + CAP - queued + 1);
    NET_UNTIL(loop, r.drained == 1 && r.levels == 1 && r.calls == 1);
    CHECK_EQ_INT(atl_stream_holds(r.stream), 0);
    net_settle(loop);
    CHECK_EQ_INT(r.drained, 1);
    CHECK_EQ_INT(r.levels, 1);
    atl_stream_notify(r.stream, 0);
    CHECK_EQ_INT(r.levels, 1);
    NET_UNTIL(loop, r.levels == 2);
    atl_stream_notify(r.stream, 0);
    atl_stream_notify(r.stream, SIZE_MAX);
    net_settle(loop);
    CHECK_EQ_INT(r.levels, 2);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
    free(block);
    free(got);
}
TEST(the_marks_hold_input_refuse_output_and_tell)
{
    net_each_backend(marks);
}

/* In every way a stream can end with borrowed bytes in its queue. */
enum { END_CLOSE, END_ABORT, END_PEER_RESET, END_LOOP_FREE, END_WAYS };

static void one_release(const char *backend, int way)
{
    static char bytes[8 << 20];
    struct atl_loop_options options = {.backend = backend};
    struct atl_loop *loop;
    struct net_record r = {0};
    int released = 0;
    struct atl_ref ref = {bytes, sizeof(bytes), release, &released};
    CHECK_OK(atl_loop_new(&loop, &options, NULL));
    int fd = net_pair(&r, loop, NULL);
    net_settle(loop);
    CHECK_OK(atl_stream_write_ref(r.stream, &ref, 0));
    CHECK_EQ_INT(released, 0);
    if (way == END_CLOSE) {
        static char got[sizeof(bytes)];
        atl_stream_close(r.stream);
        NET_UNTIL(loop, r.closed == 1);
        net_receive(loop, fd, got, sizeof(got));
        CHECK_EQ_INT(net_receive_end(loop, fd), 0);
    } else if (way == END_ABORT) {
        atl_stream_abort(r.stream);
    } else if (way == END_PEER_RESET) {
        net_reset(fd);
        fd = -1;
        NET_UNTIL(loop, r.closed == 1);
        CHECK(r.code == -ECONNRESET || r.code == -EPIPE);
    }
    if (fd >= 0)
        close(fd);
    if (way != END_LOOP_FREE)
        net_finish(loop);
    atl_loop_free(&loop);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_EQ_INT(released, 1);
    net_record_free(&r);
}

TEST(borrowed_bytes_are_released_once_however_the_stream_ends)
{
    for (const char *const *name = atl_backend_names(); *name; name++)
        for (int way = 0; way < END_WAYS; way++) {
            fprintf(stderr, "%s way %d\n", *name, way);
            one_release(*name, way);
        }
}

static void framed(struct atl_loop *loop)
{
    struct atl_frame netstring = {.kind = ATL_FRAME_NETSTRING, .max = 100};
    struct atl_stream_options o = {.frame = &netstring};
    struct net_record r = {0};
    char got[14];
    int fd = net_pair(&r, loop, &o);
    CHECK_OK(atl_stream_write_frame(r.stream, "hello", 5, 0));
    CHECK_OK(atl_stream_write_frame(r.stream, "", 0, 0));
    CHECK_CODE(atl_stream_write_frame(r.stream, got, 101, 0), -EMSGSIZE);
    CHECK_OK(atl_stream_set_frame(r.stream, NULL, NULL));
    CHECK_OK(atl_stream_write_frame(r.stream, "raw", 3, 0));
    net_receive(loop, fd, got, 14);
    CHECK_EQ_MEM(got, "5:hello,0:,raw", 14);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_framed_write_wraps_its_payload)
{
    net_each_backend(framed);
}

static void half_close(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    char got[4];
    CHECK_OK(atl_stream_write(r.stream, "last", 4, 0));
    CHECK_OK(atl_stream_shutdown(r.stream));
    CHECK_OK(atl_stream_shutdown(r.stream));
    CHECK_CODE(atl_stream_write(r.stream, "x", 1, 0), -EPIPE);
    net_receive(loop, fd, got, 4);
    CHECK_EQ_INT(net_receive_end(loop, fd), 0);
    net_send(fd, "still", 5);
    NET_UNTIL(loop, r.length == 5);
    CHECK_EQ_INT(r.closed, 0);
    close(fd);
    NET_UNTIL(loop, r.closed == 1); /* both directions have ended */
    CHECK_EQ_INT(r.ended, 1);
    CHECK_CODE(r.code, ATL_EOF);
    net_finish(loop);
    net_record_free(&r);
}
TEST(after_shutdown_input_goes_on)
{
    net_each_backend(half_close);
}

static void after_close(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    struct atl_read want = {ATL_READ_SOME, 0, NULL};
    struct atl_bytes out;
    int released = 0;
    struct atl_ref ref = {"x", 1, release, &released};
    atl_stream_close(r.stream);
    CHECK_CODE(atl_stream_write(r.stream, "x", 1, 0), ATL_ECLOSED);
    CHECK_CODE(atl_stream_write_ref(r.stream, &ref, 0), ATL_ECLOSED);
    CHECK_CODE(atl_stream_write_frame(r.stream, "x", 1, 0), ATL_ECLOSED);
    CHECK_CODE(atl_stream_shutdown(r.stream), ATL_ECLOSED);
    CHECK_CODE(atl_stream_read(r.stream, &want, &out), ATL_ECLOSED);
    CHECK_EQ_INT(atl_stream_queued(r.stream), 0);
    close(fd);
    net_finish(loop);
    CHECK_EQ_INT(released, 0);
    CHECK_EQ_INT(r.opened + r.calls + r.ended, 0);
    net_record_free(&r);
}
TEST(a_closed_stream_takes_nothing)
{
    net_each_backend(after_close);
}
