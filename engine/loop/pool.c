/* SPDX-License-Identifier: MIT */
/*
 * Helper threads, for calls that cannot be made without blocking. They are
 * started when work is waiting and none is idle, up to four, and joined when
 * the loop ends.
 */
#include "loop/pool.h"

#include <errno.h>

#include "base/mem.h"
#include "loop/private.h"

#define THREADS 4

struct atl_pool {
    struct atl_mutex lock; /* guards what follows */
    struct atl_cond work;
    struct atl_job *first, **end;
    int idle, waiting; /* helpers without work, jobs without helper */
    bool stopping;
    int count; /* the loop's thread only */
    struct atl_thread threads[THREADS];
};

static void *helper(void *arg)
{
    struct atl_pool *pool = arg;
    atl__mutex_lock(&pool->lock);
    for (;;) {
        while (pool->first == NULL && !pool->stopping) {
            pool->idle++;
            atl__cond_wait(&pool->work, &pool->lock);
            pool->idle--;
        }
        struct atl_job *job = pool->first;
        if (job == NULL)
            break;
        pool->first = job->next;
        pool->waiting--;
        if (pool->first == NULL)
            pool->end = &pool->first;
        atl__mutex_unlock(&pool->lock);
        job->work(job);
        atl_loop_post(job->loop, &job->post);
        atl__mutex_lock(&pool->lock);
    }
    atl__mutex_unlock(&pool->lock);
    return NULL;
}

static void on_done(struct atl_post *post)
{
    struct atl_job *job = ATL_CONTAINER(post, struct atl_job, post);
    job->loop->jobs--;
    job->done(job);
}

static int pool_make(struct atl_loop *loop)
{
    struct atl_pool *pool = atl__zalloc(sizeof(*pool));
    if (pool == NULL)
        return -ENOMEM;
    atl__mutex_init(&pool->lock);
    atl__cond_init(&pool->work);
    pool->end = &pool->first;
    loop->pool = pool;
    return 0;
}

int atl__pool_run(struct atl_loop *loop, struct atl_job *job)
{
    if (loop->dying)
        return ATL_ECLOSED;
    if (loop->pool == NULL && pool_make(loop) < 0)
        return -ENOMEM;
    struct atl_pool *pool = loop->pool;
    atl__mutex_lock(&pool->lock);
    bool wanted = pool->waiting >= pool->idle && pool->count < THREADS;
    atl__mutex_unlock(&pool->lock);
    if (wanted) {
        int r = atl__thread_start(&pool->threads[pool->count], helper, pool);
        if (r == 0)
            pool->count++;
        else if (pool->count == 0)
            return r;
    }
    job->loop = loop;
    job->next = NULL;
    job->post = (struct atl_post){.fn = on_done};
    loop->jobs++;
    atl__mutex_lock(&pool->lock);
    pool->waiting++;
    *pool->end = job;
    pool->end = &job->next;
    atl__cond_signal(&pool->work);
    atl__mutex_unlock(&pool->lock);
    return 0;
}

/* Waits for the jobs at work; what they post runs before the loop is gone. */
void atl__pool_fini(struct atl_loop *loop)
{
    struct atl_pool *pool = loop->pool;
    if (pool == NULL)
        return;
    atl__mutex_lock(&pool->lock);
    pool->stopping = true;
    atl__cond_broadcast(&pool->work);
    atl__mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->count; i++)
        atl__thread_join(&pool->threads[i]);
    atl__cond_fini(&pool->work);
    atl__mutex_fini(&pool->lock);
    atl__free(pool, sizeof(*pool));
    loop->pool = NULL;
}
