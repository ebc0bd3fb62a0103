/* SPDX-License-Identifier: MIT */
/*
 * Streams on a system that does as little as it may: reads and writes of one
 * byte, spurious EAGAIN and EINTR, and no memory. Every byte arrives, once and
 * in order; without memory there is an error or one closed connection.
 */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/os.h"

/* --- faults of the system ------------------------------------------------ */

static uint32_t state;

static uint32_t chance(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

static bool single_bytes; /* else pieces of random length */

/* How much of `n` this call is to move, or an error. */
static ssize_t dose(size_t n)
{
    switch (chance(8)) {
    case 0:
        return -EAGAIN;
    case 1:
        return -EINTR;
    default:
        return (ssize_t)(single_bytes ? 1 : 1 + chance((uint32_t)n));
    }
}

static ssize_t some_recv(void *self, int fd, void *buf, size_t n, int flags)
{
    ssize_t most = dose(n);
    if (most < 0)
        return most;
    return atl__os_real.calls->recv(self, fd, buf, (size_t)most, flags);
}

static ssize_t some_sendmsg(void *self, int fd, const struct msghdr *m,
                            int flags)
{
    struct iovec v[100];
    struct msghdr part = *m;
    size_t total = 0;
    int count = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++)
        total += m->msg_iov[i].iov_len;
    ssize_t most = dose(total);
    if (most < 0)
        return most;
    for (size_t i = 0; i < m->msg_iovlen && most > 0; i++) {
        v[count] = m->msg_iov[i];
        if (v[count].iov_len > (size_t)most)
            v[count].iov_len = (size_t)most;
        most -= (ssize_t)v[count++].iov_len;
    }
    part.msg_iov = v;
    part.msg_iovlen = (size_t)count;
    return atl__os_real.calls->sendmsg(self, fd, &part, flags);
}

static ssize_t some_send(void *self, int fd, const void *buf, size_t n,
                         int flags)
{
    ssize_t most = dose(n);
    if (most < 0)
        return most;
    return atl__os_real.calls->send(self, fd, buf, (size_t)most, flags);
}

static int some_accept(void *self, int fd, struct sockaddr *sa, socklen_t *n)
{
    static const int codes[] = {-EAGAIN, -EINTR, -ECONNABORTED};
    uint32_t which = chance(6);
    if (which < 3)
        return codes[which];
    return atl__os_real.calls->accept(self, fd, sa, n);
}

/* --- conservation -------------------------------------------------------- */

enum { TOTAL = 30000, STREAMS = 4 };

static char plan[TOTAL];

struct sender {
    struct net_record r; /* what came back */
    size_t sent;
    int refs, released;
};

static void released(void *ctx)
{
    ++*(int *)ctx;
}

static void send_more(struct sender *c)
{
    size_t n = 1 + chance(3000);
    if (c->sent + n > TOTAL)
        n = TOTAL - c->sent;
    if (n == 0 || atl_stream_queued(c->r.stream) > 10000)
        return;
    if (chance(2)) {
        struct atl_ref ref = {plan + c->sent, n, released, &c->released};
        CHECK_OK(atl_stream_write_ref(c->r.stream, &ref, 0));
        c->refs++;
    } else {
        CHECK_OK(atl_stream_write(c->r.stream, plan + c->sent, n, 0));
    }
    c->sent += n;
    if (c->sent == TOTAL)
        CHECK_OK(atl_stream_shutdown(c->r.stream));
}

static void echo_data(struct atl_stream *s, const void *bytes, size_t n)
{
    CHECK_OK(atl_stream_write(s, bytes, n, 0));
    if (chance(4) == 0)
        atl_stream_hold(s, ATL_HOLD_USER);
}

static int64_t echo_done;

static void echo_close(struct atl_stream *s, const struct atl_error *why)
{
    (void)s;
    CHECK_CODE(why != NULL ? why->code : 0, ATL_EOF);
    echo_done++;
}

static const struct atl_stream_handlers echo = {.on_data = echo_data,
                                                .on_close = echo_close};

static int unhold(void *ctx, enum atl_kind kind, void *object, bool keeps)
{
    (void)ctx, (void)keeps;
    if (kind == ATL_KIND_STREAM && chance(2))
        atl_stream_unhold(object, ATL_HOLD_USER);
    return 0;
}

