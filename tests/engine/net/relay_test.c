/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct done {
    int calls, result;
    uint64_t copied;
};

static void on_done(void *data, int result, uint64_t copied,
                    const struct atl_error *why)
{
    struct done *d = data;
    CHECK_EQ_INT(why != NULL, result < 0);
    d->calls++;
    d->result = result;
    d->copied = copied;
}

struct both {
    struct net_record a, b;
    int fd_a, fd_b;
};

static void open_both(struct both *p, struct atl_loop *loop)
{
    memset(p, 0, sizeof(*p));
    p->fd_a = net_pair(&p->a, loop, NULL);
    p->fd_b = net_pair(&p->b, loop, NULL);
    net_settle(loop);
}

static void end_both(struct both *p, struct atl_loop *loop)
{
    for (int i = 0; i < 2; i++) {
        struct net_record *r = i ? &p->b : &p->a;
        if (!r->closed)
            atl_stream_close(r->stream);
    }
    if (p->fd_a >= 0)
        close(p->fd_a);
    if (p->fd_b >= 0)
        close(p->fd_b);
    net_finish(loop);
    net_record_free(&p->a);
    net_record_free(&p->b);
}

static void both_ways(struct atl_loop *loop)
{
    struct both p;
    struct atl_relay *there, *back;
    struct done d1 = {0}, d2 = {0};
    char got[8];
    open_both(&p, loop);
    CHECK_OK(atl_relay_open(&there, p.a.stream, p.b.stream, (uint64_t)ATL_NEVER,
                            on_done, &d1));
    CHECK_OK(atl_relay_open(&back, p.b.stream, p.a.stream, (uint64_t)ATL_NEVER,
                            on_done, &d2));
    CHECK_CODE(atl_relay_open(&back, p.a.stream, p.b.stream, 1, on_done, &d1),
               -EBUSY);
    struct atl_read want = {ATL_READ_SOME, 0, NULL};
    struct atl_bytes out;
    CHECK_CODE(atl_stream_read(p.a.stream, &want, &out), -EBUSY);
    net_send(p.fd_a, "ping", 4);
    net_receive(loop, p.fd_b, got, 4);
    CHECK_EQ_MEM(got, "ping", 4);
    net_send(p.fd_b, "pong!", 5);
    net_receive(loop, p.fd_a, got, 5);
    CHECK_EQ_MEM(got, "pong!", 5);
    /* One direction ends, the other goes on. */
    shutdown(p.fd_a, SHUT_WR);
    CHECK_EQ_INT(net_receive_end(loop, p.fd_b), 0);
    NET_UNTIL(loop, d1.calls == 1);
    CHECK_EQ_INT(d1.result, 0);
    CHECK_EQ_INT(d1.copied, 4);
    net_send(p.fd_b, "more", 4);
    net_receive(loop, p.fd_a, got, 4);
    shutdown(p.fd_b, SHUT_WR);
    CHECK_EQ_INT(net_receive_end(loop, p.fd_a), 0);
    NET_UNTIL(loop, d2.calls == 1);
    CHECK_EQ_INT(d2.copied, 9);
    NET_UNTIL(loop, p.a.closed && p.b.closed);
    CHECK_CODE(p.a.code, ATL_EOF);
    CHECK_EQ_INT(p.a.calls + p.b.calls, 0);
    end_both(&p, loop);
}
TEST(both_directions_are_copied_and_end_on_their_own)
{
    net_each_backend(both_ways);
}

/* A slow target slows the source down; every byte arrives in order. */
static void slow(struct atl_loop *loop)
{
    enum { TOTAL = 24 << 20 };
    struct both p;
    struct atl_relay *relay;
    struct done d = {0};
    char *bytes = malloc(TOTAL), *got = malloc(TOTAL);
    size_t sent = 0, most = 0;
    for (size_t i = 0; i < TOTAL; i++)
        bytes[i] = (char)(i * 13 + i / 4093);
    open_both(&p, loop);
    CHECK_OK(atl_relay_open(&relay, p.a.stream, p.b.stream, TOTAL - 10, on_done,
                            &d));
    for (int quiet = 0; sent < TOTAL && quiet < 50;) {
        ssize_t n = send(p.fd_a, bytes + sent, TOTAL - sent, MSG_DONTWAIT);
        quiet = n > 0 ? 0 : quiet + 1;
        sent += n > 0 ? (size_t)n : 0;
        net_step(loop);
        size_t queued = atl_stream_queued(p.b.stream);
        most = queued > most ? queued : most;
    }
    CHECK_RANGE(most, 1, (1 << 20) + 65536);
    for (size_t at = 0; at < TOTAL - 10;) {
        size_t n = TOTAL - 10 - at < 100000 ? TOTAL - 10 - at : 100000;
        net_receive(loop, p.fd_b, got + at, n);
        at += n;
        ssize_t more = send(p.fd_a, bytes + sent, TOTAL - sent, MSG_DONTWAIT);
        sent += more > 0 ? (size_t)more : 0;
    }
    CHECK_EQ_MEM(got, bytes, TOTAL - 10);
    NET_UNTIL(loop, d.calls == 1);
    CHECK_EQ_INT(d.result, 0);
    CHECK_EQ_INT(d.copied, TOTAL - 10);
    /* What lies behind the length is the handlers' again. */
    NET_UNTIL(loop, p.a.length == 10);
    CHECK_EQ_MEM(p.a.bytes, bytes + TOTAL - 10, 10);
    end_both(&p, loop);
    free(bytes);
    free(got);
}
TEST(a_slow_target_holds_its_source)
{
    net_each_backend(slow);
}

