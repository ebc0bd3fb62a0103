/* SPDX-License-Identifier: MIT */
/* Pushed input: frames, holds, quotas, and the ends that follow. */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct atl_frame line = {.kind = ATL_FRAME_LINE};

struct framing {
    struct atl_frame frame;
    const char *wire;
    size_t length;
};
#define WIRE(text) text, sizeof(text) - 1
static const struct framing framings[] = {
    {{.kind = ATL_FRAME_LINE}, WIRE("ab\r\nc\n\ndef\n")},
    {{.kind = ATL_FRAME_DELIMITER, .delimiter_length = 2, .delimiter = "::"},
     WIRE("ab::c::::def::")},
    {{.kind = ATL_FRAME_U16BE}, WIRE("\0\2ab\0\1c\0\0\0\3def")},
    {{.kind = ATL_FRAME_U32LE}, WIRE("\2\0\0\0ab\1\0\0\0c\0\0\0\0\3\0\0\0def")},
    {{.kind = ATL_FRAME_VARINT}, WIRE("\2ab\1c\0\3def")},
    {{.kind = ATL_FRAME_NETSTRING}, WIRE("2:ab,1:c,0:,3:def,")},
};

static void chunks(struct atl_loop *loop)
{
    for (size_t f = 0; f < sizeof(framings) / sizeof(framings[0]); f++)
        for (size_t chunk = 1; chunk <= framings[f].length; chunk++) {
            struct net_record r = {.marked = true};
            struct atl_stream_options o = {.frame = &framings[f].frame};
            int fd = net_pair(&r, loop, &o);
            for (size_t at = 0; at < framings[f].length; at += chunk) {
                size_t left = framings[f].length - at;
                net_send(fd, framings[f].wire + at,
                         left < chunk ? left : chunk);
                atl_loop_step(loop, 0);
            }
            shutdown(fd, SHUT_WR);
            NET_UNTIL(loop, r.ended == 1);
            CHECK_EQ_STR(r.bytes, "ab|c||def|");
            atl_stream_close(r.stream);
            close(fd);
            net_finish(loop);
            net_record_free(&r);
        }
}
TEST(frames_come_whole_however_they_are_cut)
{
    net_each_backend(chunks);
}

static void hold_work(struct net_record *r, const void *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    atl_stream_hold(r->stream, ATL_HOLD_WORK);
}

static void held(struct atl_loop *loop)
{
    struct net_record r = {.marked = true, .then_data = hold_work};
    struct atl_stream_options o = {.frame = &line};
    struct atl_stream_stats stats;
    int fd = net_pair(&r, loop, &o);
    net_send(fd, "a\nb\nc\nd", 7);
    shutdown(fd, SHUT_WR);
    for (int i = 1; i <= 4; i++) {
        NET_UNTIL(loop, r.calls == i);
        net_settle(loop);
        CHECK_EQ_INT(r.calls, i);
        CHECK_EQ_INT(r.ended, 0);
        atl_stream_stats(r.stream, &stats);
        CHECK_RANGE(stats.buffered, 0, 7);
        atl_stream_unhold(r.stream, ATL_HOLD_WORK);
        CHECK_EQ_INT(r.calls, i); /* never from inside a call */
    }
    NET_UNTIL(loop, r.ended == 1);
    CHECK_EQ_STR(r.bytes, "a|b|c|d|");
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_hold_keeps_frames_and_the_end_back_in_order)
{
    net_each_backend(held);
}

