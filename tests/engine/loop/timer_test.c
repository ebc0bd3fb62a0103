/* SPDX-License-Identifier: MIT */
/* Timers: when they fire, in which order, and what they may do meanwhile. */
#include "check.h"
#include "faults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS ATL_MILLISECOND

/* A clock the test moves, and waits that only move it. */
static int64_t clock_ns;
static struct atl_os_calls calls;
static struct atl_os os = {&calls, NULL};

static int64_t fake_now(void *self)
{
    (void)self;
    return clock_ns;
}

static int64_t waited;

static int fake_poll(void *self, struct pollfd *fds, size_t n, int64_t wait_ns)
{
    (void)self;
    waited = wait_ns;
    int r = atl__os_real.calls->poll(NULL, fds, n, 0);
    if (r == 0 && wait_ns != ATL_NEVER)
        clock_ns += wait_ns;
    return r;
}

static struct atl_loop *on_fake_clock(void)
{
    struct atl_loop_options o = {.backend = "poll", .os = &os};
    struct atl_loop *loop;
    calls = *atl__os_real.calls;
    calls.now = fake_now;
    calls.poll = fake_poll;
    clock_ns = 1000 * MS;
    CHECK_OK(atl_loop_new(&loop, &o, NULL));
    CHECK_OK(atl_loop_step(loop, 0));
    return loop;
}

static char order[64];

static void write_down(struct atl_timer *timer)
{
    size_t n = strlen(order);
    order[n] = *(const char *)timer->data;
    order[n + 1] = '\0';
}

static void named(struct atl_timer *timer, struct atl_loop *loop,
                  atl_timer_fn *fn, char name)
{
    static char names[128];
    names[(int)name] = name;
    atl_timer_init(timer, loop, fn, &names[(int)name]);
}

TEST(timers_fire_by_due_time_then_by_start)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t[5];
    static const int delays[] = {30, 10, 20, 10, -5};
    for (int i = 0; i < 5; i++) {
        named(&t[i], loop, write_down, "abcde"[i]);
        CHECK(!atl_timer_active(&t[i]));
        CHECK_OK(atl_timer_start(&t[i], delays[i] * MS, 0));
        CHECK(atl_timer_active(&t[i]));
    }
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "ebdca");
    CHECK_EQ_INT(clock_ns, 1030 * MS);
    for (int i = 0; i < 5; i++)
        CHECK(!atl_timer_active(&t[i]));
    atl_loop_free(&loop);
}

TEST(starting_a_started_timer_moves_it_behind_its_equals)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer a, b;
    named(&a, loop, write_down, 'a');
    named(&b, loop, write_down, 'b');
    CHECK_OK(atl_timer_start(&a, 10 * MS, 0));
    CHECK_OK(atl_timer_start(&b, 10 * MS, 0));
    CHECK_OK(atl_timer_start(&a, 10 * MS, 0));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "ba");
    atl_loop_free(&loop);
}

TEST(the_wait_is_exactly_until_the_nearest)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t;
    named(&t, loop, write_down, 't');
    CHECK_OK(atl_timer_start(&t, 1234567, 0));
    CHECK_OK(atl_loop_step(loop, 1000));
    CHECK_EQ_INT(waited, 1000);
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK_EQ_INT(waited, 1233567);
    CHECK_EQ_STR(order, "t");
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK_EQ_INT(waited, ATL_NEVER);
    atl_loop_free(&loop);
}

static void again_at_once(struct atl_timer *timer)
{
    write_down(timer);
    if (strlen(order) < 3)
        CHECK_OK(atl_timer_start(timer, 0, 0));
}

TEST(a_timer_started_again_in_its_callback_fires_next_turn)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t;
    named(&t, loop, again_at_once, 'x');
    CHECK_OK(atl_timer_start(&t, 0, 0));
    for (size_t turn = 1; turn <= 3; turn++) {
        CHECK_EQ_INT(strlen(order), turn - 1);
        CHECK_OK(atl_loop_step(loop, ATL_NEVER));
        CHECK_EQ_INT(waited, 0);
    }
    CHECK_EQ_STR(order, "xxx");
    atl_loop_free(&loop);
}

