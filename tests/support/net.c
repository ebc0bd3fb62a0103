/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void net_each_backend(void (*body)(struct atl_loop *loop))
{
    for (const char *const *name = atl_backend_names(); *name; name++) {
        struct atl_loop_options options = {.backend = *name};
        struct atl_loop *loop;
        fprintf(stderr, "backend %s\n", *name);
        CHECK_OK(atl_loop_new(&loop, &options, NULL));
        body(loop);
        atl_loop_free(&loop);
    }
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * ATL_SECOND + t.tv_nsec;
}

int64_t net_deadline(void)
{
    return now_ns() + 5 * check_scale() * ATL_SECOND;
}

void net_check_time(const char *file, int line, const char *what, int64_t end)
{
    if (now_ns() > end)
        check__fail(file, line, "waited in vain for: %s", what);
}

void net_step(struct atl_loop *loop)
{
    CHECK_OK(atl_loop_step(loop, 10 * ATL_MILLISECOND));
}

void net_settle(struct atl_loop *loop)
{
    struct atl_stats before, after;
    do {
        atl_loop_stats(loop, &before);
        for (int i = 0; i < 3; i++)
            net_step(loop);
        atl_loop_stats(loop, &after);
    } while (before.events != after.events ||
             before.posts_run != after.posts_run);
}

void net_finish(struct atl_loop *loop)
{
    int64_t end = net_deadline();
    int r;
    while ((r = atl_loop_step(loop, 10 * ATL_MILLISECOND)) == 1)
        net_check_time(__FILE__, __LINE__, "the end of the loop", end);
    CHECK_EQ_INT(r, 0);
}

/* --- records ------------------------------------------------------------- */

void net_record_add(struct net_record *r, const void *bytes, size_t n)
{
    if (r->length + n + 2 > r->capacity) {
        r->capacity = (r->length + n + 2) * 2;
        r->bytes = realloc(r->bytes, r->capacity);
    }
    if (n > 0)
        memcpy(r->bytes + r->length, bytes, n);
    r->length += n;
    if (r->marked)
        r->bytes[r->length++] = '|';
    r->bytes[r->length] = '\0';
}

void net_record_free(struct net_record *r)
{
    free(r->bytes);
    r->bytes = NULL;
    r->length = r->capacity = 0;
}

static struct net_record *record_of(struct atl_stream *s)
{
    struct net_record *r = atl_stream_data(s);
    if (r->closed)
        CHECK_FAIL("called after on_close");
    return r;
}

static void on_open(struct atl_stream *s)
{
    record_of(s)->opened++;
}

static void on_data(struct atl_stream *s, const void *bytes, size_t n)
{
    struct net_record *r = record_of(s);
    r->calls++;
    net_record_add(r, bytes, n);
    if (r->then_data != NULL)
        r->then_data(r, bytes, n);
}

static void on_read(struct atl_stream *s, int result, const void *bytes,
                    size_t n)
{
    struct net_record *r = record_of(s);
    r->reads++;
    r->result = result;
    net_record_add(r, bytes, n);
    if (r->then_read != NULL)
        r->then_read(r);
}

static void on_drain(struct atl_stream *s)
{
    struct net_record *r = record_of(s);
    r->drained++;
    if (r->then_drain != NULL)
        r->then_drain(r);
}

static void on_level(struct atl_stream *s)
{
    record_of(s)->levels++;
}

static void on_end(struct atl_stream *s)
{
    struct net_record *r = record_of(s);
    r->ended++;
    if (r->then_end != NULL)
        r->then_end(r);
}

static void on_dead(struct atl_stream *s, const struct atl_error *why)
{
    struct net_record *r = record_of(s);
    r->dead++;
    r->dead_code = why->code;
}

static void on_close(struct atl_stream *s, const struct atl_error *why)
{
    struct net_record *r = record_of(s);
    r->closed++;
    r->code = why != NULL ? why->code : 0;
    snprintf(r->text, sizeof(r->text), "%s", why != NULL ? why->text : "");
}

