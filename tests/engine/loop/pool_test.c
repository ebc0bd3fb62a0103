/* SPDX-License-Identifier: MIT */
/* Helper threads. */
#include "loop/pool.h"
#include "check.h"
#include "faults.h"
#include "net.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct task {
    struct atl_job job;
    pthread_t thread;
    int worked, done;
    sem_t *gate; /* to wait for while working */
};

static atomic_int at_work;

static void work(struct atl_job *job)
{
    struct task *t = (struct task *)job;
    t->thread = pthread_self();
    atomic_fetch_add(&at_work, 1);
    if (t->gate != NULL)
        while (sem_wait(t->gate) == -1)
            continue;
    atomic_fetch_sub(&at_work, 1);
    t->worked++;
}

static int finished;

static void done(struct atl_job *job)
{
    struct task *t = (struct task *)job;
    CHECK_EQ_INT(t->worked, 1);
    t->done++;
    finished++;
}

static void init(struct task *t, int n, sem_t *gate)
{
    for (int i = 0; i < n; i++)
        t[i] = (struct task){.job = {.work = work, .done = done}, .gate = gate};
}

static void many(struct atl_loop *loop)
{
    enum { N = 1000 };
    static struct task t[N];
    init(t, N, NULL);
    finished = 0;
    for (int i = 0; i < N; i++)
        CHECK_OK(atl__pool_run(loop, &t[i].job));
    CHECK_EQ_INT(atl_loop_run(loop), 0); /* jobs keep it alive */
    CHECK_EQ_INT(finished, N);
    for (int i = 0; i < N; i++) {
        CHECK_EQ_INT(t[i].done, 1);
        CHECK(!pthread_equal(t[i].thread, pthread_self()));
    }
}

TEST(jobs_run_elsewhere_and_are_done_on_the_loop)
{
    net_each_backend(many);
}

TEST(four_work_at_a_time)
{
    struct atl_loop *loop;
    struct task t[10];
    sem_t gate;
    sem_init(&gate, 0, 0);
    init(t, 10, &gate);
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    for (int i = 0; i < 10; i++)
        CHECK_OK(atl__pool_run(loop, &t[i].job));
    NET_UNTIL(loop, atomic_load(&at_work) == 4);
    for (int i = 0; i < 5; i++)
        CHECK_EQ_INT(atl_loop_step(loop, ATL_MILLISECOND), 1);
    CHECK_EQ_INT(atomic_load(&at_work), 4);
    for (int i = 0; i < 10; i++)
        sem_post(&gate);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(finished, 10);
    atl_loop_free(&loop);
    sem_destroy(&gate);
}

TEST(a_slow_job_holds_nobody_up)
{
    struct atl_loop *loop;
    struct task quick, slow, after;
    sem_t gate;
    sem_init(&gate, 0, 0);
    init(&quick, 1, NULL);
    init(&slow, 1, &gate);
    init(&after, 1, NULL);
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    CHECK_OK(atl__pool_run(loop, &quick.job));
    CHECK_EQ_INT(atl_loop_run(loop), 0); /* one helper, idle now */
    CHECK_OK(atl__pool_run(loop, &slow.job));
    CHECK_OK(atl__pool_run(loop, &after.job));
    NET_UNTIL(loop, after.done);
    CHECK_EQ_INT(slow.done, 0);
    sem_post(&gate);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(slow.done, 1);
    atl_loop_free(&loop);
    sem_destroy(&gate);
}

static struct task next;
static struct atl_loop *its_loop;
static int refused;

static void done_and_again(struct atl_job *job)
{
    done(job);
    init(&next, 1, NULL);
    refused = atl__pool_run(its_loop, &next.job);
}

TEST(a_job_may_be_started_when_another_is_done)
{
    struct task first;
    init(&first, 1, NULL);
    first.job.done = done_and_again;
    CHECK_OK(atl_loop_new(&its_loop, NULL, NULL));
    CHECK_OK(atl__pool_run(its_loop, &first.job));
    CHECK_EQ_INT(atl_loop_run(its_loop), 0);
    CHECK_OK(refused);
    CHECK_EQ_INT(next.done, 1);
    atl_loop_free(&its_loop);
}

TEST(the_loops_end_waits_for_its_jobs)
{
    struct task t[6];
    init(t, 6, NULL);
    t[5].job.done = done_and_again;
    CHECK_OK(atl_loop_new(&its_loop, NULL, NULL));
    struct atl_loop *loop = its_loop;
    for (int i = 0; i < 6; i++)
        CHECK_OK(atl__pool_run(loop, &t[i].job));
    atl_loop_free(&loop);
    CHECK_EQ_INT(finished, 6);
    CHECK_CODE(refused, ATL_ECLOSED); /* too late for new ones */
}

TEST(without_memory_nothing_is_queued)
{
    struct atl_loop *loop;
    struct task t;
    init(&t, 1, NULL);
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    faults_memory(1, INT64_MAX);
    CHECK_CODE(atl__pool_run(loop, &t.job), -ENOMEM);
    faults_memory_end();
    CHECK(!atl_loop_alive(loop));
    atl_loop_free(&loop);
    CHECK_EQ_INT(t.worked, 0);
}