static struct atl_timer second;

static void start_second(struct atl_timer *timer)
{
    write_down(timer);
    CHECK_OK(atl_timer_start(&second, -MS, 0));
}

TEST(what_a_timer_starts_waits_for_the_next_turn)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t, u;
    named(&t, loop, start_second, '1');
    named(&u, loop, write_down, '2');
    named(&second, loop, write_down, '3');
    CHECK_OK(atl_timer_start(&t, MS, 0));
    CHECK_OK(atl_timer_start(&u, MS, 0));
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK_EQ_STR(order, "12");
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK_EQ_STR(order, "123");
    atl_loop_free(&loop);
}

TEST(repeats_stay_on_their_grid_and_count_what_they_missed)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t;
    named(&t, loop, write_down, 'r');
    CHECK_OK(atl_timer_start(&t, 5 * MS, 10 * MS));
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK_EQ_INT(clock_ns, 1005 * MS);
    CHECK_EQ_INT(t.due_ns, 1015 * MS);
    clock_ns = 1047 * MS; /* late: 1015, 1025, 1035 and 1045 have gone by */
    CHECK_OK(atl_loop_step(loop, 0));
    CHECK_EQ_STR(order, "rr");
    CHECK_EQ_INT(t.missed, 3);
    CHECK_EQ_INT(t.due_ns, 1055 * MS);
    clock_ns = 1055 * MS;
    CHECK_OK(atl_loop_step(loop, 0));
    CHECK_EQ_STR(order, "rrr");
    CHECK_EQ_INT(t.missed, 3);
    CHECK(atl_timer_active(&t));
    atl_timer_stop(&t);
    atl_timer_stop(&t);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    atl_loop_free(&loop);
}

static void stop_itself(struct atl_timer *timer)
{
    write_down(timer);
    if (strlen(order) == 3)
        atl_timer_stop(timer);
}

TEST(a_repeating_timer_may_stop_itself)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t;
    named(&t, loop, stop_itself, 's');
    CHECK_OK(atl_timer_start(&t, 0, MS));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "sss");
    atl_loop_free(&loop);
}

static void stop_second(struct atl_timer *timer)
{
    write_down(timer);
    atl_timer_stop(&second);
}

TEST(a_timer_stopped_by_another_does_not_fire)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t;
    named(&t, loop, stop_second, '1');
    named(&second, loop, write_down, '2');
    CHECK_OK(atl_timer_start(&t, MS, 0));
    CHECK_OK(atl_timer_start(&second, MS, MS));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "1");
    atl_loop_free(&loop);
}

static void free_itself(struct atl_timer *timer)
{
    write_down(timer);
    free(timer);
}

TEST(a_timer_that_fired_may_free_its_memory)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer *t = malloc(sizeof(*t));
    named(t, loop, free_itself, 'f');
    CHECK_OK(atl_timer_start(t, MS, 0));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "f");
    atl_loop_free(&loop);
}

TEST(never_is_never)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t, far;
    named(&t, loop, write_down, 'n');
    named(&far, loop, write_down, 'n');
    CHECK_OK(atl_timer_start(&t, MS, 0));
    CHECK_OK(atl_timer_start(&t, ATL_NEVER, 0)); /* stops it */
    CHECK(!atl_timer_active(&t));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_OK(atl_timer_start(&far, ATL_NEVER - 1, ATL_NEVER));
    CHECK_OK(atl_timer_start(&t, 0, ATL_NEVER));
    CHECK_OK(atl_loop_step(loop, MS));
    CHECK_OK(atl_loop_step(loop, MS));
    CHECK_EQ_STR(order, "n");
    atl_timer_stop(&t);
    atl_timer_stop(&far);
    atl_loop_free(&loop);
}

