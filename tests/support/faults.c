/* SPDX-License-Identifier: MIT */
/*
 * Each entry first asks whether it was planned to fail, then does the real
 * call with a part of what it was given.
 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum entry {
    SOCKET,
    SOCKETPAIR,
    BIND,
    LISTEN,
    ACCEPT,
    CONNECT,
    SHUTDOWN,
    CLOSE,
    RECV,
    SEND,
    SENDMSG,
    RECVMSG,
    READ,
    WRITEV,
    GETSOCKOPT,
    SETSOCKOPT,
    GETSOCKNAME,
    GETPEERNAME,
    SET_NONBLOCKING,
    OPEN_READ,
    OPEN_NULL,
    EVENT_OPEN,
    POLL,
    SELECT,
    EPOLL_CREATE,
    EPOLL_CTL,
    EPOLL_WAIT,
    RANDOM,
    GET_FD_LIMIT,
    ENTRIES
};

static const char *const names[ENTRIES] = {
    "socket",
    "socketpair",
    "bind",
    "listen",
    "accept",
    "connect",
    "shutdown",
    "close",
    "recv",
    "send",
    "sendmsg",
    "recvmsg",
    "read",
    "writev",
    "getsockopt",
    "setsockopt",
    "getsockname",
    "getpeername",
    "set_nonblocking",
    "open_read",
    "open_null",
    "event_open",
    "poll",
    "select",
    "epoll_create",
    "epoll_ctl",
    "epoll_wait",
    "random",
    "get_fd_limit",
};

#define REAL atl__os_real.calls

static uint32_t chance(struct faults *f, size_t n)
{
    f->state = f->state * 1664525u + 1013904223u;
    return (uint32_t)((f->state >> 8) % n);
}

/* 0, or how this call fails. */
static int planned(struct faults *f, enum entry entry)
{
    uint64_t number = ++f->made[entry];
    for (int i = 0; i < FAULTS_PLANS; i++) {
        const struct faults_plan *p = &f->plans[i];
        if (p->entry == (int)entry && number >= p->from && number < p->until)
            return p->code;
    }
    return 0;
}

/* The same for calls that may have to be made again. */
static int refused(struct faults *f, enum entry entry, bool may_again)
{
    int r = planned(f, entry);
    if (r == 0 && f->eintr > 0 && chance(f, 100) < f->eintr)
        r = -EINTR;
    if (r == 0 && may_again && f->eagain > 0 && chance(f, 100) < f->eagain)
        r = -EAGAIN;
    return r;
}

static size_t read_part(struct faults *f, size_t n)
{
    size_t most = f->read_any && n > 0 ? 1 + chance(f, n) : f->read_most;
    return most > 0 && most < n ? most : n;
}

/* Cuts the pieces to what may be written; `out` has room for 64. */
static int write_part(struct faults *f, const struct iovec *v, size_t count,
                      struct iovec *out)
{
    size_t total = 0;
    int used = 0;
    for (size_t i = 0; i < count; i++)
        total += v[i].iov_len;
    size_t most =
        f->write_any && total > 0 ? 1 + chance(f, total) : f->write_most;
    if (most == 0 || most > total)
        most = total;
    for (size_t i = 0; i < count && used < 64; i++) {
        out[used] = v[i];
        if (out[used].iov_len > most)
            out[used].iov_len = most;
        most -= out[used++].iov_len;
    }
    return used;
}

/* --- the table ----------------------------------------------------------- */

static int some_socket(void *self, int family, int type, int protocol)
{
    int r = planned(self, SOCKET);
    return r < 0 ? r : REAL->socket(NULL, family, type, protocol);
}

static int some_socketpair(void *self, int family, int type, int fds[2])
{
    int r = planned(self, SOCKETPAIR);
    return r < 0 ? r : REAL->socketpair(NULL, family, type, fds);
}

static int some_bind(void *self, int fd, const struct sockaddr *sa, socklen_t n)
{
    int r = planned(self, BIND);
    return r < 0 ? r : REAL->bind(NULL, fd, sa, n);
}

