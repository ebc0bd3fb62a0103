/* SPDX-License-Identifier: MIT */
/* Connecting: names, the race, and what goes wrong on the way. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"

static int64_t skew_ns;
static int connects;

static int64_t fake_now(void *self)
{
    return atl__os_real.calls->now(self) + skew_ns;
}

/* "localhost" is 127.0.0.1, then ::1. What becomes of the first: */
static enum { DEAD, REFUSED, BLOCKED } first_address;

/* IPv4 goes nowhere; what is meant for ::1 reaches the server, which listens
   on 127.0.0.1 only. */
static int crooked_connect(void *self, int fd, const struct sockaddr *sa,
                           socklen_t n)
{
    connects++;
    if (sa->sa_family == AF_INET && first_address == DEAD) {
        listen(fd, 1); /* hangs: neither writable nor dead */
        return -EINPROGRESS;
    }
    if (sa->sa_family == AF_INET && first_address == BLOCKED)
        return -ENETUNREACH;
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in none = *(const struct sockaddr_in *)(const void *)sa;
        none.sin_port = htons(1);
        return atl__os_real.calls->connect(self, fd, (struct sockaddr *)&none,
                                           n);
    }
    struct sockaddr_in6 mapped = *(const struct sockaddr_in6 *)(const void *)sa;
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
    return atl__os_real.calls->connect(self, fd, (struct sockaddr *)&mapped, n);
}

static void race(struct atl_loop *loop)
{
    struct net_server server = {0};
    struct atl_addr peer;
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    if (probe < 0)
        CHECK_SKIP("no IPv6 here");
    close(probe);
    net_server_open(&server, loop, NULL);
    for (int i = DEAD; i <= BLOCKED; i++) {
        struct net_record r = {0};
        struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
        struct atl_endpoint at = {.host = "localhost", .port = server.port};
        first_address = i;
        connects = 0;
        CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
        net_settle(loop);
        if (i == DEAD) {
            CHECK_EQ_INT(connects, 1);
            CHECK_EQ_INT(r.opened, 0);
            skew_ns += 251 * ATL_MILLISECOND;
        }
        NET_UNTIL(loop, r.opened == 1);
        CHECK_EQ_INT(connects, 2);
        CHECK_OK(atl_stream_peer(r.stream, &peer));
        CHECK_EQ_STR(atl_addr_family(&peer), "ipv6");
        NET_UNTIL(loop, server.accepted == i + 1);
        atl_stream_abort(r.stream);
        atl_stream_abort(server.record.stream);
        NET_UNTIL(loop, r.closed && server.record.closed);
        server.record.closed = 0;
    }
    atl_listener_close(server.listener);
    net_finish(loop);
}

static void with_calls(void (*body)(struct atl_loop *loop),
                       int (*connect)(void *, int, const struct sockaddr *,
                                      socklen_t))
{
    for (const char *const *name = atl_backend_names(); *name; name++) {
        struct atl_os_calls calls = *atl__os_real.calls;
        struct atl_os os = {&calls, atl__os_real.self};
        struct atl_loop_options o = {.backend = *name, .os = &os};
        struct atl_loop *loop;
        fprintf(stderr, "backend %s\n", *name);
        calls.now = fake_now;
        calls.connect = connect;
        CHECK_OK(atl_loop_new(&loop, &o, NULL));
        body(loop);
        atl_loop_free(&loop);
    }
}
TEST(a_dead_or_refusing_first_address_costs_a_quarter_of_a_second_at_most)
{
    with_calls(race, crooked_connect);
}

static int no_connect(void *self, int fd, const struct sockaddr *sa,
                      socklen_t n)
{
    (void)self, (void)fd, (void)n;
    return sa->sa_family == AF_INET ? -ENETUNREACH : -EHOSTUNREACH;
}

static void all_fail(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
    struct atl_endpoint at = {.host = "", .port = 7000};
    CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
    CHECK_EQ_INT(r.closed, 0);
    net_finish(loop);
    CHECK_CODE(r.code, -ENETUNREACH);
    CHECK(strstr(r.text, "(127.0.0.1; 2 addresses tried)") != NULL);
    r = (struct net_record){0};
    at = net_at(7000); /* fails inside atl_connect, told later */
    CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
    CHECK_EQ_INT(r.closed, 0);
    net_finish(loop);
    CHECK_EQ_INT(r.closed, 1);
}
TEST(when_all_addresses_fail_the_first_ones_reason_is_told)
{
    with_calls(all_fail, no_connect);
}

