/* SPDX-License-Identifier: MIT */
/* Ends: nothing sent is lost, nothing is called twice or too late. */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Closing a socket with unread input resets it and destroys what was sent. */
static void linger(struct atl_loop *loop)
{
    static char sent[1 << 20], got[sizeof(sent)];
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    net_settle(loop);
    atl_stream_hold(r.stream, ATL_HOLD_USER);
    net_send(fd, "never read", 10);
    net_settle(loop);
    memset(sent, 'x', sizeof(sent));
    CHECK_OK(atl_stream_write(r.stream, sent, sizeof(sent), 0));
    atl_stream_close(r.stream);
    NET_UNTIL(loop, r.closed == 1);
    CHECK_EQ_INT(r.code, 0);
    net_send(fd, "more", 4);
    net_receive(loop, fd, got, sizeof(got));
    CHECK_EQ_MEM(got, sent, sizeof(got));
    CHECK_EQ_INT(net_receive_end(loop, fd), 0);
    CHECK(atl_loop_alive(loop));
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(closing_with_unread_input_loses_no_output)
{
    net_each_backend(linger);
}

static void aborts(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    CHECK_OK(atl_stream_write(r.stream, "dropped", 7, 0));
    atl_stream_abort(r.stream);
    CHECK_EQ_INT(net_receive_end(loop, fd), ECONNRESET);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_EQ_INT(r.code, 0);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(abort_resets)
{
    net_each_backend(aborts);
}

static void close_self(struct net_record *r, const void *bytes, size_t n)
{
    char copy[8] = "";
    atl_stream_close(r->stream);
    memcpy(copy, bytes, n);
    CHECK_EQ_STR(copy, "one");
}

static void from_inside(struct atl_loop *loop)
{
    struct atl_frame line = {.kind = ATL_FRAME_LINE};
    struct atl_stream_options o = {.frame = &line};
    struct net_record r = {.then_data = close_self};
    int fd = net_pair(&r, loop, &o);
    net_send(fd, "one\ntwo\n", 8);
    NET_UNTIL(loop, r.closed == 1);
    CHECK_EQ_INT(r.calls, 1);
    CHECK_EQ_INT(net_receive_end(loop, fd), 0);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(after_a_close_in_on_data_only_on_close_runs)
{
    net_each_backend(from_inside);
}

/* Every callback ends every kind of thing. */
enum what { SELF, ABORT_SELF, OTHER, ABORT_OTHER, LISTENER, LOOP, WHATS };
enum when { OPEN, DATA, READ, DRAIN, LEVEL, END, DEAD, CLOSE, WHENS };

static struct {
    enum what what;
    enum when when;
    struct atl_loop *loop;
    struct atl_stream *streams[2];
    bool gone[2], fired;
    struct atl_listener *listener;
    int closes;
} all;

static void act(struct atl_stream *s, enum when when)
{
    int self = s == all.streams[1];
    if (when != all.when || all.fired || all.streams[!self] == NULL)
        return;
    all.fired = true;
    switch (all.what) {
    case SELF:
    case ABORT_SELF:
        (all.what == SELF ? atl_stream_close : atl_stream_abort)(s);
        break;
    case OTHER:
    case ABORT_OTHER:
        if (!all.gone[!self])
            (all.what == OTHER ? atl_stream_close
                               : atl_stream_abort)(all.streams[!self]);
        break;
    case LISTENER:
        atl_listener_close(all.listener);
        break;
    default: {
        struct atl_loop *loop = all.loop;
        atl_loop_free(&loop);
    }
    }
}

static void all_open(struct atl_stream *s)
{
    act(s, OPEN);
}
static void all_data(struct atl_stream *s, const void *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    act(s, DATA);
    atl_stream_notify(s, 0);
}
static void all_read(struct atl_stream *s, int r, const void *bytes, size_t n)
{
    (void)r;
    (void)bytes;
    (void)n;
    act(s, READ);
}
static void all_drain(struct atl_stream *s)
{
    act(s, DRAIN);
}
static void all_level(struct atl_stream *s)
{
    act(s, LEVEL);
}
static void all_end(struct atl_stream *s)
{
    act(s, END);
}
static void all_dead(struct atl_stream *s, const struct atl_error *why)
{
    (void)why;
    act(s, DEAD);
}
static void all_close(struct atl_stream *s, const struct atl_error *why)
{
    (void)why;
    CHECK(!all.gone[s == all.streams[1]]);
    all.gone[s == all.streams[1]] = true;
    all.closes++;
    act(s, CLOSE);
}
static const struct atl_stream_handlers all_handlers = {
    all_open,  all_data, all_read, all_drain,
    all_level, all_end,  all_dead, all_close};

static void all_accept(struct atl_listener *l, struct atl_stream *s)
{
    (void)l;
    all.streams[all.streams[0] != NULL] = s;
}

static int step(struct atl_loop *loop)
{
    return atl_loop_step(loop, ATL_MILLISECOND);
}

/* Makes every callback of both streams happen, unless something ended. */
static void scenario(struct atl_loop *loop)
{
    static const struct atl_listener_handlers handlers = {all_accept, NULL};
    static char block[9000];
    struct atl_listener_options o = {.stream_handlers = &all_handlers,
                                     .stream = {.high = 10000, .low = 100}};
    struct atl_endpoint at = net_at(0);
    struct atl_addr here;
    struct atl_read one = {ATL_READ_EXACT, 1, NULL};
    struct atl_bytes out;
    int r = 1, fd[2];
    CHECK_OK(
        atl_listener_open(&all.listener, loop, &at, &o, &handlers, NULL, NULL));
    CHECK_OK(atl_listener_local(all.listener, &here));
    for (int i = 0; i < 2; i++)
        fd[i] = net_dial((uint16_t)atl_addr_port(&here));
    for (int i = 0; i < 5 && r >= 0; i++)
        r = step(loop);
    for (int i = 0; i < 2 && r >= 0; i++)
        if (!all.gone[i] && atl_stream_read(all.streams[i], &one, &out) == 0 &&
            atl_stream_state(all.streams[i]) == ATL_STREAM_OPEN)
            for (int k = 0; k < 2; k++)
                CHECK_OK(
                    atl_stream_write(all.streams[i], block, sizeof(block), 0));
    for (int i = 0; i < 2; i++)
        (void)!send(fd[i], "abc", 3, MSG_NOSIGNAL);
    for (int i = 0; i < 5 && r >= 0; i++)
        r = step(loop);
    shutdown(fd[0], SHUT_WR);
    for (int i = 0; i < 3 && r >= 0; i++)
        r = step(loop);
    if (r >= 0 && !all.gone[1])
        atl_stream_hold(all.streams[1], ATL_HOLD_USER);
    (void)!send(fd[1], "abc", 3, MSG_NOSIGNAL);
    for (int i = 0; i < 3 && r >= 0; i++)
        r = step(loop);
    net_reset(fd[1]);
    for (int i = 0; i < 200 && r >= 0 && !all.gone[1] && !all.fired; i++)
        r = step(loop);
    for (int i = 0; i < 2 && r >= 0; i++)
        if (!all.gone[i])
            atl_stream_close(all.streams[i]);
    for (int i = 0; i < 3 && r >= 0; i++)
        r = step(loop);
    close(fd[0]);
    for (int i = 0; i < 3 && r >= 0; i++)
        r = step(loop);
    CHECK(all.fired);
    if (r >= 0)
        atl_loop_free(&loop);
    else
        CHECK_CODE(r, ATL_ECLOSED);
    CHECK_EQ_INT(all.closes, 2);
}

TEST(every_callback_may_end_everything)
{
    for (const char *const *name = atl_backend_names(); *name; name++)
        for (int what = 0; what < WHATS; what++)
            for (int when = 0; when < WHENS; when++) {
                struct atl_loop_options o = {.backend = *name};
                struct atl_loop *loop;
                fprintf(stderr, "%s what %d when %d\n", *name, what, when);
                CHECK_OK(atl_loop_new(&loop, &o, NULL));
                memset(&all, 0, sizeof(all));
                all.what = (enum what)what;
                all.when = (enum when)when;
                all.loop = loop;
                scenario(loop);
            }
}

static struct net_record *pair[2];

static void close_both(struct net_record *r, const void *bytes, size_t n)
{
    (void)r;
    (void)bytes;
    (void)n;
    atl_stream_abort(pair[0]->stream);
    atl_stream_abort(pair[1]->stream);
}

/* Both have an event in one batch; the first one's handler ends both. */
static void same_batch(struct atl_loop *loop)
{
    struct net_record a = {.then_data = close_both}, b = a;
    int fd_a = net_pair(&a, loop, NULL), fd_b = net_pair(&b, loop, NULL);
    net_settle(loop);
    pair[0] = &a;
    pair[1] = &b;
    net_send(fd_a, "x", 1);
    net_send(fd_b, "x", 1);
    net_finish(loop);
    CHECK_EQ_INT(a.calls + b.calls, 1);
    CHECK_EQ_INT(a.closed + b.closed, 2);
    close(fd_a);
    close(fd_b);
    net_record_free(&a);
    net_record_free(&b);
}
TEST(an_event_of_a_stream_closed_in_the_same_batch_is_dropped)
{
    net_each_backend(same_batch);
}

static void write_to_dead(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    net_settle(loop);
    atl_stream_hold(r.stream, ATL_HOLD_WORK);
    net_send(fd, "held", 4);
    net_settle(loop);
    net_reset(fd);
    /* A large write goes straight to the kernel, which knows. */
    static char large[20000];
    int code = atl_stream_write(r.stream, large, sizeof(large), 0);
    CHECK_EQ_INT(r.dead, 0);
    NET_UNTIL(loop, r.dead == 1);
    CHECK(code == -ECONNRESET || code == -EPIPE);
    CHECK_EQ_INT(r.closed, 0);
    atl_stream_unhold(r.stream, ATL_HOLD_WORK);
    NET_UNTIL(loop, r.closed == 1);
    CHECK_EQ_STR(r.bytes, "held");
    struct atl_loop *none = NULL;
    atl_loop_free(&none);
    net_finish(loop);
    net_record_free(&r);
}
TEST(death_found_by_writing_leaves_the_input)
{
    net_each_backend(write_to_dead);
}

static void close_dead(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_addr here;
    int fd = net_pair(&r, loop, NULL);
    net_settle(loop);
    atl_stream_hold(r.stream, ATL_HOLD_WORK);
    net_reset(fd);
    NET_UNTIL(loop, r.dead == 1);
    CHECK_OK(atl_stream_local(r.stream, &here));
    CHECK(atl_addr_port(&here) > 0);
    atl_stream_close(r.stream);
    net_finish(loop);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_EQ_INT(r.code, 0);
    net_record_free(&r);
}
TEST(closing_a_dead_stream_is_closing_here)
{
    net_each_backend(close_dead);
}

static void freed_while_lingering(struct atl_loop *loop)
{
    struct atl_loop_options o = {.backend = atl_loop_backend(loop)};
    static char bytes[8 << 20];
    struct net_record r = {0}, full = {0};
    struct atl_loop *other;
    CHECK_OK(atl_loop_new(&other, &o, NULL));
    int fd = net_pair(&r, other, NULL), fd_full = net_pair(&full, other, NULL);
    CHECK_OK(atl_stream_write(full.stream, bytes, sizeof(bytes), 0));
    atl_stream_close(r.stream);
    atl_stream_close(full.stream);
    NET_UNTIL(other, r.closed && full.closed);
    net_settle(other);
    CHECK(atl_loop_alive(other));
    atl_loop_free(&other);
    CHECK_EQ_INT(recv(fd, bytes, 1, 0), 0);
    close(fd);
    close(fd_full);
}
TEST(a_loop_can_be_freed_while_streams_linger)
{
    net_each_backend(freed_while_lingering);
}