const struct atl_stream_handlers net_recorder = {
    on_open, on_data, on_read, on_drain, on_level, on_end, on_dead, on_close,
};

/* --- servers and peers --------------------------------------------------- */

static void on_accept(struct atl_listener *l, struct atl_stream *s)
{
    struct net_server *server = atl_listener_data(l);
    server->accepted++;
    if (server->setup.handlers != NULL) {
        atl_stream_set_handlers(s, server->setup.handlers);
        atl_stream_set_data(s, server->setup.data);
        return;
    }
    server->record.stream = s;
    atl_stream_set_handlers(s, &net_recorder);
    atl_stream_set_data(s, &server->record);
}

static void on_listener_close(struct atl_listener *l)
{
    struct net_server *server = atl_listener_data(l);
    server->closed++;
    server->listener = NULL;
}

struct atl_endpoint net_at(uint16_t port)
{
    struct atl_endpoint at = {.host = "127.0.0.1", .port = port};
    return at;
}

void net_server_open(struct net_server *server, struct atl_loop *loop,
                     const struct atl_listener_options *options)
{
    static const struct atl_listener_handlers handlers = {on_accept,
                                                          on_listener_close};
    struct atl_endpoint at = net_at(0);
    struct atl_error why = {0, ""};
    struct atl_addr here;
    if (atl_listener_open(&server->listener, loop, &at, options, &handlers,
                          server, &why) < 0)
        CHECK_FAIL("%s", why.text);
    CHECK_OK(atl_listener_local(server->listener, &here));
    server->port = (uint16_t)atl_addr_port(&here);
}

int net_dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
        CHECK_FAIL("connect: %s", strerror(errno));
    return fd;
}

int net_pair(struct net_record *r, struct atl_loop *loop,
             const struct atl_stream_options *options)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(door, (struct sockaddr *)&at, sizeof(at)));
    CHECK_OK(listen(door, 1));
    CHECK_OK(getsockname(door, (struct sockaddr *)&at, &n));
    int peer = net_dial(ntohs(at.sin_port));
    int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
    close(door);
    struct atl_stream_setup setup = {&net_recorder, r, options, NULL};
    CHECK_OK(atl_stream_adopt(&r->stream, loop, fd, &setup, NULL));
    return peer;
}

int net_local_pair(struct net_record *r, struct atl_loop *loop,
                   const struct atl_stream_options *options)
{
    struct atl_stream_setup setup = {&net_recorder, r, options, NULL};
    int fds[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    CHECK_OK(atl_stream_adopt(&r->stream, loop, fds[0], &setup, NULL));
    return fds[1];
}

void net_send(int fd, const void *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            CHECK_FAIL("send: %s", strerror(errno));
        bytes = (const char *)bytes + sent;
        n -= (size_t)sent;
    }
}

static ssize_t receive_some(struct atl_loop *loop, int fd, void *bytes,
                            size_t n)
{
    int64_t end = net_deadline();
    for (;;) {
        ssize_t got = recv(fd, bytes, n, MSG_DONTWAIT);
        if (got >= 0)
            return got;
        if (errno != EAGAIN)
            return -errno;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        CHECK_OK(atl_loop_step(loop, 0));
        poll(&p, 1, 1);
        net_check_time(__FILE__, __LINE__, "bytes from the engine", end);
    }
}

void net_receive(struct atl_loop *loop, int fd, void *bytes, size_t n)
{
    while (n > 0) {
        ssize_t got = receive_some(loop, fd, bytes, n);
        if (got <= 0)
            CHECK_FAIL("receive: %s",
                       got == 0 ? "early end" : strerror((int)-got));
        bytes = (char *)bytes + got;
        n -= (size_t)got;
    }
}

int net_receive_end(struct atl_loop *loop, int fd)
{
    char byte;
    ssize_t got = receive_some(loop, fd, &byte, 1);
    if (got > 0)
        CHECK_FAIL("a byte instead of the end");
    return (int)-got;
}

void net_reset(int fd)
{
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
}
