/* SPDX-License-Identifier: MIT */
/* Deadlines, on a clock the test moves: nothing here takes real time. */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/os.h"

static int64_t fake_ns;

static int64_t fake_now(void *self)
{
    (void)self;
    return fake_ns;
}

static int hanging_connect(void *self, int fd, const struct sockaddr *sa,
                           socklen_t n)
{
    (void)self, (void)sa, (void)n;
    listen(fd, 1); /* in this state neither writable nor dead */
    return -EINPROGRESS;
}

static void with_clock(void (*body)(struct atl_loop *loop))
{
    for (const char *const *name = atl_backend_names(); *name; name++) {
        struct atl_os_calls calls = *atl__os_real.calls;
        struct atl_os os = {&calls, atl__os_real.self};
        struct atl_loop_options o = {.backend = *name, .os = &os};
        struct atl_loop *loop;
        fprintf(stderr, "backend %s\n", *name);
        fake_ns = 5 * ATL_SECOND;
        calls.now = fake_now;
        calls.connect = hanging_connect;
        CHECK_OK(atl_loop_new(&loop, &o, NULL));
        body(loop);
        atl_loop_free(&loop);
    }
}

static void pass(struct atl_loop *loop, double seconds)
{
    fake_ns += (int64_t)(seconds * 1e9);
    for (int i = 0; i < 4; i++)
        CHECK_OK(atl_loop_step(loop, 0));
}

static uint64_t deadlines(struct atl_loop *loop)
{
    struct atl_stats stats;
    atl_loop_stats(loop, &stats);
    return stats.deadlines;
}

static void idle(struct atl_loop *loop)
{
    struct atl_stream_options o = {.idle_ns = 300 * ATL_SECOND};
    struct net_record r = {0};
    int fd = net_pair(&r, loop, &o);
    pass(loop, 299);
    net_send(fd, "x", 1);
    pass(loop, 0.5);
    CHECK_EQ_INT(r.calls, 1);
    pass(loop, 299);
    CHECK_OK(atl_stream_write(r.stream, "x", 1, 0));
    pass(loop, 0.5);
    pass(loop, 299);
    CHECK_EQ_INT(r.closed, 0);
    pass(loop, 2);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_CODE(r.code, -ETIMEDOUT);
    CHECK_EQ_STR(r.text, "no data for 300 s (idle timeout)");
    CHECK_EQ_INT(deadlines(loop), 1);
    close(fd);
    net_record_free(&r);
}
TEST(a_stream_idle_for_too_long_is_closed)
{
    with_clock(idle);
}

static void idle_work(struct atl_loop *loop)
{
    struct atl_stream_options o = {.idle_ns = 10 * ATL_SECOND};
    struct net_record r = {0};
    int fd = net_pair(&r, loop, &o);
    atl_stream_hold(r.stream, ATL_HOLD_WORK);
    pass(loop, 50);
    pass(loop, 50);
    CHECK_EQ_INT(r.closed, 0);
    atl_stream_unhold(r.stream, ATL_HOLD_WORK);
    pass(loop, 9);
    CHECK_EQ_INT(r.closed, 0);
    atl_stream_set_idle(r.stream, 100 * ATL_SECOND);
    pass(loop, 99);
    CHECK_EQ_INT(r.closed, 0);
    atl_stream_set_idle(r.stream, ATL_NEVER);
    pass(loop, 10000);
    CHECK_EQ_INT(r.closed, 0);
    atl_stream_set_idle(r.stream, ATL_SECOND);
    pass(loop, 1.1);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_EQ_STR(r.text, "no data for 1 s (idle timeout)");
    close(fd);
    net_record_free(&r);
}
TEST(the_idle_time_stands_still_while_a_handler_works)
{
    with_clock(idle_work);
}

static void stall(struct atl_loop *loop)
{
    static char bytes[4 << 20];
    static char got[1 << 20];
    struct net_record r = {0};
    int fd = net_local_pair(&r, loop, NULL);
    pass(loop, 0);
    CHECK_OK(atl_stream_write(r.stream, bytes, sizeof(bytes), 0));
    CHECK(atl_stream_queued(r.stream) > 0);
    pass(loop, 29);
    CHECK_EQ_INT(r.closed, 0);
    net_receive(loop, fd, got, sizeof(got)); /* takes some: no stall */
    pass(loop, 29);
    CHECK_EQ_INT(r.closed, 0);
    pass(loop, 2);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_CODE(r.code, -ETIMEDOUT);
    CHECK_EQ_STR(r.text, "output stalled for 30 s");
    close(fd);
    net_record_free(&r);
}
TEST(a_peer_that_stops_reading_is_reset_in_the_end)
{
    with_clock(stall);
}

static void stall_closing(struct atl_loop *loop)
{
    static char bytes[8 << 20];
    struct net_record r = {0};
    int fd = net_local_pair(&r, loop, NULL);
    pass(loop, 0);
    CHECK_OK(atl_stream_write(r.stream, bytes, sizeof(bytes), 0));
    atl_stream_close(r.stream);
    pass(loop, 29);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_EQ_INT(r.code, 0);
    CHECK(atl_loop_alive(loop));
    pass(loop, 2);
    CHECK(!atl_loop_alive(loop));
    close(fd);
    net_record_free(&r);
}
TEST(closing_does_not_wait_for_a_stalled_peer_for_ever)
{
    with_clock(stall_closing);
}

static void linger(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    pass(loop, 0);
    atl_stream_close(r.stream);
    pass(loop, 0);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_EQ_INT(net_receive_end(loop, fd), 0);
    net_send(fd, "ignored", 7);
    pass(loop, 4.9);
    CHECK(atl_loop_alive(loop));
    pass(loop, 0.2);
    CHECK(!atl_loop_alive(loop));
    close(fd);
    net_record_free(&r);
}
TEST(lingering_ends_after_five_seconds)
{
    with_clock(linger);
}

static void connecting(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
    struct atl_endpoint at = net_at(7000);
    CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
    pass(loop, 9.9);
    CHECK_EQ_INT(r.closed, 0);
    pass(loop, 0.2);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_CODE(r.code, -ETIMEDOUT);
    CHECK_EQ_STR(r.text, "connect to 127.0.0.1:7000: timed out after 10 s");
    CHECK(!atl_loop_alive(loop));
}
TEST(a_connect_without_answer_times_out)
{
    with_clock(connecting);
}

/* Activity only stamps a time: the timer of a busy stream is not moved. */
static void lazy(struct atl_loop *loop)
{
    struct atl_stream_options o = {.idle_ns = 10 * ATL_SECOND};
    struct net_record r = {0};
    struct atl_stats before, after;
    int fd = net_pair(&r, loop, &o);
    pass(loop, 0);
    atl_loop_stats(loop, &before);
    for (int i = 0; i < 95; i++) {
        net_send(fd, "x", 1);
        pass(loop, 1);
    }
    atl_loop_stats(loop, &after);
    CHECK_EQ_INT(r.closed, 0);
    CHECK_RANGE(after.timers_fired - before.timers_fired, 8, 11);
    atl_stream_abort(r.stream);
    pass(loop, 0);
    close(fd);
    net_record_free(&r);
}
TEST(activity_does_not_touch_the_timer)
{
    with_clock(lazy);
}
