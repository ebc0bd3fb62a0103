/* SPDX-License-Identifier: MIT */
/* Requests: every kind, however the bytes arrive. */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct atl_stream_options pulled = {.pull = ATL_ON};
static const struct atl_frame line = {.kind = ATL_FRAME_LINE};

struct kind {
    struct atl_read want;
    const char *answer, *rest;
};
static const struct kind kinds[] = {
    {{ATL_READ_FRAME, 0, &line}, "hello", "world!"},
    {{ATL_READ_EXACT, 3, NULL}, "hel", "lo\nworld!"},
    {{ATL_READ_EXACT, 13, NULL}, "hello\nworld!", NULL}, /* one too many */
    {{ATL_READ_EXACT, 0, NULL}, "", "hello\nworld!"},
    {{ATL_READ_PEEK, 4, NULL}, "hell", "hello\nworld!"},
    {{ATL_READ_ALL, 0, NULL}, "hello\nworld!", ""},
};

/* Whatever is left, read to the end. */
static void read_rest(struct atl_loop *loop, struct net_record *r)
{
    struct atl_read all = {ATL_READ_ALL, 0, NULL};
    struct atl_bytes out;
    int reads = r->reads;
    r->length = 0;
    int got = atl_stream_read(r->stream, &all, &out);
    if (got == 1)
        net_record_add(r, out.data, out.length);
    else if (got == 0)
        NET_UNTIL(loop, r->reads == reads + 1);
    else
        CHECK_OK(got);
    net_record_add(r, "", 0);
}

/* `split` bytes are there before the request is made, the rest comes later. */
static void one_split(struct atl_loop *loop, const struct kind *k, size_t split)
{
    static const char text[] = "hello\nworld!";
    struct net_record r = {0};
    struct atl_bytes out;
    int fd = net_pair(&r, loop, &pulled);
    struct atl_read peek = {ATL_READ_PEEK, split, NULL};
    int got;
    if (split > 0) { /* brings them into memory */
        net_send(fd, text, split);
        CHECK_EQ_INT(atl_stream_read(r.stream, &peek, &out), 0);
        NET_UNTIL(loop, r.reads == 1);
        CHECK_EQ_MEM(r.bytes, text, split);
        r.length = 0;
        r.reads = 0;
    }
    got = atl_stream_read(r.stream, &k->want, &out);
    if (got == 1)
        net_record_add(&r, out.data, out.length);
    net_send(fd, text + split, strlen(text) - split);
    shutdown(fd, SHUT_WR);
    if (got == 0) {
        NET_UNTIL(loop, r.reads == 1);
        got = r.result;
    }
    net_record_add(&r, "", 0);
    CHECK_EQ_STR(r.bytes, k->answer);
    if (k->rest == NULL) {
        CHECK_CODE(got, ATL_EOF);
    } else {
        CHECK_EQ_INT(got, 1);
        read_rest(loop, &r);
        CHECK_EQ_STR(r.bytes, k->rest);
    }
    NET_UNTIL(loop, r.ended == 1);
    CHECK_CODE(atl_stream_read(r.stream, &peek, &out), split > 0 ? ATL_EOF : 1);
    atl_stream_close(r.stream);
    net_finish(loop);
    CHECK_EQ_INT(r.closed, 1);
    net_record_free(&r);
    close(fd);
}

static void splits(struct atl_loop *loop)
{
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        for (size_t split = 0; split <= 12; split++) {
            fprintf(stderr, "kind %zu split %zu\n", k, split);
            one_split(loop, &kinds[k], split);
        }
}
TEST(every_kind_of_request_is_answered_however_its_bytes_arrive)
{
    net_each_backend(splits);
}

static void some(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_read want = {ATL_READ_SOME, 4, NULL};
    struct atl_bytes out;
    int fd = net_pair(&r, loop, &pulled);
    CHECK_EQ_INT(atl_stream_holds(r.stream), ATL_HOLD_PULL);
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 0);
    CHECK_EQ_INT(atl_stream_holds(r.stream), 0);
    CHECK_CODE(atl_stream_read(r.stream, &want, &out), -EBUSY);
    net_send(fd, "abcdefg", 7);
    NET_UNTIL(loop, r.reads == 1);
    CHECK_EQ_STR(r.bytes, "abcd");
    CHECK_EQ_INT(atl_stream_holds(r.stream), ATL_HOLD_PULL);
    want.size = 0;
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 1);
    CHECK_EQ_MEM(out.data, "efg", 3);
    CHECK_EQ_INT(out.length, 3);
    CHECK_EQ_INT(r.calls, 0);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(some_takes_what_is_there)
{
    net_each_backend(some);
}

static void cancel(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_read want = {ATL_READ_EXACT, 10, NULL};
    struct atl_bytes out;
    int fd = net_pair(&r, loop, &pulled);
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 0);
    net_send(fd, "12345", 5);
    struct atl_stream_stats stats;
    do {
        net_step(loop);
        atl_stream_stats(r.stream, &stats);
    } while (stats.buffered < 5);
    atl_stream_read_cancel(r.stream);
    atl_stream_read_cancel(r.stream);
    net_settle(loop);
    CHECK_EQ_INT(r.reads, 0);
    want.size = 5;
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 1);
    CHECK_EQ_MEM(out.data, "12345", 5);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_cancelled_request_consumes_nothing)
{
    net_each_backend(cancel);
}

