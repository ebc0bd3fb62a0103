/* SPDX-License-Identifier: MIT */
/*
 * The limit: an echo server of system calls and nothing else.
 *
 *   raw_echo epoll|poll|select [lines]
 *
 * Level-triggered, one shared buffer of 64 KiB, what was read is written at
 * once and only what the kernel does not take is kept and waited for. With
 * "lines" the input is cut into lines and each one is sent back, gathered per
 * read: what an engine with framing has to do.
 */
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#define FILES 65536
#define CHUNK 65536
#define LONGEST_LINE 8192

struct connection {
    char *out; /* owns: what the kernel has not taken */
    size_t start, length;
    char *rest; /* owns: an unfinished line */
    size_t rest_length;
};

enum { READ = 1, WRITE = 2 };

/* set: 0 takes the descriptor out. wait: fills ready_fds and ready_for. */
struct backend {
    const char *name;
    void (*init)(void);
    void (*set)(int fd, int before, int want);
    int (*wait)(void);
};

static struct connection connections[FILES];
static int ready_fds[FILES];
static int ready_for[FILES];
static char input[LONGEST_LINE + CHUNK], output[LONGEST_LINE + CHUNK];
static const struct backend *backend;
static bool lines;
static int listener;

/* --- epoll ------------------------------------------------------------------
 */

static int epoll;

static void epoll_init(void)
{
    epoll = epoll_create1(0);
}

