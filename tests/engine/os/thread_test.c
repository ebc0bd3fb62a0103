/* SPDX-License-Identifier: MIT */
#include "os/thread.h"
#include "check.h"

#include <signal.h>

static struct atl_mutex lock;
static struct atl_cond changed;
static int count;

static void *add(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        atl__mutex_lock(&lock);
        count++;
        atl__mutex_unlock(&lock);
    }
    return arg;
}

TEST(one_thread_at_a_time_holds_the_lock)
{
    struct atl_thread threads[4];
    atl__mutex_init(&lock);
    for (int i = 0; i < 4; i++)
        CHECK_EQ_INT(atl__thread_start(&threads[i], add, NULL), 0);
    for (int i = 0; i < 4; i++)
        atl__thread_join(&threads[i]);
    CHECK_EQ_INT(count, 40000);
    atl__mutex_fini(&lock);
}

static void *follow(void *arg)
{
    atl__mutex_lock(&lock);
    while (count == 0)
        atl__cond_wait(&changed, &lock);
    count++;
    atl__cond_broadcast(&changed);
    atl__mutex_unlock(&lock);
    return arg;
}

TEST(waiting_threads_are_woken)
{
    struct atl_thread threads[3];
    atl__mutex_init(&lock);
    atl__cond_init(&changed);
    for (int i = 0; i < 3; i++)
        CHECK_EQ_INT(atl__thread_start(&threads[i], follow, NULL), 0);
    atl__mutex_lock(&lock);
    count = 1;
    atl__cond_signal(&changed);
    while (count < 4)
        atl__cond_wait(&changed, &lock);
    atl__mutex_unlock(&lock);
    for (int i = 0; i < 3; i++)
        atl__thread_join(&threads[i]);
    atl__cond_fini(&changed);
    atl__mutex_fini(&lock);
}

static void *look_at_mask(void *arg)
{
    pthread_sigmask(SIG_SETMASK, NULL, arg);
    return NULL;
}

TEST(threads_take_no_signals_and_leave_ours_as_they_were)
{
    struct atl_thread thread;
    sigset_t theirs, mine, before;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK_EQ_INT(atl__thread_start(&thread, look_at_mask, &theirs), 0);
    atl__thread_join(&thread);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    static const int some[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1};
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        CHECK_EQ_INT(sigismember(&theirs, some[i]), 1);
        CHECK_EQ_INT(sigismember(&mine, some[i]),
                     sigismember(&before, some[i]));
    }
}
