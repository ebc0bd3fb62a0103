/* SPDX-License-Identifier: MIT */
/* Signals on the loop. */
#include "faults.h"
#include "net.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct seen {
    struct atl_signal *signal;
    struct atl_loop *loop;
    int calls, number;
    void (*then)(struct seen *s);
};

static void on_signal(struct atl_signal *signal, int number)
{
    struct seen *s = atl_signal_data(signal);
    CHECK_EQ_PTR(signal, s->signal);
    s->calls++;
    s->number = number;
    if (s->then != NULL)
        s->then(s);
}

static void watch(struct seen *s, struct atl_loop *loop, int number)
{
    *s = (struct seen){.loop = loop};
    CHECK_OK(atl_signal_open(&s->signal, loop, number, on_signal, s, NULL));
}

static void (*handler(int number))(int)
{
    struct sigaction now;
    CHECK_OK(sigaction(number, NULL, &now));
    return now.sa_handler;
}

static void delivered(struct atl_loop *loop)
{
    struct seen usr, hup;
    watch(&usr, loop, SIGUSR1);
    watch(&hup, loop, SIGHUP);
    CHECK(!atl_loop_alive(loop));
    CHECK_OK(atl_loop_step(loop, 0));
    for (int i = 0; i < 5; i++)
        raise(SIGUSR1);
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK_EQ_INT(usr.calls, 1); /* once for any number */
    CHECK_EQ_INT(usr.number, SIGUSR1);
    CHECK_EQ_INT(hup.calls, 0);
    raise(SIGHUP);
    raise(SIGUSR1);
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK_EQ_INT(usr.calls, 2);
    CHECK_EQ_INT(hup.calls, 1);
    atl_signal_close(&usr.signal);
    atl_signal_close(&usr.signal);
    CHECK(handler(SIGUSR1) == SIG_DFL);
    CHECK(handler(SIGHUP) != SIG_DFL);
    CHECK_OK(atl_loop_step(loop, 0)); /* the other one goes with the loop */
}

TEST(signals_run_on_the_loop_once_for_any_number)
{
    net_each_backend(delivered);
    CHECK(handler(SIGHUP) == SIG_DFL);
}

TEST(several_handles_share_a_number_also_across_loops)
{
    struct atl_loop *one, *two;
    struct seen a, b, c;
    CHECK_OK(atl_loop_new(&one, NULL, NULL));
    CHECK_OK(atl_loop_new(&two, NULL, NULL));
    watch(&a, one, SIGUSR1);
    watch(&b, one, SIGUSR1);
    watch(&c, two, SIGUSR1);
    raise(SIGUSR1);
    NET_UNTIL(one, a.calls && b.calls);
    NET_UNTIL(two, c.calls);
    atl_signal_close(&a.signal);
    raise(SIGUSR1);
    NET_UNTIL(one, b.calls == 2);
    CHECK_EQ_INT(a.calls, 1);
    atl_loop_free(&one);
    CHECK(handler(SIGUSR1) != SIG_DFL);
    raise(SIGUSR1);
    NET_UNTIL(two, c.calls >= 2);
    atl_signal_close(&c.signal);
    CHECK(handler(SIGUSR1) == SIG_DFL);
    atl_loop_free(&two);
}

static struct seen other;

static void close_both(struct seen *s)
{
    atl_signal_close(&s->signal);
    atl_signal_close(&other.signal);
}

static void open_another(struct seen *s)
{
    s->then = NULL;
    watch(&other, s->loop, SIGUSR1);
}

TEST(a_callback_may_close_and_open_handles)
{
    struct atl_loop *loop;
    struct seen s;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    watch(&s, loop, SIGUSR1);
    s.then = open_another;
    raise(SIGUSR1);
    NET_UNTIL(loop, s.calls == 1);
    CHECK_EQ_INT(other.calls, 0); /* it came before it was opened */
    s.then = close_both;
    raise(SIGUSR1);
    NET_UNTIL(loop, s.calls == 2);
    CHECK_EQ_INT(other.calls, 0); /* closed before it was its turn */
    CHECK(handler(SIGUSR1) == SIG_DFL);
    CHECK_OK(atl_loop_step(loop, 0));
    struct atl_stats stats;
    atl_loop_stats(loop, &stats);
    CHECK_EQ_INT(stats.signals, 0);
    atl_loop_free(&loop);
}

TEST(numbers_that_cannot_be_watched_are_refused_with_words)
{
    struct atl_signal *s = NULL;
    struct atl_error why;
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    CHECK_CODE(atl_signal_open(&s, loop, SIGKILL, on_signal, NULL, &why),
               -EINVAL);
    CHECK(strstr(why.text, "9") != NULL);
    CHECK_CODE(atl_signal_open(&s, loop, 0, on_signal, NULL, NULL), -EINVAL);
    faults_memory(1, 2);
    CHECK_CODE(atl_signal_open(&s, loop, SIGUSR1, on_signal, NULL, NULL),
               -ENOMEM);
    faults_memory_end();
    CHECK(s == NULL);
    CHECK(handler(SIGUSR1) == SIG_DFL);
    atl_loop_free(&loop);
}

TEST(a_loop_without_signals_changes_nothing_in_the_process)
{
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    CHECK_OK(atl_loop_step(loop, 0));
    for (int number = 1; number < 32; number++)
        if (number != SIGKILL && number != SIGSTOP)
            CHECK(handler(number) == SIG_DFL || handler(number) == SIG_IGN ||
                  check_scale() > 1); /* sanitizers have their own */
    atl_loop_free(&loop);
}
