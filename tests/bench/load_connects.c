/* SPDX-License-Identifier: MIT */
/*
 * Connections that live for one message: connect, echo, close, and again.
 * The client closes first, so its side keeps the port for a minute: to the
 * loopback address they come from many addresses, each with its own ports.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SIZE 64
#define PATIENCE_MS 10000

static uint64_t serial; /* of all connections made so far */

static bool start(const struct group *g, int epoll, struct connection *c,
                  size_t index)
{
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(serial % 250));
    c->number = serial++;
    c->started_ns = clock_ns();
    c->sent = c->received = 0;
    c->phase = pattern_phase(c->number, 0);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd == -1)
        return false;
    struct epoll_event e = {.events = EPOLLOUT};
    e.data.u64 = index;
    bool loopback = ntohl(g->server.sin_addr.s_addr) >> 24 == 127;
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (loopback && bind(c->fd, (struct sockaddr *)&from, sizeof from) == -1)
        return false;
    if (connect(c->fd, (const struct sockaddr *)&g->server, sizeof g->server) ==
            -1 &&
        errno != EINPROGRESS)
        return false;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

/* 1: the message is back, 0: not yet, -1: failed. */
static int proceed(int epoll, struct connection *c, size_t index,
                   struct outcome *out)
{
    char bytes[SIZE + 1];
    if (c->sent == 0) {
        struct epoll_event e = {.events = EPOLLIN};
        e.data.u64 = index;
        pattern_fill(c->phase, SIZE, 0, bytes, SIZE);
        if (send(c->fd, bytes, SIZE, MSG_NOSIGNAL) != SIZE)
            return -1;
        c->sent = SIZE;
        return epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
    }
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0 || c->received + (size_t)n > SIZE)
        return -1;
    out->wrong += pattern_wrong(c->phase, SIZE, c->received, bytes, (size_t)n);
    c->received += (size_t)n;
    return c->received == SIZE;
}

/* Ends one connection; whether another took its place. */
static bool next(const struct group *g, int epoll, struct connection *c,
                 size_t index, int64_t deadline, struct outcome *out)
{
    int64_t now = clock_ns();
    close(c->fd);
    histogram_add(&out->latency, now - c->started_ns);
    out->messages++;
    if (now >= deadline)
        return false;
    if (start(g, epoll, c, index))
        return true;
    out->errors++;
    return false;
}

void connects_work(const struct group *g, size_t parallel, int64_t duration_ns,
                   struct outcome *out)
{
    struct measure m;
    struct connection *slots = calloc(parallel, sizeof *slots);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    size_t active = 0;
    measure_start(&m, g->pid);
    for (size_t i = 0; slots != NULL && i < parallel; i++)
        active += start(g, epoll, &slots[i], i);
    out->errors += parallel - active;
    while (active > 0) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, PATIENCE_MS);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0) {
            out->errors += active;
            break;
        }
        for (int i = 0; i < n; i++) {
            size_t index = events[i].data.u64;
            struct connection *c = &slots[index];
            int result = proceed(epoll, c, index, out);
            if (result < 0) {
                out->errors++;
                close(c->fd);
                active--;
            } else if (result > 0 && !next(g, epoll, c, index,
                                           m.start_ns + duration_ns, out)) {
                active--;
            }
        }
    }
    measure_stop(&m, g->pid, out);
    if (epoll != -1)
        close(epoll);
    free(slots);
}
