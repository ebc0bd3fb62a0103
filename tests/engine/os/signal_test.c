/* SPDX-License-Identifier: MIT */
/* The process's signals: handlers come and go with those who watch. */
#include "os/signal.h"
#include "atools/loop.h"
#include "check.h"
#include "os/os.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define BIT(number) (UINT64_C(1) << (number))

static int wake(void)
{
    int fds[2];
    CHECK_OK(atl__os_real.calls->event_open(NULL, fds));
    return fds[1];
}

static bool woken(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void (*handler(int number))(int)
{
    struct sigaction now;
    CHECK_OK(sigaction(number, NULL, &now));
    return now.sa_handler;
}

static int hosts;

static void on_host(int number)
{
    hosts += number;
}

TEST(a_signal_reaches_every_port_that_watches_it)
{
    int fd[3], port[3];
    for (int i = 0; i < 3; i++) {
        fd[i] = wake();
        port[i] = atl__signal_port_open(fd[i]);
        CHECK_OK(port[i]);
    }
    CHECK_OK(atl__signal_watch(port[0], SIGUSR1));
    CHECK_OK(atl__signal_watch(port[1], SIGUSR1));
    CHECK_OK(atl__signal_watch(port[1], SIGUSR2));
    raise(SIGUSR1);
    raise(SIGUSR1);
    CHECK(woken(fd[0]) && woken(fd[1]) && !woken(fd[2]));
    CHECK_EQ_INT(atl__signal_take(port[0]), BIT(SIGUSR1));
    CHECK_EQ_INT(atl__signal_take(port[0]), 0);
    raise(SIGUSR2);
    CHECK_EQ_INT(atl__signal_take(port[1]), BIT(SIGUSR1) | BIT(SIGUSR2));
    atl__os_wake_clear(fd[0]);
    CHECK(!woken(fd[0]));
    atl__signal_unwatch(port[0], SIGUSR1);
    atl__signal_unwatch(port[1], SIGUSR1);
    atl__signal_unwatch(port[1], SIGUSR2);
    for (int i = 0; i < 3; i++) {
        atl__signal_port_close(port[i]);
        close(fd[i]);
    }
}

TEST(the_last_watcher_puts_back_what_was_there)
{
    int fd = wake(), port = atl__signal_port_open(fd);
    int other = atl__signal_port_open(fd);
    struct sigaction mine = {.sa_handler = on_host, .sa_flags = SA_NODEFER};
    struct sigaction now;
    CHECK_OK(sigaction(SIGUSR1, &mine, NULL));
    CHECK_OK(atl__signal_watch(port, SIGUSR1));
    CHECK_OK(atl__signal_watch(other, SIGUSR1));
    raise(SIGUSR1);
    CHECK_EQ_INT(hosts, 0);
    atl__signal_unwatch(port, SIGUSR1);
    CHECK(handler(SIGUSR1) != on_host);
    atl__signal_unwatch(other, SIGUSR1);
    CHECK_OK(sigaction(SIGUSR1, NULL, &now));
    CHECK(now.sa_handler == on_host);
    CHECK_EQ_INT(now.sa_flags & SA_NODEFER, SA_NODEFER);
    raise(SIGUSR1);
    CHECK_EQ_INT(hosts, SIGUSR1);
    atl__signal_port_close(port);
    atl__signal_port_close(other);
    close(fd);
}

TEST(what_the_host_installed_meanwhile_stays)
{
    int fd = wake(), port = atl__signal_port_open(fd);
    CHECK_OK(atl__signal_watch(port, SIGUSR1));
    signal(SIGUSR1, on_host);
    atl__signal_unwatch(port, SIGUSR1);
    CHECK(handler(SIGUSR1) == on_host);
    atl__signal_port_close(port);
    close(fd);
}

TEST(numbers_that_cannot_be_watched_are_refused)
{
    int fd = wake(), port = atl__signal_port_open(fd);
    static const int bad[] = {SIGKILL, SIGSTOP, 0, -1, 64, 1000};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_CODE(atl__signal_watch(port, bad[i]), -EINVAL);
    atl__signal_port_close(port);
    close(fd);
}

TEST(ports_run_out_with_an_error_and_are_used_again)
{
    int fd = wake(), ports[100], n = 0;
    while (n < 100 && (ports[n] = atl__signal_port_open(fd)) >= 0)
        n++;
    CHECK_RANGE(n, 16, 99);
    CHECK_CODE(ports[n], -EMFILE);
    atl__signal_port_close(ports[5]);
    CHECK_EQ_INT(atl__signal_port_open(fd), ports[5]);
    while (n-- > 0)
        atl__signal_port_close(ports[n]);
    close(fd);
}

static void *many_signals(void *arg)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < 2000; i++)
        pthread_kill(pthread_self(), SIGUSR1);
    return arg;
}

TEST(ports_may_come_and_go_while_signals_arrive)
{
    pthread_t thread;
    int keep_fd = wake(), keep = atl__signal_port_open(keep_fd);
    CHECK_OK(atl__signal_watch(keep, SIGUSR1));
    CHECK_EQ_INT(pthread_create(&thread, NULL, many_signals, NULL), 0);
    for (int i = 0; i < 500; i++) {
        int fd = wake(), port = atl__signal_port_open(fd);
        CHECK_OK(atl__signal_watch(port, SIGUSR1));
        atl__signal_unwatch(port, SIGUSR1);
        atl__signal_port_close(port);
        close(fd);
        /* a stray wake-up would be found here */
        int ends[2];
        CHECK_OK(pipe(ends));
        CHECK(!woken(ends[0]));
        close(ends[0]);
        close(ends[1]);
    }
    pthread_join(thread, NULL);
    CHECK_EQ_INT(atl__signal_take(keep), BIT(SIGUSR1));
    atl__signal_unwatch(keep, SIGUSR1);
    atl__signal_port_close(keep);
    close(keep_fd);
}

TEST(names_lead_to_numbers_and_back)
{
    CHECK_EQ_INT(atl_signal_number("SIGHUP"), SIGHUP);
    CHECK_EQ_INT(atl_signal_number("hup"), SIGHUP);
    CHECK_CODE(atl_signal_number("SIGNOTHING"), -EINVAL);
    CHECK_CODE(atl_signal_number(""), -EINVAL);
    CHECK_EQ_STR(atl_signal_name(SIGTERM), "SIGTERM");
    CHECK(atl_signal_name(63) == NULL && atl_signal_name(-1) == NULL);
}

TEST(sigpipe_can_be_ignored_by_those_who_want_it)
{
    atl_signal_ignore_pipe();
    CHECK(handler(SIGPIPE) == SIG_IGN);
}