static void several_holds(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    atl_stream_hold(r.stream, ATL_HOLD_USER);
    atl_stream_hold(r.stream, ATL_HOLD_WORK);
    net_send(fd, "x", 1);
    net_settle(loop);
    atl_stream_unhold(r.stream, ATL_HOLD_USER);
    net_settle(loop);
    CHECK_EQ_INT(r.calls, 0);
    CHECK_EQ_INT(atl_stream_holds(r.stream), ATL_HOLD_WORK);
    atl_stream_unhold(r.stream, ATL_HOLD_WORK);
    NET_UNTIL(loop, r.calls == 1);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(input_flows_when_the_last_hold_is_lifted)
{
    net_each_backend(several_holds);
}

static int64_t turns(struct atl_loop *loop)
{
    struct atl_stats stats;
    atl_loop_stats(loop, &stats);
    return (int64_t)stats.turns;
}

/* A hangup nobody may read must not be reported again and again. */
static void no_spin(struct atl_loop *loop)
{
    for (int reset = 0; reset < 2; reset++) {
        struct net_record r = {0};
        int fd = net_pair(&r, loop, NULL);
        net_settle(loop);
        atl_stream_hold(r.stream, ATL_HOLD_USER);
        net_send(fd, "unread", 6);
        net_settle(loop);
        if (reset) {
            net_reset(fd);
            NET_UNTIL(loop, r.dead == 1);
            CHECK_CODE(r.dead_code, -ECONNRESET);
            CHECK_EQ_INT(atl_stream_state(r.stream), ATL_STREAM_DEAD);
            CHECK_CODE(atl_stream_write(r.stream, "x", 1, 0), -ECONNRESET);
            CHECK_EQ_INT(atl_stream_fd(r.stream), -1);
        } else {
            shutdown(fd, SHUT_WR);
            net_settle(loop);
            CHECK_EQ_INT(r.dead, 0);
            CHECK_OK(atl_stream_write(r.stream, "x", 1, 0));
        }
        struct atl_stats before, after;
        atl_loop_stats(loop, &before);
        for (int i = 0; i < 5; i++)
            net_step(loop);
        atl_loop_stats(loop, &after);
        CHECK_RANGE(after.events - before.events, 0, 1);
        CHECK_EQ_INT(r.length, 0);
        atl_stream_unhold(r.stream, ATL_HOLD_USER);
        NET_UNTIL(loop, r.length == 6);
        CHECK_EQ_STR(r.bytes, "unread");
        if (reset) {
            NET_UNTIL(loop, r.closed == 1);
            CHECK_CODE(r.code, -ECONNRESET);
        } else {
            NET_UNTIL(loop, r.ended == 1);
            close(fd);
            atl_stream_close(r.stream);
        }
        net_finish(loop);
        net_record_free(&r);
    }
    CHECK(turns(loop) < 2000);
}
TEST(an_unread_end_or_reset_neither_spins_nor_loses_input)
{
    net_each_backend(no_spin);
}

static void reset_while_reading(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    net_send(fd, "last", 4);
    net_reset(fd);
    NET_UNTIL(loop, r.closed == 1);
    CHECK_EQ_STR(r.bytes, "last");
    CHECK_CODE(r.code, -ECONNRESET);
    CHECK_EQ_STR(r.text, "connection reset by peer");
    CHECK_EQ_INT(r.ended, 0);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_reset_comes_after_the_bytes_before_it)
{
    net_each_backend(reset_while_reading);
}

static void truncated(struct atl_loop *loop)
{
    struct net_record r = {.marked = true};
    struct atl_frame f = {.kind = ATL_FRAME_U16BE};
    struct atl_stream_options o = {.frame = &f};
    int fd = net_pair(&r, loop, &o);
    net_send(fd, "\0\1a\0\5ab", 7);
    close(fd);
    NET_UNTIL(loop, r.closed == 1);
    CHECK_EQ_STR(r.bytes, "a|");
    CHECK_CODE(r.code, -EPROTO);
    CHECK_EQ_STR(r.text, "connection ended inside a frame");
    net_finish(loop);
    net_record_free(&r);
}
TEST(an_end_inside_a_frame_is_an_error)
{
    net_each_backend(truncated);
}

static void frame_error(struct atl_loop *loop)
{
    struct net_record r = {.marked = true};
    struct atl_frame f = {.kind = ATL_FRAME_U16BE, .max = 10};
    struct atl_stream_options o = {.frame = &f};
    int fd = net_pair(&r, loop, &o);
    net_send(fd, "\0\1a\0\13", 5);
    NET_UNTIL(loop, r.closed == 1);
    CHECK_EQ_STR(r.bytes, "a|");
    CHECK_CODE(r.code, -EMSGSIZE);
    CHECK_EQ_STR(r.text, "frame longer than 10 bytes");
    CHECK_EQ_INT(net_receive_end(loop, fd), 0);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_frame_too_long_ends_the_connection_after_the_good_ones)
{
    net_each_backend(frame_error);
}

/* Two streams with much in memory take turns. */
static void fair(struct atl_loop *loop)
{
    struct net_record a = {0}, b = {0};
    struct atl_stream_options o = {.frame = &line};
    int fd_a = net_pair(&a, loop, &o), fd_b = net_pair(&b, loop, &o);
    char lines[2000];
    for (size_t i = 0; i < sizeof(lines); i++)
        lines[i] = i % 2 ? '\n' : 'x';
    net_settle(loop);
    net_send(fd_a, lines, sizeof(lines));
    net_send(fd_b, lines, sizeof(lines));
    while (a.calls < 1000 || b.calls < 1000) {
        int before = a.calls;
        net_step(loop);
        CHECK_RANGE(a.calls - before, 0, 128);
        if (a.calls > 200 && a.calls < 1000)
            CHECK(b.calls > 0);
    }
    atl_stream_close(a.stream);
    atl_stream_close(b.stream);
    close(fd_a);
    close(fd_b);
    net_finish(loop);
    net_record_free(&a);
    net_record_free(&b);
}
TEST(many_frames_of_one_stream_do_not_starve_another)
{
    net_each_backend(fair);
}

/* Takes all there is; from the third frame on it first does what the case
   wants, after which there must be no more. */
static void take_on(struct net_record *r, const void *bytes, size_t n)
{
    void (*then)(struct atl_stream * s) =
        *(void (**)(struct atl_stream *))r->extra;
    struct atl_bytes next;
    int taken = 1;
    (void)bytes;
    (void)n;
    while (atl_stream_next(r->stream, &next) == 1) {
        net_record_add(r, next.data, next.length);
        if (++taken == 3 && then != NULL)
            then(r->stream);
    }
}

static void stop_user(struct atl_stream *s)
{
    atl_stream_hold(s, ATL_HOLD_USER);
}

static void next_frames(struct atl_loop *loop)
{
    static void (*const what[])(struct atl_stream *) = {NULL, stop_user,
                                                        atl_stream_close};
    static const char *const got[] = {"a|b|c|d|e|", "a|b|c|", "a|b|c|"};
    for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
        void (*then)(struct atl_stream *) = what[i];
        struct net_record r = {
            .marked = true, .then_data = take_on, .extra = &then};
        struct atl_stream_options o = {.frame = &line};
        struct atl_bytes next;
        int fd = net_pair(&r, loop, &o);
        net_send(fd, "a\nb\nc\nd\ne\nf", 11);
        NET_UNTIL(loop, r.calls > 0);
        CHECK_EQ_STR(r.bytes, got[i]);
        CHECK_EQ_INT(r.calls, 1);
        if (what[i] != atl_stream_close)
            CHECK_EQ_INT(atl_stream_next(r.stream, &next), 0);
        if (what[i] == stop_user) {
            atl_stream_unhold(r.stream, ATL_HOLD_USER);
            NET_UNTIL(loop, r.calls == 2);
            CHECK_EQ_STR(r.bytes, "a|b|c|d|e|");
        }
        if (what[i] != atl_stream_close)
            atl_stream_close(r.stream);
        close(fd);
        net_finish(loop);
        net_record_free(&r);
    }
}
TEST(frames_in_memory_can_be_taken_inside_on_data)
{
    net_each_backend(next_frames);
}