static int some_listen(void *self, int fd, int backlog)
{
    int r = planned(self, LISTEN);
    return r < 0 ? r : REAL->listen(NULL, fd, backlog);
}

static int some_accept(void *self, int fd, struct sockaddr *sa, socklen_t *n)
{
    int r = refused(self, ACCEPT, true);
    return r < 0 ? r : REAL->accept(NULL, fd, sa, n);
}

/* An interrupted connect goes on, so only a beginning one can be. */
static int some_connect(void *self, int fd, const struct sockaddr *sa,
                        socklen_t n)
{
    struct faults *f = self;
    int r = planned(f, CONNECT);
    if (r < 0)
        return r;
    r = REAL->connect(NULL, fd, sa, n);
    if (r == -EINPROGRESS && f->eintr > 0 && chance(f, 100) < f->eintr)
        return -EINTR;
    return r;
}

static int some_shutdown(void *self, int fd, int how)
{
    int r = planned(self, SHUTDOWN);
    return r < 0 ? r : REAL->shutdown(NULL, fd, how);
}

/* Also when it fails the descriptor is gone, as on Linux. */
static int some_close(void *self, int fd)
{
    int r = planned(self, CLOSE), real = REAL->close(NULL, fd);
    return r < 0 ? r : real;
}

static ssize_t some_recv(void *self, int fd, void *buf, size_t n, int flags)
{
    int r = refused(self, RECV, true);
    return r < 0 ? r : REAL->recv(NULL, fd, buf, read_part(self, n), flags);
}

static ssize_t some_send(void *self, int fd, const void *buf, size_t n,
                         int flags)
{
    struct iovec whole = {(void *)(uintptr_t)buf, n}, v[64];
    int r = refused(self, SEND, true);
    if (r < 0)
        return r;
    write_part(self, &whole, 1, v);
    return REAL->send(NULL, fd, buf, v[0].iov_len, flags);
}

static ssize_t some_sendmsg(void *self, int fd, const struct msghdr *m,
                            int flags)
{
    struct iovec v[64];
    struct msghdr part = *m;
    int r = refused(self, SENDMSG, true);
    if (r < 0)
        return r;
    part.msg_iovlen = (size_t)write_part(self, m->msg_iov, m->msg_iovlen, v);
    part.msg_iov = v;
    return REAL->sendmsg(NULL, fd, &part, flags);
}

/* Messages are whole or not there. */
static ssize_t some_recvmsg(void *self, int fd, struct msghdr *m, int flags)
{
    int r = refused(self, RECVMSG, true);
    return r < 0 ? r : REAL->recvmsg(NULL, fd, m, flags);
}

/* Regular files never answer EAGAIN. */
static bool may_again(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags != -1 && (flags & O_NONBLOCK);
}

static ssize_t some_read(void *self, int fd, void *buf, size_t n)
{
    int r = refused(self, READ, may_again(fd));
    return r < 0 ? r : REAL->read(NULL, fd, buf, read_part(self, n));
}

static ssize_t some_writev(void *self, int fd, const struct iovec *v, int n)
{
    struct iovec part[64];
    int r = refused(self, WRITEV, may_again(fd));
    if (r < 0)
        return r;
    n = write_part(self, v, (size_t)n, part);
    return REAL->writev(NULL, fd, part, n);
}

static int some_getsockopt(void *self, int fd, int level, int name, void *v,
                           socklen_t *n)
{
    int r = planned(self, GETSOCKOPT);
    return r < 0 ? r : REAL->getsockopt(NULL, fd, level, name, v, n);
}

static int some_setsockopt(void *self, int fd, int level, int name,
                           const void *v, socklen_t n)
{
    int r = planned(self, SETSOCKOPT);
    return r < 0 ? r : REAL->setsockopt(NULL, fd, level, name, v, n);
}

static int some_getsockname(void *self, int fd, struct sockaddr *sa,
                            socklen_t *n)
{
    int r = planned(self, GETSOCKNAME);
    return r < 0 ? r : REAL->getsockname(NULL, fd, sa, n);
}