static void conserve(struct atl_loop *loop)
{
    struct atl_listener_options o = {.stream = {.high = 5000, .low = 1000}};
    struct net_server server = {.setup = {.handlers = &echo}};
    static struct sender c[STREAMS];
    int64_t end = net_deadline();
    bool done = false;
    memset(c, 0, sizeof(c));
    echo_done = 0;
    for (size_t i = 0; i < TOTAL; i++)
        plan[i] = (char)chance(256);
    net_server_open(&server, loop, &o);
    for (int i = 0; i < STREAMS; i++) {
        struct atl_endpoint at = net_at(server.port);
        struct atl_stream_setup setup = {&net_recorder, &c[i].r, NULL, NULL};
        CHECK_OK(atl_connect(&c[i].r.stream, loop, &at, &setup, NULL));
    }
    while (!done) {
        done = true;
        CHECK_OK(atl_loop_step(loop, ATL_MILLISECOND));
        net_check_time(__FILE__, __LINE__, "all bytes", end);
        atl_loop_visit(loop, unhold, NULL);
        for (int i = 0; i < STREAMS; i++) {
            if (c[i].sent < TOTAL)
                send_more(&c[i]);
            done = done && c[i].r.closed;
        }
    }
    for (int i = 0; i < STREAMS; i++) {
        CHECK_CODE(c[i].r.code, ATL_EOF);
        CHECK_EQ_INT(c[i].r.length, TOTAL);
        CHECK_EQ_MEM(c[i].r.bytes, plan, TOTAL);
        CHECK_EQ_INT(c[i].released, c[i].refs);
        net_record_free(&c[i].r);
    }
    atl_listener_close(server.listener);
    net_finish(loop);
    CHECK_EQ_INT(echo_done, STREAMS);
}

static void on_poor_system(bool singles, uint32_t seed)
{
    for (const char *const *name = atl_backend_names(); *name; name++) {
        struct atl_os_calls calls = *atl__os_real.calls;
        struct atl_os os = {&calls, atl__os_real.self};
        struct atl_loop_options o = {.backend = *name, .os = &os};
        struct atl_loop *loop;
        fprintf(stderr, "%s, seed %u\n", *name, seed);
        state = seed;
        single_bytes = singles;
        calls.recv = some_recv;
        calls.send = some_send;
        calls.sendmsg = some_sendmsg;
        calls.accept = some_accept;
        CHECK_OK(atl_loop_new(&loop, &o, NULL));
        conserve(loop);
        atl_loop_free(&loop);
    }
}

TEST(every_byte_arrives_when_each_call_moves_one)
{
    on_poor_system(true, 1);
}

TEST(every_byte_arrives_when_calls_move_as_they_like)
{
    for (uint32_t seed = 2; seed < 6; seed++)
        on_poor_system(false, seed);
}

/* --- no memory ----------------------------------------------------------- */

static long allocations, fail_from, fail_until;

static void *failing_alloc(void *ctx, void *p, size_t osize, size_t nsize)
{
    (void)ctx, (void)osize;
    if (nsize == 0) {
        free(p);
        return NULL;
    }
    allocations++;
    if (allocations >= fail_from && allocations < fail_until)
        return NULL;
    return realloc(p, nsize);
}

struct actor {
    struct atl_stream *stream;
    int closed;
};

static void act_read(struct atl_stream *s, int r, const void *bytes, size_t n)
{
    struct atl_read want = {ATL_READ_EXACT, 5000, NULL};
    struct atl_bytes out;
    (void)bytes, (void)n;
    if (r > 0 && atl_stream_read(s, &want, &out) != 0)
        atl_stream_close(s);
}

static void act_end(struct atl_stream *s)
{
    atl_stream_close(s);
}

static void act_close(struct atl_stream *s, const struct atl_error *why)
{
    struct actor *a = atl_stream_data(s);
    (void)why;
    if (a == NULL)
        return;
    a->closed++;
    a->stream = NULL;
}

static void serve_data(struct atl_stream *s, const void *bytes, size_t n)
{
    static char large[40000];
    (void)atl_stream_write_frame(s, bytes, n, 0);
    (void)atl_stream_write(s, large, sizeof(large), 0);
    atl_stream_notify(s, 0);
    atl_stream_set_idle(s, 60 * ATL_SECOND);
}

static void relay_done(void *data, int result, uint64_t copied,
                       const struct atl_error *why)
{
    (void)result, (void)copied, (void)why;
    *(struct atl_relay **)data = NULL;
}