static void epoll_set(int fd, int before, int want)
{
    struct epoll_event e = {.data.fd = fd};
    e.events = (want & READ ? EPOLLIN : 0u) | (want & WRITE ? EPOLLOUT : 0u);
    if (want != 0) /* closing takes it out */
        epoll_ctl(epoll, before ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
}

static int epoll_ready(void)
{
    static struct epoll_event events[1024];
    int n = epoll_wait(epoll, events, 1024, -1);
    for (int i = 0; i < n; i++) {
        ready_fds[i] = events[i].data.fd;
        ready_for[i] = events[i].events & EPOLLOUT ? WRITE : READ;
    }
    return n;
}

/* --- poll -------------------------------------------------------------------
 */

static struct pollfd polled[FILES];
static int place[FILES], polled_count;

static void nothing(void)
{
}

static void poll_set(int fd, int before, int want)
{
    if (before == 0) {
        place[fd] = polled_count;
        polled[polled_count++].fd = fd;
    }
    struct pollfd *p = &polled[place[fd]];
    p->events =
        (short)((want & READ ? POLLIN : 0) | (want & WRITE ? POLLOUT : 0));
    if (want == 0) {
        *p = polled[--polled_count];
        place[p->fd] = place[fd];
    }
}

static int poll_ready(void)
{
    int n = poll(polled, (nfds_t)polled_count, -1), found = 0;
    for (int i = 0; i < polled_count && found < n; i++)
        if (polled[i].revents != 0) {
            ready_fds[found] = polled[i].fd;
            ready_for[found++] = polled[i].revents & POLLOUT ? WRITE : READ;
        }
    return n < 0 ? n : found;
}

/* --- select -----------------------------------------------------------------
 */

static fd_set wanted[2];
static int highest;

static void select_set(int fd, int before, int want)
{
    (void)before;
    if (fd >= FD_SETSIZE) {
        fprintf(stderr, "raw_echo: too many connections for select\n");
        exit(1);
    }
    if (fd > highest)
        highest = fd;
    FD_CLR(fd, &wanted[0]);
    FD_CLR(fd, &wanted[1]);
    if (want & READ)
        FD_SET(fd, &wanted[0]);
    if (want & WRITE)
        FD_SET(fd, &wanted[1]);
}

static int select_ready(void)
{
    fd_set readable = wanted[0], writable = wanted[1];
    int n = select(highest + 1, &readable, &writable, NULL, NULL), found = 0;
    for (int fd = 0; fd <= highest && found < n; fd++)
        if (FD_ISSET(fd, &readable) || FD_ISSET(fd, &writable)) {
            ready_fds[found] = fd;
            ready_for[found++] = FD_ISSET(fd, &writable) ? WRITE : READ;
        }
    return n < 0 ? n : found;
}

static const struct backend backends[] = {
    {"epoll", epoll_init, epoll_set, epoll_ready},
    {"poll", nothing, poll_set, poll_ready},
    {"select", nothing, select_set, select_ready},
};

/* --- the server -------------------------------------------------------------
 */

static void end(int fd, int before)
{
    struct connection *c = &connections[fd];
    backend->set(fd, before, 0);
    free(c->out);
    free(c->rest);
    *c = (struct connection){0};
    close(fd);
}

static void echo(int fd, const char *bytes, size_t length)
{
    struct connection *c = &connections[fd];
    ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
    if (n == (ssize_t)length)
        return;
    if (n == -1 && errno != EAGAIN) {
        end(fd, READ);
        return;
    }
    if (n == -1)
        n = 0;
    c->length = length - (size_t)n;
    c->start = 0;
    c->out = malloc(c->length);
    if (c->out == NULL)
        die("malloc");
    memcpy(c->out, bytes + n, c->length);
    backend->set(fd, READ, WRITE);
}

static void write_rest(int fd)
{
    struct connection *c = &connections[fd];
    ssize_t n = send(fd, c->out + c->start, c->length - c->start, MSG_NOSIGNAL);
    if (n == -1 && errno != EAGAIN) {
        end(fd, WRITE);
        return;
    }
    c->start += n > 0 ? (size_t)n : 0;
    if (c->start == c->length) {
        free(c->out);
        c->out = NULL;
        backend->set(fd, WRITE, READ);
    }
}

/* Sends back the whole lines of what lies in `input`, keeps the rest. */
static void echo_lines(int fd, size_t length)
{
    struct connection *c = &connections[fd];
    const char *p = input, *stop = input + length, *newline;
    char *to = output;
    while ((newline = memchr(p, '\n', (size_t)(stop - p))) != NULL) {
        size_t n = (size_t)(newline + 1 - p);
        memcpy(to, p, n);
        to += n;
        p += n;
    }
    c->rest_length = (size_t)(stop - p);
    if (c->rest_length > LONGEST_LINE) {
        end(fd, READ);
        return;
    }
    if (c->rest_length > 0) {
        if (c->rest == NULL && (c->rest = malloc(LONGEST_LINE)) == NULL)
            die("malloc");
        memcpy(c->rest, p, c->rest_length);
    }
    if (to > output)
        echo(fd, output, (size_t)(to - output));
}

static void read_some(int fd)
{
    struct connection *c = &connections[fd];
    size_t had = c->rest_length;
    ssize_t n = recv(fd, input + had, CHUNK, 0);
    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        end(fd, READ);
    } else if (lines) {
        memcpy(input, c->rest != NULL ? c->rest : input, had);
        echo_lines(fd, had + (size_t)n);
    } else {
        echo(fd, input, (size_t)n);
    }
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        backend->set(fd, 0, READ);
}

static void listen_anywhere(void)
{
    int on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) == -1 ||
        listen(listener, 4096) == -1)
        die("listen");
    backend->set(listener, 0, READ);
    announce(listener);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (argc > 1 && strcmp(argv[1], backends[i].name) == 0)
            backend = &backends[i];
    if (backend == NULL) {
        fprintf(stderr, "usage: raw_echo epoll|poll|select [lines]\n");
        return 2;
    }
    lines = argc > 2;
    use_all_files();
    backend->init();
    listen_anywhere();
    for (;;) {
        int n = backend->wait();
        for (int i = 0; i < n; i++) {
            if (ready_fds[i] == listener)
                accept_all();
            else if (ready_for[i] == WRITE)
                write_rest(ready_fds[i]);
            else
                read_some(ready_fds[i]);
        }
    }
}