static void failing(struct atl_loop *loop)
{
    for (int way = 0; way < 5; way++) {
        struct both p;
        struct atl_relay *relay;
        struct done d = {0};
        open_both(&p, loop);
        CHECK_OK(atl_relay_open(&relay, p.a.stream, p.b.stream,
                                (uint64_t)ATL_NEVER, on_done, &d));
        net_send(p.fd_a, "abc", 3);
        net_settle(loop);
        if (way == 0) {
            atl_stream_close(p.a.stream);
        } else if (way == 1) {
            atl_stream_abort(p.b.stream);
        } else if (way == 2) {
            net_reset(p.fd_a);
            p.fd_a = -1;
        } else if (way == 3) {
            net_reset(p.fd_b);
            p.fd_b = -1;
        } else {
            CHECK_EQ_INT(atl_relay_close(&relay), 3);
            CHECK_EQ_PTR(relay, NULL);
            net_send(p.fd_a, "def", 3);
            NET_UNTIL(loop, p.a.length == 3);
        }
        if (way < 4) {
            NET_UNTIL(loop, d.calls == 1);
            CHECK_CODE(d.result, way < 2 ? -ECANCELED : -ECONNRESET);
            CHECK_EQ_INT(d.copied, 3);
        }
        end_both(&p, loop);
        CHECK_EQ_INT(d.calls, way < 4);
    }
}
TEST(a_relay_ends_with_either_of_its_streams)
{
    net_each_backend(failing);
}

static void paused(struct atl_loop *loop)
{
    struct both p;
    struct atl_relay *relay;
    struct done d = {0};
    char got[3];
    open_both(&p, loop);
    /* Handlers at work do not stop a relay, a pause does. */
    atl_stream_hold(p.a.stream, ATL_HOLD_WORK);
    atl_stream_hold(p.a.stream, ATL_HOLD_USER);
    CHECK_OK(atl_relay_open(&relay, p.a.stream, p.b.stream, 3, on_done, &d));
    net_send(p.fd_a, "abc", 3);
    net_settle(loop);
    CHECK_EQ_INT(d.calls, 0);
    atl_stream_unhold(p.a.stream, ATL_HOLD_USER);
    net_receive(loop, p.fd_b, got, 3);
    NET_UNTIL(loop, d.calls == 1);
    end_both(&p, loop);
}
TEST(a_paused_source_is_not_copied)
{
    net_each_backend(paused);
}

static void itself(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_relay *relay;
    struct done d = {0};
    char got[4];
    int fd = net_pair(&r, loop, NULL);
    CHECK_OK(atl_relay_open(&relay, r.stream, r.stream, (uint64_t)ATL_NEVER,
                            on_done, &d));
    net_send(fd, "echo", 4);
    net_receive(loop, fd, got, 4);
    CHECK_EQ_MEM(got, "echo", 4);
    shutdown(fd, SHUT_WR);
    CHECK_EQ_INT(net_receive_end(loop, fd), 0);
    net_finish(loop);
    CHECK_EQ_INT(d.calls, 1);
    CHECK_EQ_INT(d.copied, 4);
    CHECK_CODE(r.code, ATL_EOF);
    close(fd);
}
TEST(a_stream_relayed_to_itself_echoes)
{
    net_each_backend(itself);
}

static void late_close(struct atl_loop *loop)
{
    struct both p;
    struct atl_relay *relay;
    struct done d = {0};
    open_both(&p, loop);
    CHECK_OK(atl_relay_open(&relay, p.a.stream, p.b.stream, 0, on_done, &d));
    CHECK_EQ_INT(d.calls, 0);
    CHECK_EQ_INT(atl_relay_close(&relay), 0); /* done, but not told yet */
    net_settle(loop);
    CHECK_EQ_INT(d.calls, 0);
    end_both(&p, loop);
}
TEST(a_relay_closed_before_it_told_its_end_does_not_tell)
{
    net_each_backend(late_close);
}