static int some_getpeername(void *self, int fd, struct sockaddr *sa,
                            socklen_t *n)
{
    int r = planned(self, GETPEERNAME);
    return r < 0 ? r : REAL->getpeername(NULL, fd, sa, n);
}

static int some_set_nonblocking(void *self, int fd)
{
    int r = planned(self, SET_NONBLOCKING);
    return r < 0 ? r : REAL->set_nonblocking(NULL, fd);
}

static int some_open_read(void *self, const char *path)
{
    int r = refused(self, OPEN_READ, false);
    return r < 0 ? r : REAL->open_read(NULL, path);
}

static int some_open_null(void *self)
{
    int r = planned(self, OPEN_NULL);
    return r < 0 ? r : REAL->open_null(NULL);
}

static int some_event_open(void *self, int fds[2])
{
    int r = planned(self, EVENT_OPEN);
    return r < 0 ? r : REAL->event_open(NULL, fds);
}

static int some_poll(void *self, struct pollfd *fds, size_t n, int64_t wait_ns)
{
    int r = refused(self, POLL, false);
    return r < 0 ? r : REAL->poll(NULL, fds, n, wait_ns);
}

static int some_select(void *self, int n, fd_set *r, fd_set *w, int64_t wait_ns)
{
    int code = refused(self, SELECT, false);
    return code < 0 ? code : REAL->select(NULL, n, r, w, wait_ns);
}

static int some_epoll_create(void *self)
{
    int r = planned(self, EPOLL_CREATE);
    return r < 0 ? r : REAL->epoll_create(NULL);
}

static int some_epoll_ctl(void *self, int ep, int op, int fd,
                          struct epoll_event *ev)
{
    int r = planned(self, EPOLL_CTL);
    return r < 0 ? r : REAL->epoll_ctl(NULL, ep, op, fd, ev);
}

static int some_epoll_wait(void *self, int ep, struct epoll_event *ev, int n,
                           int64_t wait_ns)
{
    int r = refused(self, EPOLL_WAIT, false);
    return r < 0 ? r : REAL->epoll_wait(NULL, ep, ev, n, wait_ns);
}

static int64_t real_now(void *self)
{
    (void)self;
    return REAL->now(NULL);
}

static int64_t real_time(void *self)
{
    (void)self;
    return REAL->time(NULL);
}

static int some_random(void *self, void *buf, size_t n)
{
    int r = planned(self, RANDOM);
    return r < 0 ? r : REAL->random(NULL, buf, n);
}

static int some_get_fd_limit(void *self, size_t *soft, size_t *hard)
{
    int r = planned(self, GET_FD_LIMIT);
    return r < 0 ? r : REAL->get_fd_limit(NULL, soft, hard);
}

static const struct atl_os_calls some_calls = {
    .socket = some_socket,
    .socketpair = some_socketpair,
    .bind = some_bind,
    .listen = some_listen,
    .accept = some_accept,
    .connect = some_connect,
    .shutdown = some_shutdown,
    .close = some_close,
    .recv = some_recv,
    .send = some_send,
    .sendmsg = some_sendmsg,
    .recvmsg = some_recvmsg,
    .read = some_read,
    .writev = some_writev,
    .getsockopt = some_getsockopt,
    .setsockopt = some_setsockopt,
    .getsockname = some_getsockname,
    .getpeername = some_getpeername,
    .set_nonblocking = some_set_nonblocking,
    .open_read = some_open_read,
    .open_null = some_open_null,
    .event_open = some_event_open,
    .poll = some_poll,
    .select = some_select,
    .epoll_create = some_epoll_create,
    .epoll_ctl = some_epoll_ctl,
    .epoll_wait = some_epoll_wait,
    .now = real_now,
    .time = real_time,
    .random = some_random,
    .get_fd_limit = some_get_fd_limit,
};

/* --- saying what fails --------------------------------------------------- */

void faults_clear(struct faults *f)
{
    for (int i = 0; i < FAULTS_PLANS; i++)
        f->plans[i].entry = -1;
}

