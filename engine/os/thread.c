/* SPDX-License-Identifier: MIT */
/* Threads by POSIX; these calls cannot fail when used as the engine does. */
#include "os/thread.h"

#include <signal.h>

void atl__mutex_init(struct atl_mutex *m)
{
    pthread_mutex_init(&m->mutex, NULL);
}

void atl__mutex_fini(struct atl_mutex *m)
{
    pthread_mutex_destroy(&m->mutex);
}

void atl__mutex_lock(struct atl_mutex *m)
{
    pthread_mutex_lock(&m->mutex);
}

void atl__mutex_unlock(struct atl_mutex *m)
{
    pthread_mutex_unlock(&m->mutex);
}

void atl__cond_init(struct atl_cond *c)
{
    pthread_cond_init(&c->cond, NULL);
}

void atl__cond_fini(struct atl_cond *c)
{
    pthread_cond_destroy(&c->cond);
}

void atl__cond_wait(struct atl_cond *c, struct atl_mutex *m)
{
    pthread_cond_wait(&c->cond, &m->mutex);
}

void atl__cond_signal(struct atl_cond *c)
{
    pthread_cond_signal(&c->cond);
}

void atl__cond_broadcast(struct atl_cond *c)
{
    pthread_cond_broadcast(&c->cond);
}

int atl__thread_start(struct atl_thread *t, void *(*fn)(void *), void *arg)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&t->thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -r;
}

void atl__thread_join(struct atl_thread *t)
{
    pthread_join(t->thread, NULL);
}
