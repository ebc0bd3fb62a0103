/* SPDX-License-Identifier: MIT */
/*
 * Groups of connections. All connections of a piece of work send a burst,
 * wait for all of it to come back and send the next: what is on its way is
 * bounded, and when the work ends nothing is, so that the server's CPU time
 * read before and after belongs to the messages counted.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PATIENCE_MS 10000 /* without any event: what is missing is lost */
#define OPENING 128       /* connections at once; below every backlog */

static char buffer[65536];

bool group_init(struct group *g, const char *name, const char *address,
                pid_t pid)
{
    memset(g, 0, sizeof *g);
    snprintf(g->name, sizeof g->name, "%s", name);
    g->pid = pid;
    char host[64];
    unsigned port;
    if (sscanf(address, "%63[0-9.]:%u", host, &port) != 2 || port > 65535)
        return false;
    g->server.sin_family = AF_INET;
    g->server.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &g->server.sin_addr) != 1)
        return false;
    g->epoll = epoll_create1(EPOLL_CLOEXEC);
    return g->epoll != -1;
}

void group_fini(struct group *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->connections[i].fd >= 0)
            close(g->connections[i].fd);
    free(g->connections);
    if (g->epoll >= 0)
        close(g->epoll);
    memset(g, 0, sizeof *g);
    g->epoll = -1;
}

static void interest(struct group *g, struct connection *c, uint32_t events)
{
    struct epoll_event e = {.events = events};
    e.data.u64 = c->number;
    epoll_ctl(g->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void fail(struct connection *c, struct outcome *out)
{
    out->errors++;
    close(c->fd);
    c->fd = -1;
}

/* Sends what the kernel takes; false: the connection failed. */
static bool send_rest(struct group *g, struct connection *c,
                      const struct work *w)
{
    size_t total = w->size * w->depth;
    while (c->sent < total) {
        size_t n = total - c->sent;
        if (n > sizeof buffer)
            n = sizeof buffer;
        pattern_fill(c->phase, w->size, c->sent, buffer, n);
        ssize_t sent = send(c->fd, buffer, n, MSG_NOSIGNAL);
        if (sent == -1 && errno == EINTR)
            continue;
        if (sent == -1 && errno == EAGAIN) {
            interest(g, c, EPOLLIN | EPOLLOUT);
            return true;
        }
        if (sent == -1)
            return false;
        c->sent += (size_t)sent;
    }
    return true;
}

static bool send_burst(struct group *g, struct connection *c,
                       const struct work *w, int64_t now)
{
    c->phase = pattern_phase(c->number, c->bursts++);
    c->sent = c->received = 0;
    c->started_ns = now;
    return send_rest(g, c, w);
}

/* 1: the burst is back, 0: not yet, -1: the connection failed. */
static int receive(struct connection *c, const struct work *w,
                   struct outcome *out)
{
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n == -1)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    size_t total = w->size * w->depth;
    if (n == 0 || (size_t)n > c->sent - c->received)
        return -1; /* ended, or more than was ever sent */
    out->wrong +=
        pattern_wrong(c->phase, w->size, c->received, buffer, (size_t)n);
    c->received += (size_t)n;
    return c->received == total;
}

/* Whether the connection is still at work. */
static bool serve(struct group *g, struct connection *c, uint32_t events,
                  const struct work *w, int64_t deadline, struct outcome *out)
{
    if (events & EPOLLOUT) {
        interest(g, c, EPOLLIN);
        if (!send_rest(g, c, w)) {
            fail(c, out);
            return false;
        }
    }
    if (!(events & ~(uint32_t)EPOLLOUT))
        return true;
    int result = receive(c, w, out);
    if (result == 0)
        return true;
    if (result < 0) {
        fail(c, out);
        return false;
    }
    int64_t now = clock_ns();
    histogram_add(&out->latency, now - c->started_ns);
    out->messages += w->depth;
    if (w->bursts != 0 ? --c->left == 0 : now >= deadline)
        return false;
    if (send_burst(g, c, w, now))
        return true;
    fail(c, out);
    return false;
}

void group_work(struct group *g, const struct work *work, struct outcome *out)
{
    struct measure m;
    size_t active = 0;
    measure_start(&m, g->pid);
    int64_t deadline = m.start_ns + work->duration_ns;
    for (size_t i = 0; i < work->busy; i++) {
        struct connection *c = &g->connections[work->first + i * work->stride];
        c->left = work->bursts;
        if (c->fd < 0)
            out->errors++;
        else if (send_burst(g, c, work, clock_ns()))
            active++;
        else
            fail(c, out);
    }
    while (active > 0) {
        struct epoll_event events[256];
        int n = epoll_wait(g->epoll, events, 256, PATIENCE_MS);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0) {
            out->errors += active;
            break;
        }
        for (int i = 0; i < n; i++) {
            struct connection *c = &g->connections[events[i].data.u64];
            if (c->fd >= 0 &&
                !serve(g, c, events[i].events, work, deadline, out))
                active--;
        }
    }
    measure_stop(&m, g->pid, out);
}

static bool connect_one(struct group *g, struct connection *c)
{
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd == -1)
        return false;
    struct epoll_event e = {.events = EPOLLIN};
    e.data.u64 = c->number;
    if (connect(c->fd, (struct sockaddr *)&g->server, sizeof g->server) == -1 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) == -1 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == -1 ||
        epoll_ctl(g->epoll, EPOLL_CTL_ADD, c->fd, &e) == -1) {
        close(c->fd);
        c->fd = -1;
        return false;
    }
    return true;
}

void group_open(struct group *g, size_t count, struct outcome *out)
{
    if (count > g->room) {
        struct connection *larger =
            realloc(g->connections, count * sizeof *larger);
        if (larger == NULL) {
            out->errors++;
            return;
        }
        g->connections = larger;
        g->room = count;
    }
    while (g->count < count) {
        size_t first = g->count;
        size_t last = first + OPENING < count ? first + OPENING : count;
        for (; g->count < last; g->count++) {
            struct connection *c = &g->connections[g->count];
            *c = (struct connection){.number = g->count};
            if (!connect_one(g, c))
                fprintf(stderr, "load: connection %zu: %s\n", g->count,
                        strerror(errno));
        }
        const struct work echo = {.first = first,
                                  .busy = last - first,
                                  .stride = 1,
                                  .size = 64,
                                  .depth = 1,
                                  .bursts = 1};
        uint64_t errors = out->errors;
        group_work(g, &echo, out);
        if (out->errors != errors)
            return; /* the rest would fail the same way, slowly */
    }
}