TEST(a_timer_need_not_keep_the_loop_alive)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t;
    named(&t, loop, write_down, 'k');
    atl_timer_keep_alive(&t, false);
    CHECK_OK(atl_timer_start(&t, MS, 0));
    CHECK(!atl_loop_alive(loop));
    atl_timer_keep_alive(&t, true);
    atl_timer_keep_alive(&t, true);
    CHECK(atl_loop_alive(loop));
    atl_timer_keep_alive(&t, false);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "");
    CHECK_OK(atl_loop_step(loop, ATL_NEVER)); /* it still fires */
    CHECK_EQ_STR(order, "k");
    CHECK(!atl_loop_alive(loop));
    atl_loop_free(&loop);
}

TEST(ending_the_loop_leaves_timers_stopped)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t[3];
    for (int i = 0; i < 3; i++) {
        named(&t[i], loop, write_down, 'x');
        CHECK_OK(atl_timer_start(&t[i], i, 0));
    }
    atl_loop_free(&loop);
    for (int i = 0; i < 3; i++)
        CHECK(!atl_timer_active(&t[i]));
    CHECK_EQ_STR(order, "");
}

TEST(without_memory_a_timer_stays_stopped)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer t;
    named(&t, loop, write_down, 'm');
    faults_memory(1, INT64_MAX);
    CHECK_CODE(atl_timer_start(&t, MS, 0), -ENOMEM);
    faults_memory_end();
    CHECK(!atl_timer_active(&t));
    CHECK(!atl_loop_alive(loop));
    CHECK_OK(atl_timer_start(&t, MS, 0));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "m");
    atl_loop_free(&loop);
}

enum { MILLION = 1000000 };
static int64_t last_due;
static int fired;

static void in_order(struct atl_timer *timer)
{
    CHECK(timer->due_ns >= last_due);
    last_due = timer->due_ns;
    fired++;
}

TEST(a_million_timers_fire_in_order_but_for_those_stopped)
{
    struct atl_loop *loop = on_fake_clock();
    struct atl_timer *t = malloc(MILLION * sizeof(*t));
    struct atl_stats stats;
    unsigned seed = 1;
    int stopped = 0;
    for (int i = 0; i < MILLION; i++) {
        atl_timer_init(&t[i], loop, in_order, NULL);
        CHECK_OK(atl_timer_start(&t[i], rand_r(&seed) % 1000 * MS, 0));
    }
    for (int i = 0; i < MILLION; i += 3) {
        if (i % 2) {
            atl_timer_stop(&t[i]);
            stopped++;
        } else {
            CHECK_OK(atl_timer_start(&t[i], rand_r(&seed) % 1000 * MS, 0));
        }
    }
    atl_loop_stats(loop, &stats);
    CHECK_EQ_INT(stats.timers, MILLION - stopped);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(fired, MILLION - stopped);
    atl_loop_stats(loop, &stats);
    CHECK_EQ_INT(stats.timers_fired, MILLION - stopped);
    CHECK_EQ_INT(stats.timers, 0);
    free(t);
    atl_loop_free(&loop);
}

static int64_t fired_at;

static void note_time(struct atl_timer *timer)
{
    fired_at = atl_loop_clock(timer->loop);
}

TEST(on_a_real_clock_no_timer_is_early_and_no_turn_is_wasted)
{
    for (const char *const *name = atl_backend_names(); *name; name++) {
        struct atl_loop_options o = {.backend = *name};
        struct atl_loop *loop;
        struct atl_timer t;
        struct atl_stats stats;
        CHECK_OK(atl_loop_new(&loop, &o, NULL));
        atl_timer_init(&t, loop, note_time, NULL);
        CHECK_OK(atl_loop_step(loop, 0));
        for (int i = 0; i < 10; i++) {
            int64_t delay = 150000 + i * 300001;
            int64_t start = atl_loop_clock(loop);
            CHECK_OK(atl_timer_start(&t, delay, 0));
            CHECK_EQ_INT(atl_loop_run(loop), 0);
            CHECK_RANGE(fired_at - start, delay,
                        delay + 100 * MS * check_scale());
        }
        atl_loop_stats(loop, &stats);
        CHECK_RANGE(stats.turns, 11, 14);
        atl_loop_free(&loop);
    }
}
