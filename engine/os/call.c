/* SPDX-License-Identifier: MIT */
/*
 * Interrupted calls are repeated here, above the table, so that a test that
 * injects EINTR tests this too.
 */
#include "os/os.h"

#include <errno.h>

ssize_t atl__os_recv(const struct atl_os *os, int fd, void *buf, size_t n,
                     int flags)
{
    ssize_t r;
    do
        r = os->calls->recv(os->self, fd, buf, n, flags);
    while (r == -EINTR);
    return r;
}

ssize_t atl__os_read(const struct atl_os *os, int fd, void *buf, size_t n)
{
    ssize_t r;
    do
        r = os->calls->read(os->self, fd, buf, n);
    while (r == -EINTR);
    return r;
}

ssize_t atl__os_send(const struct atl_os *os, int fd, const void *buf, size_t n,
                     int flags)
{
    ssize_t r;
    do
        r = os->calls->send(os->self, fd, buf, n, flags);
    while (r == -EINTR);
    return r;
}

ssize_t atl__os_sendmsg(const struct atl_os *os, int fd, const struct msghdr *m,
                        int flags)
{
    ssize_t r;
    do
        r = os->calls->sendmsg(os->self, fd, m, flags);
    while (r == -EINTR);
    return r;
}

ssize_t atl__os_recvmsg(const struct atl_os *os, int fd, struct msghdr *m,
                        int flags)
{
    ssize_t r;
    do
        r = os->calls->recvmsg(os->self, fd, m, flags);
    while (r == -EINTR);
    return r;
}

ssize_t atl__os_writev(const struct atl_os *os, int fd, const struct iovec *v,
                       int n)
{
    ssize_t r;
    do
        r = os->calls->writev(os->self, fd, v, n);
    while (r == -EINTR);
    return r;
}

int atl__os_accept(const struct atl_os *os, int fd, struct sockaddr *sa,
                   socklen_t *n)
{
    int r;
    do
        r = os->calls->accept(os->self, fd, sa, n);
    while (r == -EINTR);
    return r;
}

int atl__os_connect(const struct atl_os *os, int fd, const struct sockaddr *sa,
                    socklen_t n)
{
    int r = os->calls->connect(os->self, fd, sa, n);
    return r == -EINTR ? -EINPROGRESS : r;
}

int atl__os_open_read(const struct atl_os *os, const char *path)
{
    int r;
    do
        r = os->calls->open_read(os->self, path);
    while (r == -EINTR);
    return r;
}
