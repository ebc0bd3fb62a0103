/* SPDX-License-Identifier: MIT */
/* What a signal interrupts is done again; closing never is. */
#include "check.h"
#include "faults.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static struct faults f;

static void often_interrupted(int fds[2])
{
    faults_init(&f);
    CHECK(faults_set(&f, "eintr=80,seed=3"));
    CHECK_OK(f.os.calls->socketpair(&f, AF_UNIX, SOCK_STREAM, fds));
}

static void close_both(int fds[2])
{
    atl__os_close(&f.os, fds[0]);
    atl__os_close(&f.os, fds[1]);
}

TEST(interrupted_reads_and_writes_are_repeated)
{
    char in[8];
    int fds[2];
    struct iovec v = {(void *)"abcd", 4}, room = {in, sizeof(in)};
    struct msghdr out = {.msg_iov = &v, .msg_iovlen = 1};
    struct msghdr back = {.msg_iov = &room, .msg_iovlen = 1};
    often_interrupted(fds);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ_INT(atl__os_send(&f.os, fds[0], "ab", 2, 0), 2);
        CHECK_EQ_INT(atl__os_recv(&f.os, fds[1], in, 8, 0), 2);
        CHECK_EQ_INT(atl__os_sendmsg(&f.os, fds[0], &out, 0), 4);
        CHECK_EQ_INT(atl__os_recvmsg(&f.os, fds[1], &back, 0), 4);
        CHECK_EQ_INT(atl__os_writev(&f.os, fds[0], &v, 1), 4);
        CHECK_EQ_INT(atl__os_read(&f.os, fds[1], in, 8), 4);
        CHECK_EQ_MEM(in, "abcd", 4);
    }
    CHECK(faults_calls(&f, "send") > 20);
    close_both(fds);
}

TEST(other_errors_are_told_at_once)
{
    char in[8];
    int fds[2];
    often_interrupted(fds);
    CHECK_CODE(atl__os_recv(&f.os, fds[0], in, 8, 0), -EAGAIN);
    CHECK_CODE(atl__os_read(&f.os, fds[0], in, 8), -EAGAIN);
    CHECK_CODE(atl__os_send(&f.os, -1, "x", 1, 0), -EBADF);
    CHECK_CODE(atl__os_open_read(&f.os, "/no/such/file"), -ENOENT);
    close_both(fds);
}

TEST(a_close_is_never_repeated)
{
    int fds[2];
    often_interrupted(fds);
    CHECK(faults_set(&f, "fail=close:1:EINTR"));
    CHECK_CODE(atl__os_close(&f.os, fds[0]), -EINTR);
    CHECK_EQ_INT(faults_calls(&f, "close"), 1);
    CHECK_CODE(atl__os_close(&f.os, fds[0]), -EBADF);
    atl__os_close(&f.os, fds[1]);
}

TEST(an_interrupted_connect_goes_on_by_itself)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof(at);
    int codes[2] = {0};
    faults_init(&f);
    CHECK(faults_set(&f, "eintr=50"));
    const struct atl_os_calls *c = f.os.calls;
    int l = c->socket(&f, AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(c->bind(&f, l, (struct sockaddr *)&at, sizeof(at)));
    CHECK_OK(c->listen(&f, l, 100));
    CHECK_OK(c->getsockname(&f, l, (struct sockaddr *)&at, &n));
    for (int i = 0; i < 20; i++) {
        int fd = c->socket(&f, AF_INET, SOCK_STREAM, 0);
        int r = atl__os_connect(&f.os, fd, (struct sockaddr *)&at, n);
        CHECK(r == 0 || r == -EINPROGRESS);
        codes[r == 0]++;
        int other = atl__os_accept(&f.os, l, NULL, NULL);
        CHECK_OK(other);
        atl__os_close(&f.os, other);
        atl__os_close(&f.os, fd);
    }
    CHECK_EQ_INT(codes[0] + codes[1], 20);
    atl__os_close(&f.os, l);
}
