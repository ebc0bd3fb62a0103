/* SPDX-License-Identifier: MIT */
/* The real calls: what they promise beyond the kernel's own words. */
#include "check.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static const struct atl_os_calls *calls;

__attribute__((constructor)) static void get_calls(void)
{
    calls = atl__os_real.calls;
}

static void check_flags(int fd, bool nonblocking)
{
    CHECK_OK(fd);
    CHECK_EQ_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    if (nonblocking)
        CHECK_EQ_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

TEST(descriptors_do_not_block_and_are_closed_on_exec_from_birth)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof(at);
    int pair[2], event[2], fd[6];
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd[0] = calls->socket(NULL, AF_INET, SOCK_STREAM, 0);
    check_flags(fd[0], true);
    CHECK_OK(calls->bind(NULL, fd[0], (struct sockaddr *)&at, n));
    CHECK_OK(calls->listen(NULL, fd[0], 1));
    CHECK_OK(calls->getsockname(NULL, fd[0], (struct sockaddr *)&at, &n));
    fd[1] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(connect(fd[1], (struct sockaddr *)&at, n));
    fd[2] = calls->accept(NULL, fd[0], (struct sockaddr *)&at, &n);
    check_flags(fd[2], true);
    CHECK_OK(calls->set_nonblocking(NULL, fd[1]));
    check_flags(fd[1], true);
    fd[3] = calls->open_null(NULL);
    check_flags(fd[3], false);
    fd[4] = calls->open_read(NULL, "/proc/self/stat");
    check_flags(fd[4], false);
    fd[5] = calls->epoll_create(NULL);
    check_flags(fd[5], false);
    CHECK_OK(calls->socketpair(NULL, AF_UNIX, SOCK_STREAM, pair));
    CHECK_OK(calls->event_open(NULL, event));
    for (int i = 0; i < 2; i++) {
        check_flags(pair[i], true);
        check_flags(event[i], true);
        close(pair[i]);
    }
    close(event[0]);
    for (int i = 0; i < 6; i++)
        close(fd[i]);
}

TEST(writing_to_who_is_gone_is_an_error_not_a_signal)
{
    struct iovec v = {(void *)"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    sigset_t pending;
    int fds[2], ends[2];
    signal(SIGPIPE, SIG_DFL); /* would end the process */
    CHECK_OK(calls->socketpair(NULL, AF_UNIX, SOCK_STREAM, fds));
    CHECK_OK(pipe(ends));
    close(fds[1]);
    close(ends[0]);
    CHECK_CODE(calls->sendmsg(NULL, fds[0], &m, 0), -EPIPE);
    CHECK_CODE(calls->send(NULL, fds[0], "x", 1, 0), -EPIPE);
    CHECK_CODE(calls->writev(NULL, fds[0], &v, 1), -EPIPE);
    CHECK_CODE(calls->writev(NULL, ends[1], &v, 1), -EPIPE);
    CHECK_OK(sigpending(&pending));
    CHECK_EQ_INT(sigismember(&pending, SIGPIPE), 0);
    close(fds[0]);
    close(ends[1]);
}

TEST(a_sigpipe_of_the_hosts_own_stays_pending)
{
    struct iovec v = {(void *)"x", 1};
    sigset_t set, pending;
    int ends[2];
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    raise(SIGPIPE);
    CHECK_OK(pipe(ends));
    close(ends[0]);
    CHECK_CODE(calls->writev(NULL, ends[1], &v, 1), -EPIPE);
    CHECK_OK(sigpending(&pending));
    CHECK_EQ_INT(sigismember(&pending, SIGPIPE), 1);
    close(ends[1]);
}

static int wait_by(int which, int64_t wait_ns)
{
    struct epoll_event ev;
    fd_set r, w;
    FD_ZERO(&r);
    FD_ZERO(&w);
    if (which == 0)
        return calls->poll(NULL, NULL, 0, wait_ns);
    if (which == 1)
        return calls->select(NULL, 0, &r, &w, wait_ns);
    int ep = calls->epoll_create(NULL);
    int n = calls->epoll_wait(NULL, ep, &ev, 1, wait_ns);
    close(ep);
    return n;
}

TEST(waits_never_end_early_nor_much_too_late)
{
    static const int64_t waits[] = {0, 1, 200000, 1500000, 12345678};
    for (int which = 0; which < 3; which++) {
        for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
            int64_t start = calls->now(NULL);
            CHECK_EQ_INT(wait_by(which, waits[i]), 0);
            CHECK_RANGE(calls->now(NULL) - start, waits[i],
                        waits[i] + 100 * check_scale() * ATL_MILLISECOND);
        }
    }
}

TEST(short_waits_are_finer_than_a_millisecond)
{
    for (int which = 0; which < 3; which++) {
        int64_t best = ATL_NEVER;
        for (int i = 0; i < 20; i++) {
            int64_t start = calls->now(NULL);
            wait_by(which, 100000);
            int64_t took = calls->now(NULL) - start;
            best = took < best ? took : best;
        }
        CHECK_RANGE(best, 100000, 900000 * check_scale());
    }
}

TEST(randomness_fills_any_size)
{
    unsigned char bytes[1000];
    int zero = 0;
    memset(bytes, 0, sizeof(bytes));
    CHECK_EQ_INT(calls->random(NULL, bytes, sizeof(bytes)), 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        zero += bytes[i] == 0;
    CHECK_RANGE(zero, 0, 40);
    CHECK_EQ_INT(calls->random(NULL, bytes, 0), 0);
}

TEST(the_clock_does_not_go_back)
{
    int64_t before = calls->now(NULL);
    for (int i = 0; i < 1000; i++) {
        int64_t now = calls->now(NULL);
        CHECK(now >= before);
        before = now;
    }
    CHECK(calls->time(NULL) > INT64_C(1700000000) * ATL_SECOND);
}

TEST(the_limit_of_descriptors_is_part_of_the_table)
{
    size_t soft = 0, hard = 0;
    CHECK_EQ_INT(calls->get_fd_limit(NULL, &soft, &hard), 0);
    CHECK(soft > 0 && soft <= hard);
}