static void take_all(struct net_record *r, const void *bytes, size_t n)
{
    struct atl_bytes next;
    size_t *most = r->extra, taken = 1;
    (void)bytes;
    (void)n;
    while (atl_stream_next(r->stream, &next) == 1) {
        net_record_add(r, next.data, next.length);
        taken++;
    }
    if (taken > *most)
        *most = taken;
}

static void next_is_fair(struct atl_loop *loop)
{
    size_t most = 0;
    struct net_record r = {.then_data = take_all, .extra = &most};
    struct atl_stream_options o = {.frame = &line};
    char many[2000];
    int fd = net_pair(&r, loop, &o);
    memset(many, '\n', sizeof(many));
    for (size_t i = 0; i < sizeof(many); i += 2)
        many[i] = 'x';
    net_send(fd, many, sizeof(many));
    NET_UNTIL(loop, r.length == sizeof(many) / 2);
    CHECK_EQ_INT(most, 64);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(frames_taken_inside_on_data_count_for_the_turn)
{
    net_each_backend(next_is_fair);
}

static void end_with_last_byte(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_read want = {ATL_READ_EXACT, 3, NULL};
    struct atl_stream_options o = {.pull = ATL_ON};
    struct atl_bytes out;
    int fd = net_pair(&r, loop, &o);
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 0);
    net_send(fd, "end", 3);
    close(fd);
    NET_UNTIL(loop, r.reads == 1);
    net_settle(loop);
    CHECK_EQ_INT(r.ended, 0); /* nobody has read up to it */
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 0);
    NET_UNTIL(loop, r.reads == 2);
    CHECK_CODE(r.result, ATL_EOF);
    NET_UNTIL(loop, r.ended == 1);
    atl_stream_close(r.stream);
    net_finish(loop);
    net_record_free(&r);
}
TEST(an_end_with_the_last_byte_is_not_lost)
{
    net_each_backend(end_with_last_byte);
}

static void idle_memory(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    net_settle(loop);
    size_t idle = atl_memory_used();
    net_send(fd, "some bytes", 10);
    NET_UNTIL(loop, r.calls == 1);
    net_settle(loop);
    CHECK_EQ_INT(atl_memory_used(), idle);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(an_idle_stream_owns_no_buffer)
{
    net_each_backend(idle_memory);
}

static int told;

static void tell_close(struct atl_stream *s, const struct atl_error *why)
{
    (void)s;
    told = why != NULL ? why->code : 0;
}

static void unread_death(struct atl_loop *loop)
{
    static const struct atl_stream_handlers deaf = {.on_close = tell_close};
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    told = 0;
    atl_stream_set_handlers(r.stream, &deaf);
    net_send(fd, "nobody reads this", 17);
    net_settle(loop);
    net_reset(fd);
    NET_UNTIL(loop, told != 0);
    CHECK_CODE(told, -ECONNRESET);
    net_finish(loop);
}
TEST(a_stream_nobody_reads_still_ends_when_it_dies)
{
    net_each_backend(unread_death);
}