static void too_long(struct atl_loop *loop)
{
    struct atl_frame shortest = {.kind = ATL_FRAME_LINE, .max = 4};
    struct net_record r = {0};
    struct atl_read want = {ATL_READ_FRAME, 0, &shortest};
    struct atl_bytes out;
    int fd = net_pair(&r, loop, &pulled);
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 0);
    net_send(fd, "123456789\n", 10);
    NET_UNTIL(loop, r.reads == 1);
    CHECK_CODE(r.result, -EMSGSIZE);
    CHECK(r.length > 4);
    CHECK_EQ_INT(atl_stream_state(r.stream), ATL_STREAM_OPEN);
    want.frame = &line;
    r.length = 0;
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 1);
    CHECK_EQ_INT(out.length, 9);
    struct atl_read all = {ATL_READ_ALL, 4, NULL};
    CHECK_EQ_INT(atl_stream_read(r.stream, &all, &out), 0);
    net_send(fd, "12345", 5);
    NET_UNTIL(loop, r.reads == 2);
    CHECK_CODE(r.result, -EMSGSIZE);
    CHECK_EQ_STR(r.bytes, "12345");
    close(fd);
    all.size = 5;
    int got = atl_stream_read(r.stream, &all, &out);
    CHECK_EQ_INT(got, 0);
    NET_UNTIL(loop, r.reads == 3);
    CHECK_EQ_INT(r.result, 1);
    CHECK_EQ_STR(r.bytes, "1234512345");
    atl_stream_close(r.stream);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_request_that_cannot_be_met_leaves_the_bytes_and_the_stream)
{
    net_each_backend(too_long);
}

static void ask_on(struct net_record *r)
{
    struct atl_read want = {ATL_READ_FRAME, 0, &line};
    struct atl_bytes out;
    int got;
    while ((got = atl_stream_read(r->stream, &want, &out)) == 1)
        net_record_add(r, out.data, out.length);
    if (got < 0)
        r->code = got;
}

static void loop_of_lines(struct atl_loop *loop)
{
    struct net_record r = {.marked = true, .then_read = ask_on};
    int fd = net_pair(&r, loop, &pulled);
    ask_on(&r);
    for (int i = 0; i < 10; i++) {
        net_send(fd, &"a\nbc\n\r\ndef"[i], 1);
        net_settle(loop);
    }
    shutdown(fd, SHUT_WR);
    NET_UNTIL(loop, r.ended == 1);
    CHECK_EQ_STR(r.bytes, "a|bc||def|");
    CHECK_CODE(r.code, ATL_EOF);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(lines_can_be_asked_for_from_on_read)
{
    net_each_backend(loop_of_lines);
}

static void nested(struct net_record *r, const void *bytes, size_t n)
{
    struct atl_read want = {ATL_READ_EXACT, 3, NULL};
    struct atl_bytes out;
    (void)bytes;
    (void)n;
    r->then_data = NULL;
    CHECK_EQ_INT(atl_stream_read(r->stream, &want, &out), 1);
    net_record_add(r, out.data, out.length);
}

static void read_in_on_data(struct atl_loop *loop)
{
    struct atl_stream_options framed = {.frame = &line};
    struct net_record r = {.marked = true, .then_data = nested};
    int fd = net_pair(&r, loop, &framed);
    net_send(fd, "head\nxyz\nnext\n", 14);
    NET_UNTIL(loop, r.calls == 3);
    CHECK_EQ_STR(r.bytes, "head|xyz||next|");
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_read_inside_on_data_goes_on_with_the_same_bytes)
{
    net_each_backend(read_in_on_data);
}

static void big_exact(struct atl_loop *loop)
{
    enum { SIZE = 1 << 20 };
    static char bytes[SIZE];
    struct net_record r = {0};
    struct atl_read want = {ATL_READ_EXACT, SIZE, NULL};
    struct atl_bytes out;
    size_t before = atl_memory_used();
    int fd = net_pair(&r, loop, &pulled);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    CHECK_EQ_INT(atl_stream_read(r.stream, &want, &out), 0);
    CHECK_RANGE(atl_memory_used() - before, 1, 4096);
    for (int sent = 0; sent < SIZE; sent += 32768) {
        net_send(fd, bytes + sent, 32768);
        net_step(loop);
    }
    NET_UNTIL(loop, r.reads == 1);
    CHECK_EQ_INT(r.length, SIZE);
    CHECK_EQ_MEM(r.bytes, bytes, SIZE);
    net_settle(loop);
    CHECK_RANGE(atl_memory_used() - before, 1, 4096);
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_large_request_takes_memory_only_as_bytes_arrive)
{
    net_each_backend(big_exact);
}