static const struct atl_stream_handlers actor_handlers = {
    .on_read = act_read, .on_end = act_end, .on_close = act_close};
static const struct atl_stream_handlers serving = {
    .on_data = serve_data, .on_end = act_end, .on_close = act_close};

static void turn(struct atl_loop *loop, int count)
{
    for (int i = 0; i < count; i++)
        (void)atl_loop_step(loop, ATL_MILLISECOND / 20);
}

/* A little of everything; what fails is left out. */
static void scenario(struct atl_loop *loop)
{
    static const struct atl_frame line = {.kind = ATL_FRAME_LINE};
    struct atl_listener_options lo = {
        .stream_handlers = &serving,
        .stream = {.frame = &line, .idle_ns = ATL_SECOND}};
    struct atl_stream_options so = {.pull = ATL_ON};
    struct actor a[4] = {{NULL, 0}};
    struct atl_read want = {ATL_READ_FRAME, 0, &line};
    struct atl_bytes out;
    struct atl_relay *relay = NULL;
    struct atl_listener *l = NULL;
    struct atl_endpoint at = net_at(0);
    struct atl_addr here;
    struct atl_stream *two[2];
    int released_count = 0, taken = 0;
    if (atl_listener_open(&l, loop, &at, &lo, NULL, NULL, NULL) == 0) {
        CHECK_OK(atl_listener_local(l, &here));
        at.port = (uint16_t)atl_addr_port(&here);
        for (int i = 0; i < 2; i++) {
            struct atl_stream_setup setup = {&actor_handlers, &a[i], &so, NULL};
            strcpy(at.host, i ? "localhost" : "127.0.0.1");
            if (atl_connect(&a[i].stream, loop, &at, &setup, NULL) < 0)
                continue;
            (void)atl_stream_write(a[i].stream, "early\n", 6, 0);
            struct atl_ref ref = {"ref\n", 4, released, &released_count};
            taken += atl_stream_write_ref(a[i].stream, &ref, 0) == 0;
            (void)atl_stream_read(a[i].stream, &want, &out);
        }
    }
    turn(loop, 12);
    struct atl_stream_setup setup = {&serving, NULL, NULL, NULL};
    if (atl_stream_pair(two, loop, &setup, NULL) == 0) {
        for (int i = 0; i < 2; i++) {
            a[2 + i].stream = two[i];
            atl_stream_set_data(two[i], &a[2 + i]);
        }
        if (a[0].stream != NULL &&
            atl_relay_open(&relay, two[0], a[0].stream, UINT64_MAX, relay_done,
                           &relay) < 0)
            relay = NULL;
        (void)atl_stream_write(two[1], "over the relay\n", 15, 0);
    }
    turn(loop, 12);
    for (int i = 0; i < 4; i++)
        if (a[i].stream != NULL)
            atl_stream_close(a[i].stream);
    if (l != NULL)
        atl_listener_close(l);
    turn(loop, 12);
    CHECK_EQ_INT(released_count, taken);
    if (relay != NULL)
        atl_relay_close(&relay);
}

/* Returns whether any allocation failed. */
static bool attempt(const char *backend, long from, long until)
{
    struct atl_loop_options o = {.backend = backend};
    struct atl_loop *loop;
    allocations = 0;
    fail_from = from;
    fail_until = until;
    if (atl_loop_new(&loop, &o, NULL) == 0) {
        scenario(loop);
        atl_loop_free(&loop);
    }
    if (atl_memory_used() != 0)
        CHECK_FAIL("failing %ld: %zu bytes lost", from, atl_memory_used());
    return allocations >= from;
}

static void no_log(void *ctx, enum atl_level level, const char *text)
{
    (void)ctx, (void)level, (void)text;
}

TEST(without_memory_there_is_an_error_or_one_closed_connection)
{
    atl_allocator_set(failing_alloc, NULL);
    atl_log_set(no_log, NULL);
    for (const char *const *name = atl_backend_names(); *name; name++) {
        for (long n = 1; attempt(*name, n, n + 2); n++)
            fprintf(stderr, "%s: without allocation %ld\n", *name, n);
        for (long n = 1; attempt(*name, n, INT32_MAX); n++)
            fprintf(stderr, "%s: without any from %ld on\n", *name, n);
    }
    atl_log_set(NULL, NULL);
    atl_allocator_set(NULL, NULL);
}