void faults_init(struct faults *f)
{
    *f = (struct faults){.state = 1};
    f->os = (struct atl_os){&some_calls, f};
    faults_clear(f);
}

static int entry_of(const char *name, size_t length)
{
    for (int i = 0; i < ENTRIES; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return i;
    return -1;
}

static int code_of(const char *name)
{
    for (int e = 1; e < 200; e++)
        if (strcmp(atl_error_name(-e), name) == 0)
            return -e;
    return 0;
}

/* "accept:3+:EMFILE" */
static bool plan(struct faults *f, const char *text)
{
    const char *colon = strchr(text, ':');
    struct faults_plan p = {.entry = -1};
    char *end;
    if (colon == NULL)
        return false;
    p.entry = entry_of(text, (size_t)(colon - text));
    if (p.entry < 0)
        return false;
    p.from = f->made[p.entry] + strtoull(colon + 1, &end, 10);
    p.until = *end == '+' ? UINT64_MAX : p.from + 1;
    end += *end == '+';
    p.code = *end == ':' ? code_of(end + 1) : 0;
    if (p.code == 0)
        return false;
    for (int i = 0; i < FAULTS_PLANS; i++) {
        if (f->plans[i].entry < 0) {
            f->plans[i] = p;
            return true;
        }
    }
    return false;
}

static bool set_one(struct faults *f, const char *key, const char *value)
{
    bool any = strcmp(value, "any") == 0;
    unsigned long n = strtoul(value, NULL, 10);
    if (strcmp(key, "fail") == 0)
        return plan(f, value);
    if (strcmp(key, "read") == 0) {
        f->read_any = any;
        f->read_most = n;
        return any || n > 0;
    }
    if (strcmp(key, "write") == 0) {
        f->write_any = any;
        f->write_most = n;
        return any || n > 0;
    }
    if (strcmp(key, "eagain") == 0 && n < 100)
        f->eagain = (unsigned)n;
    else if (strcmp(key, "eintr") == 0 && n < 100)
        f->eintr = (unsigned)n;
    else if (strcmp(key, "seed") == 0)
        f->state = (uint32_t)n;
    else
        return false;
    return true;
}

bool faults_set(struct faults *f, const char *text)
{
    char copy[512], *next = copy;
    if (strlen(text) >= sizeof(copy))
        return false;
    strcpy(copy, text);
    while (next != NULL) {
        char *key = next, *value = strchr(key, '=');
        next = strchr(key, ',');
        if (next != NULL)
            *next++ = '\0';
        if (value == NULL || (next != NULL && value >= next))
            return false;
        *value++ = '\0';
        if (!set_one(f, key, value))
            return false;
    }
    return true;
}

uint64_t faults_calls(const struct faults *f, const char *entry)
{
    int i = entry_of(entry, strlen(entry));
    if (i >= 0)
        return f->made[i];
    fprintf(stderr, "the call table has no %s\n", entry);
    exit(2);
}

void atl_test_faults_install(struct atl_loop_options *options)
{
    static struct faults f;
    const char *text = getenv("ATOOLS_FAULTS");
    if (text == NULL || *text == '\0')
        return;
    if (f.os.calls == NULL) {
        faults_init(&f);
        if (!faults_set(&f, text)) {
            fprintf(stderr, "ATOOLS_FAULTS=%s cannot be read\n", text);
            exit(2);
        }
    }
    options->os = &f.os;
}

/* --- memory -------------------------------------------------------------- */

static int64_t asked, fail_from, fail_until;

static void *failing(void *ctx, void *p, size_t osize, size_t nsize)
{
    (void)ctx;
    if (nsize == 0) {
        free(p);
        return NULL;
    }
    if (nsize > osize && ++asked >= fail_from && asked < fail_until)
        return NULL;
    return realloc(p, nsize);
}

void faults_memory(int64_t from, int64_t until)
{
    asked = 0;
    fail_from = from;
    fail_until = until;
    atl_allocator_set(failing, NULL);
}

int64_t faults_memory_asked(void)
{
    return asked;
}

void faults_memory_end(void)
{
    atl_allocator_set(NULL, NULL);
}