static void names(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
    struct atl_endpoint at = {.host = "no.such.name.invalid", .port = 80};
    struct atl_error why = {0, ""};
    CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
    net_finish(loop);
    CHECK_CODE(r.code, ATL_ENOTFOUND);
    CHECK_EQ_STR(r.text, "connect to no.such.name.invalid:80: no such name: "
                         "no.such.name.invalid");
    struct atl_stream *s = NULL;
    strcpy(at.host, "bad name");
    CHECK_CODE(atl_connect(&s, loop, &at, &setup, &why), -EINVAL);
    CHECK_EQ_PTR(s, NULL);
    at = (struct atl_endpoint){.host = "/tmp/x", .is_unix = true};
    CHECK_CODE(atl_connect(&s, loop, &at, &setup, &why), -EAFNOSUPPORT);
    CHECK(!atl_loop_alive(loop));
}
TEST(a_name_that_is_not_there_is_told)
{
    net_each_backend(names);
}

static void given_up(struct atl_loop *loop)
{
    struct net_server server = {0};
    net_server_open(&server, loop, NULL);
    for (int i = 0; i < 2; i++) {
        struct net_record r = {0};
        struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
        struct atl_endpoint at = net_at(server.port);
        struct atl_addr a;
        if (i == 1)
            strcpy(at.host, "localhost"); /* still being looked up */
        CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
        CHECK_CODE(atl_stream_peer(r.stream, &a), -ENOTCONN);
        CHECK_CODE(atl_stream_local(r.stream, &a), -ENOTCONN);
        CHECK_EQ_INT(atl_stream_fd(r.stream), -1);
        CHECK_OK(atl_stream_write(r.stream, "dropped", 7, 0));
        atl_stream_close(r.stream);
        NET_UNTIL(loop, r.closed == 1);
        CHECK_EQ_INT(r.code, 0);
        CHECK_EQ_INT(r.opened, 0);
    }
    net_settle(loop);
    if (server.accepted)
        atl_stream_close(server.record.stream);
    atl_listener_close(server.listener);
    net_finish(loop);
}
TEST(a_connect_can_be_given_up)
{
    net_each_backend(given_up);
}

/* A port of ours that the kernel would choose, connected to itself. */
static void itself(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_addr own = {.length = sizeof(own.sa.in)};
    struct atl_stream_setup setup = {&net_recorder, &r, NULL, &own};
    socklen_t n = sizeof(own.sa);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    own.sa.in.sin_family = AF_INET;
    own.sa.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(bind(fd, &own.sa.any, own.length));
    CHECK_OK(getsockname(fd, &own.sa.any, &n));
    close(fd);
    struct atl_endpoint at = net_at(ntohs(own.sa.in.sin_port));
    CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
    net_finish(loop);
    CHECK_EQ_INT(r.opened, 0);
    CHECK_CODE(r.code, -ECONNREFUSED);
}
TEST(a_connection_to_itself_is_refused)
{
    net_each_backend(itself);
}

static void queued_shutdown(struct atl_loop *loop)
{
    struct net_server server = {0};
    struct net_record r = {0};
    struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
    net_server_open(&server, loop, NULL);
    struct atl_endpoint at = net_at(server.port);
    CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
    CHECK_OK(atl_stream_write(r.stream, "all", 3, 0));
    CHECK_OK(atl_stream_shutdown(r.stream));
    NET_UNTIL(loop, server.record.ended == 1);
    CHECK_EQ_STR(server.record.bytes, "all");
    atl_stream_close(server.record.stream);
    NET_UNTIL(loop, r.closed == 1);
    CHECK_CODE(r.code, ATL_EOF);
    atl_listener_close(server.listener);
    net_finish(loop);
    net_record_free(&server.record);
}
TEST(what_was_written_and_shut_down_early_happens_on_open)
{
    net_each_backend(queued_shutdown);
}
