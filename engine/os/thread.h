/* SPDX-License-Identifier: MIT */
/* The little of threads the engine needs: a lock, a condition, a start. */
#ifndef ATL_OS_THREAD_H
#define ATL_OS_THREAD_H

#include <pthread.h>

struct atl_mutex {
    pthread_mutex_t mutex;
};
struct atl_cond {
    pthread_cond_t cond;
};
struct atl_thread {
    pthread_t thread;
};

void atl__mutex_init(struct atl_mutex *m);
void atl__mutex_fini(struct atl_mutex *m);
void atl__mutex_lock(struct atl_mutex *m);
void atl__mutex_unlock(struct atl_mutex *m);
void atl__cond_init(struct atl_cond *c);
void atl__cond_fini(struct atl_cond *c);
void atl__cond_wait(struct atl_cond *c, struct atl_mutex *m);
void atl__cond_signal(struct atl_cond *c);
void atl__cond_broadcast(struct atl_cond *c);
/* With all signals blocked, so that the host's handlers never run on it. */
int atl__thread_start(struct atl_thread *t, void *(*fn)(void *), void *arg);
void atl__thread_join(struct atl_thread *t);

#endif
