/* SPDX-License-Identifier: MIT */
/*
 * The real calls behind the table: thin, one system call each, -1 turned into
 * -errno. What a platform lacks is made up for here and nowhere else.
 */
#include "os/os.h"

#include "atools/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#endif

static int checked(int r)
{
    return r == -1 ? -errno : r;
}

static ssize_t checked_size(ssize_t r)
{
    return r == -1 ? -errno : r;
}

static int real_set_nonblocking(void *self, int fd)
{
    (void)self;
    int flags = fcntl(fd, F_GETFL);
    if (flags == -1)
        return -errno;
    if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
        return -errno;
    return checked(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

static int real_socket(void *self, int family, int type, int protocol)
{
    (void)self;
    return checked(
        socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

static int real_socketpair(void *self, int family, int type, int fds[2])
{
    (void)self;
    return checked(
        socketpair(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
}

static int real_bind(void *self, int fd, const struct sockaddr *sa, socklen_t n)
{
    (void)self;
    return checked(bind(fd, sa, n));
}

static int real_listen(void *self, int fd, int backlog)
{
    (void)self;
    return checked(listen(fd, backlog));
}

static int real_accept(void *self, int fd, struct sockaddr *sa, socklen_t *n)
{
    (void)self;
    return checked(accept4(fd, sa, n, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

static int real_connect(void *self, int fd, const struct sockaddr *sa,
                        socklen_t n)
{
    (void)self;
    return checked(connect(fd, sa, n));
}

static int real_shutdown(void *self, int fd, int how)
{
    (void)self;
    return checked(shutdown(fd, how));
}

static int real_close(void *self, int fd)
{
    (void)self;
    return checked(close(fd));
}

static ssize_t real_recv(void *self, int fd, void *buf, size_t n, int flags)
{
    (void)self;
    return checked_size(recv(fd, buf, n, flags));
}

static ssize_t real_send(void *self, int fd, const void *buf, size_t n,
                         int flags)
{
    (void)self;
    return checked_size(send(fd, buf, n, flags | MSG_NOSIGNAL));
}

static ssize_t real_sendmsg(void *self, int fd, const struct msghdr *m,
                            int flags)
{
    (void)self;
    return checked_size(sendmsg(fd, m, flags | MSG_NOSIGNAL));
}

static ssize_t real_recvmsg(void *self, int fd, struct msghdr *m, int flags)
{
    (void)self;
    return checked_size(recvmsg(fd, m, flags | MSG_CMSG_CLOEXEC));
}

static ssize_t real_read(void *self, int fd, void *buf, size_t n)
{
    (void)self;
    return checked_size(read(fd, buf, n));
}

/*
 * Pipes and terminals have no MSG_NOSIGNAL: SIGPIPE is blocked for the call
 * and, if it was raised by it, taken off before it is let through again.
 */
static ssize_t real_writev(void *self, int fd, const struct iovec *v, int n)
{
    (void)self;
    sigset_t pipe_set, old, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    ssize_t r = checked_size(writev(fd, v, n));
    if (r == -EPIPE && !was_pending) {
        struct timespec zero = {0, 0};
        while (sigtimedwait(&pipe_set, NULL, &zero) == -1 && errno == EINTR)
            continue;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

static int real_getsockopt(void *self, int fd, int level, int name, void *v,
                           socklen_t *n)
{
    (void)self;
    return checked(getsockopt(fd, level, name, v, n));
}

static int real_setsockopt(void *self, int fd, int level, int name,
                           const void *v, socklen_t n)
{
    (void)self;
    return checked(setsockopt(fd, level, name, v, n));
}

static int real_getsockname(void *self, int fd, struct sockaddr *sa,
                            socklen_t *n)
{
    (void)self;
    return checked(getsockname(fd, sa, n));
}

static int real_getpeername(void *self, int fd, struct sockaddr *sa,
                            socklen_t *n)
{
    (void)self;
    return checked(getpeername(fd, sa, n));
}

static int real_open_read(void *self, const char *path)
{
    (void)self;
    return checked(open(path, O_RDONLY | O_CLOEXEC));
}

static int real_open_null(void *self)
{
    (void)self;
    return checked(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static int real_event_open(void *self, int fds[2])
{
#ifdef __linux__
    (void)self;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd == -1)
        return -errno;
    fds[0] = fds[1] = fd;
    return 0;
#else
    if (pipe(fds) == -1)
        return -errno;
    real_set_nonblocking(self, fds[0]);
    real_set_nonblocking(self, fds[1]);
    return 0;
#endif
}

static struct timespec *limit(struct timespec *ts, int64_t wait_ns)
{
    if (wait_ns == ATL_NEVER)
        return NULL;
    ts->tv_sec = (time_t)(wait_ns / ATL_SECOND);
    ts->tv_nsec = (long)(wait_ns % ATL_SECOND);
    return ts;
}

static int real_poll(void *self, struct pollfd *fds, size_t n, int64_t wait_ns)
{
    (void)self;
    struct timespec ts;
    return checked(ppoll(fds, (nfds_t)n, limit(&ts, wait_ns), NULL));
}

static int real_select(void *self, int n, fd_set *r, fd_set *w, int64_t wait_ns)
{
    (void)self;
    struct timespec ts;
    return checked(pselect(n, r, w, NULL, limit(&ts, wait_ns), NULL));
}

#ifdef __linux__
static int real_epoll_create(void *self)
{
    (void)self;
    return checked(epoll_create1(EPOLL_CLOEXEC));
}

static int real_epoll_ctl(void *self, int ep, int op, int fd,
                          struct epoll_event *ev)
{
    (void)self;
    return checked(epoll_ctl(ep, op, fd, ev));
}

/* Rounded up: a wait that ends early would be repeated as a busy loop. */
static int whole_milliseconds(int64_t wait_ns)
{
    if (wait_ns == ATL_NEVER)
        return -1;
    int64_t ms = wait_ns / ATL_MILLISECOND + (wait_ns % ATL_MILLISECOND != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static int real_epoll_wait(void *self, int ep, struct epoll_event *ev, int n,
                           int64_t wait_ns)
{
    (void)self;
    static atomic_bool coarse; /* this kernel, or its warden, has no finer */
    struct timespec ts;
    if (wait_ns == 0 || wait_ns == ATL_NEVER || coarse)
        return checked(epoll_wait(ep, ev, n, whole_milliseconds(wait_ns)));
    int r = epoll_pwait2(ep, ev, n, limit(&ts, wait_ns), NULL);
    if (r == -1 && (errno == ENOSYS || errno == EPERM)) {
        coarse = true;
        r = epoll_wait(ep, ev, n, whole_milliseconds(wait_ns));
    }
    return checked(r);
}
#else
static int real_epoll_create(void *self)
{
    (void)self;
    return -ENOSYS;
}

static int real_epoll_ctl(void *self, int ep, int op, int fd,
                          struct epoll_event *ev)
{
    (void)self, (void)ep, (void)op, (void)fd, (void)ev;
    return -ENOSYS;
}

static int real_epoll_wait(void *self, int ep, struct epoll_event *ev, int n,
                           int64_t wait_ns)
{
    (void)self, (void)ep, (void)ev, (void)n, (void)wait_ns;
    return -ENOSYS;
}
#endif

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * ATL_SECOND + ts.tv_nsec;
}

static int64_t real_now(void *self)
{
    (void)self;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t real_time(void *self)
{
    (void)self;
    return read_clock(CLOCK_REALTIME);
}

static int real_random(void *self, void *buf, size_t n)
{
    (void)self;
    for (size_t done = 0; done < n; done += 256) { /* getentropy's most */
        size_t part = n - done < 256 ? n - done : 256;
        if (getentropy((char *)buf + done, part) == -1)
            return -errno;
    }
    return 0;
}

static int real_get_fd_limit(void *self, size_t *soft, size_t *hard)
{
    (void)self;
    return atl_fdlimit_get(soft, hard);
}

static const struct atl_os_calls real_calls = {
    .socket = real_socket,
    .socketpair = real_socketpair,
    .bind = real_bind,
    .listen = real_listen,
    .accept = real_accept,
    .connect = real_connect,
    .shutdown = real_shutdown,
    .close = real_close,
    .recv = real_recv,
    .send = real_send,
    .sendmsg = real_sendmsg,
    .recvmsg = real_recvmsg,
    .read = real_read,
    .writev = real_writev,
    .getsockopt = real_getsockopt,
    .setsockopt = real_setsockopt,
    .getsockname = real_getsockname,
    .getpeername = real_getpeername,
    .set_nonblocking = real_set_nonblocking,
    .open_read = real_open_read,
    .open_null = real_open_null,
    .event_open = real_event_open,
    .poll = real_poll,
    .select = real_select,
    .epoll_create = real_epoll_create,
    .epoll_ctl = real_epoll_ctl,
    .epoll_wait = real_epoll_wait,
    .now = real_now,
    .time = real_time,
    .random = real_random,
    .get_fd_limit = real_get_fd_limit,
};

const struct atl_os atl__os_real = {&real_calls, NULL};
