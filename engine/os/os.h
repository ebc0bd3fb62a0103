/* SPDX-License-Identifier: MIT */
/*
 * The call table: every system call the engine makes on its loop's thread goes
 * through one, so that a test or a simulated network can stand in for the
 * kernel. Table entries return a value >= 0 or -errno and do not retry; the
 * atl__os_ functions below retry the calls a signal can interrupt (close is
 * never retried) and add nothing else.
 *
 * Sockets and descriptors are non-blocking and close-on-exec from birth.
 */
#ifndef ATL_OS_OS_H
#define ATL_OS_OS_H

#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "atools/addr.h"
#include "atools/base.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0 /* the peer's end then shows as readable only */
#endif

struct epoll_event;

struct atl_os_calls {
    /* sockets */
    int (*socket)(void *self, int family, int type, int protocol);
    int (*socketpair)(void *self, int family, int type, int fds[2]);
    int (*bind)(void *self, int fd, const struct sockaddr *sa, socklen_t n);
    int (*listen)(void *self, int fd, int backlog);
    int (*accept)(void *self, int fd, struct sockaddr *sa, socklen_t *n);
    int (*connect)(void *self, int fd, const struct sockaddr *sa, socklen_t n);
    int (*shutdown)(void *self, int fd, int how);
    int (*close)(void *self, int fd);
    ssize_t (*recv)(void *self, int fd, void *buf, size_t n, int flags);
    ssize_t (*send)(void *self, int fd, const void *buf, size_t n, int flags);
    ssize_t (*sendmsg)(void *self, int fd, const struct msghdr *m, int flags);
    ssize_t (*recvmsg)(void *self, int fd, struct msghdr *m, int flags);
    ssize_t (*read)(void *self, int fd, void *buf, size_t n);
    ssize_t (*writev)(void *self, int fd, const struct iovec *v, int n);
    int (*getsockopt)(void *self, int fd, int level, int name, void *v,
                      socklen_t *n);
    int (*setsockopt)(void *self, int fd, int level, int name, const void *v,
                      socklen_t n);
    int (*getsockname)(void *self, int fd, struct sockaddr *sa, socklen_t *n);
    int (*getpeername)(void *self, int fd, struct sockaddr *sa, socklen_t *n);
    int (*set_nonblocking)(void *self, int fd); /* close-on-exec too */
    /* files */
    int (*open_read)(void *self, const char *path);
    int (*open_null)(void *self); /* a spare descriptor: /dev/null */
    int (*event_open)(void *self, int fds[2]); /* wake-up: [0] to wait on, [1]
                         to write to; both may be the same (eventfd) */
    /* waiting; wait_ns ATL_NEVER: no limit, 0: do not wait */
    int (*poll)(void *self, struct pollfd *fds, size_t n, int64_t wait_ns);
    int (*select)(void *self, int n, fd_set *r, fd_set *w, int64_t wait_ns);
    int (*epoll_create)(void *self);
    int (*epoll_ctl)(void *self, int ep, int op, int fd,
                     struct epoll_event *ev);
    int (*epoll_wait)(void *self, int ep, struct epoll_event *ev, int n,
                      int64_t wait_ns);
    /* clocks and chance */
    int64_t (*now)(void *self);  /* monotonic ns */
    int64_t (*time)(void *self); /* ns since 1970 */
    int (*random)(void *self, void *buf, size_t n);
    /* the process's limit of descriptors; SIZE_MAX: unlimited */
    int (*get_fd_limit)(void *self, size_t *soft, size_t *hard);
};

struct atl_os {
    const struct atl_os_calls *calls;
    void *self; /* passed to each call */
};

/* The operating system. */
extern const struct atl_os atl__os_real;

/*
 * The calls a signal can interrupt; the others are made through the table
 * directly. Waiting is not here: an interrupted wait ends the turn.
 */
ssize_t atl__os_recv(const struct atl_os *os, int fd, void *buf, size_t n,
                     int flags);
ssize_t atl__os_read(const struct atl_os *os, int fd, void *buf, size_t n);
/* One piece: a tenth of a microsecond cheaper than sendmsg. */
ssize_t atl__os_send(const struct atl_os *os, int fd, const void *buf, size_t n,
                     int flags);
ssize_t atl__os_sendmsg(const struct atl_os *os, int fd, const struct msghdr *m,
                        int flags);
ssize_t atl__os_recvmsg(const struct atl_os *os, int fd, struct msghdr *m,
                        int flags);
ssize_t atl__os_writev(const struct atl_os *os, int fd, const struct iovec *v,
                       int n);
int atl__os_accept(const struct atl_os *os, int fd, struct sockaddr *sa,
                   socklen_t *n);
/* An interrupted connect goes on by itself: -EINPROGRESS, as ever. */
int atl__os_connect(const struct atl_os *os, int fd, const struct sockaddr *sa,
                    socklen_t n);
int atl__os_open_read(const struct atl_os *os, const char *path);

static inline int atl__os_close(const struct atl_os *os, int fd)
{
    return os->calls->close(os->self, fd);
}

/* The standard error stream, for the log; what cannot be written is lost. */
void atl__os_stderr(const char *bytes, size_t length);

/* Number of a network interface ("eth0" or "3"), 0 when there is none, and
   its name ("" when there is none; `buf` of 32 bytes is enough). */
unsigned atl__os_interface(const char *name);
const char *atl__os_interface_name(unsigned number, char *buf, size_t size);

#endif
