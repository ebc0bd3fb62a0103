/* SPDX-License-Identifier: MIT */
/* Queued work, of this thread and of others. */
#include "check.h"
#include "net.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char order[64];

struct item {
    struct atl_post post;
    struct atl_loop *loop;
    struct item *next; /* to be queued by this one */
    char name;
    int again;
};

static void run_item(struct atl_post *post)
{
    struct item *item = (struct item *)post; /* post comes first */
    size_t n = strlen(order);
    order[n] = item->name;
    order[n + 1] = '\0';
    CHECK(!post->queued);
    if (item->next != NULL)
        atl_loop_defer(item->loop, &item->next->post);
    if (item->again-- > 0)
        atl_loop_defer(item->loop, post);
}

static struct atl_loop *new_loop(void)
{
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    return loop;
}

static void init(struct item *items, int n, struct atl_loop *loop)
{
    for (int i = 0; i < n; i++)
        items[i] = (struct item){
            .post.fn = run_item, .loop = loop, .name = (char)('a' + i)};
}

TEST(deferred_work_runs_in_order_and_what_it_queues_next_turn)
{
    struct atl_loop *loop = new_loop();
    struct item items[4];
    init(items, 4, loop);
    items[0].next = &items[3];
    for (int i = 0; i < 3; i++)
        atl_loop_defer(loop, &items[i].post);
    atl_loop_defer(loop, &items[0].post); /* is queued already */
    CHECK(atl_loop_alive(loop));
    CHECK_EQ_INT(atl_loop_step(loop, ATL_NEVER), 1);
    CHECK_EQ_STR(order, "abc");
    CHECK_EQ_INT(atl_loop_step(loop, ATL_NEVER), 0);
    CHECK_EQ_STR(order, "abcd");
    atl_loop_free(&loop);
}

TEST(work_that_queues_itself_runs_once_a_turn)
{
    struct atl_loop *loop = new_loop();
    struct item item;
    init(&item, 1, loop);
    item.again = 3;
    atl_loop_defer(loop, &item.post);
    for (size_t turn = 1; turn <= 4; turn++) {
        CHECK_OK(atl_loop_step(loop, ATL_NEVER));
        CHECK_EQ_INT(strlen(order), turn);
    }
    CHECK(!atl_loop_alive(loop));
    atl_loop_free(&loop);
}

static struct item *victim;

static void take_back(struct atl_post *post)
{
    struct item *item = (struct item *)post;
    atl_loop_undefer(item->loop, &victim->post);
}

TEST(deferred_work_can_be_taken_back_also_while_the_queue_runs)
{
    struct atl_loop *loop = new_loop();
    struct item items[3];
    init(items, 3, loop);
    atl_loop_defer(loop, &items[0].post);
    atl_loop_undefer(loop, &items[0].post);
    atl_loop_undefer(loop, &items[0].post);
    CHECK(!atl_loop_alive(loop));
    items[0].post.fn = take_back;
    victim = &items[1];
    for (int i = 0; i < 3; i++)
        atl_loop_defer(loop, &items[i].post);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "c");
    atl_loop_free(&loop);
}

static void free_item(struct atl_post *post)
{
    order[0]++;
    free(post);
}

TEST(work_may_free_its_own_memory)
{
    struct atl_loop *loop = new_loop();
    for (int i = 0; i < 5; i++) {
        struct atl_post *post = calloc(1, sizeof(*post));
        post->fn = free_item;
        if (i % 2)
            atl_loop_post(loop, post);
        else
            atl_loop_defer(loop, post);
    }
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(order[0], 5);
    atl_loop_free(&loop);
}

TEST(what_is_queued_when_the_loop_ends_still_runs)
{
    struct atl_loop *loop = new_loop();
    struct item items[3];
    init(items, 3, loop);
    atl_loop_defer(loop, &items[0].post);
    atl_loop_post(loop, &items[1].post);
    items[1].next = &items[2];
    atl_loop_free(&loop);
    CHECK_EQ_STR(order, "abc");
}

/* --- other threads ------------------------------------------------------- */

enum { THREADS = 4, EACH = 20000 };

struct from_thread {
    struct atl_post post;
    int thread, number;
};

struct poster {
    pthread_t thread;
    struct atl_loop *loop;
    struct from_thread *posts;
    int id;
};

static int next_number[THREADS], ran;

static void in_turn(struct atl_post *post)
{
    struct from_thread *p = (struct from_thread *)post;
    CHECK_EQ_INT(p->number, next_number[p->thread]);
    next_number[p->thread]++;
    ran++;
}

static void *post_many(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < EACH; i++) {
        p->posts[i] = (struct from_thread){{.fn = in_turn}, p->id, i};
        atl_loop_post(p->loop, &p->posts[i].post);
    }
    return NULL;
}

static void from_four(struct atl_loop *loop)
{
    struct poster posters[THREADS];
    ran = 0;
    memset(next_number, 0, sizeof(next_number));
    for (int i = 0; i < THREADS; i++) {
        posters[i] =
            (struct poster){.loop = loop,
                            .posts = calloc(EACH, sizeof(struct from_thread)),
                            .id = i};
        CHECK_EQ_INT(
            pthread_create(&posters[i].thread, NULL, post_many, &posters[i]),
            0);
    }
    NET_UNTIL(loop, ran == THREADS * EACH);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        free(posters[i].posts);
    }
}

TEST(four_threads_post_and_everything_runs_in_their_order)
{
    net_each_backend(from_four);
}

/* The same post again and again: the last value must be seen. */
static struct {
    struct atl_post post;
    atomic_int sent;
    int seen, runs;
} news;

static void see(struct atl_post *post)
{
    (void)post;
    news.seen = atomic_load_explicit(&news.sent, memory_order_relaxed);
    news.runs++;
}

static void *tell_news(void *arg)
{
    for (int i = 1; i <= EACH; i++) {
        atomic_store_explicit(&news.sent, i, memory_order_relaxed);
        atl_loop_post(arg, &news.post);
    }
    return NULL;
}

TEST(a_post_queued_again_and_again_loses_no_news)
{
    struct atl_loop *loop = new_loop();
    pthread_t thread;
    news.post.fn = see;
    CHECK_EQ_INT(pthread_create(&thread, NULL, tell_news, loop), 0);
    NET_UNTIL(loop, news.seen == EACH);
    pthread_join(thread, NULL);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(news.seen, EACH);
    CHECK_RANGE(news.runs, 1, EACH);
    atl_loop_free(&loop);
}

static void *wake_later(void *arg)
{
    struct timespec t = {0, 50000000};
    nanosleep(&t, NULL);
    atl_loop_wake(arg);
    return NULL;
}

static void woken(struct atl_loop *loop)
{
    pthread_t thread;
    CHECK_EQ_INT(pthread_create(&thread, NULL, wake_later, loop), 0);
    CHECK_OK(atl_loop_step(loop, 0)); /* interest is told */
    int64_t start = atl_loop_clock(loop);
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK(atl_loop_clock(loop) - start < 5 * ATL_SECOND);
    pthread_join(thread, NULL);
}

TEST(another_thread_ends_the_wait)
{
    net_each_backend(woken);
}
