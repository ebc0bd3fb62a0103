/* SPDX-License-Identifier: MIT */
/* Counters, and the walk over what is open. */
#include "net.h"

#include <string.h>
#include <unistd.h>

static void nothing(struct atl_post *post)
{
    (void)post;
}

static void tick(struct atl_timer *timer)
{
    (void)timer;
}

static void on_signal(struct atl_signal *signal, int number)
{
    (void)signal, (void)number;
}

TEST(counters_count)
{
    struct atl_post post = {.fn = nothing};
    struct net_record record = {0};
    struct atl_stats s;
    struct atl_timer timer;
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    atl_loop_stats(loop, &s);
    CHECK_EQ_INT(s.turns + s.events + s.streams + s.files + s.timers, 0);
    CHECK_EQ_INT(s.memory, atl_memory_used());
    CHECK(s.memory > 0);
    int peer = net_local_pair(&record, loop, NULL);
    atl_timer_init(&timer, loop, tick, NULL);
    CHECK_OK(atl_timer_start(&timer, 0, ATL_SECOND));
    atl_loop_defer(loop, &post);
    net_send(peer, "abc", 3);
    NET_UNTIL(loop, record.length == 3);
    atl_loop_stats(loop, &s);
    CHECK_EQ_INT(s.streams, 1);
    CHECK_EQ_INT(s.files, 1);
    CHECK_EQ_INT(s.timers_fired, 1);
    CHECK(s.timers >= 1);
    CHECK_EQ_INT(s.bytes_in, 3);
    CHECK(s.posts_run >= 1 && s.events >= 1 && s.turns >= 1);
    close(peer);
    atl_stream_abort(record.stream);
    NET_UNTIL(loop, record.closed);
    atl_timer_stop(&timer);
    atl_loop_stats(loop, &s);
    CHECK_EQ_INT(s.streams + s.files + s.timers, 0);
    atl_loop_free(&loop);
    net_record_free(&record);
}

struct census {
    int of[ATL_KINDS], alive, stop_at;
};

static int walk(void *ctx, enum atl_kind kind, void *object, bool keeps_alive)
{
    struct census *c = ctx;
    CHECK(object != NULL);
    c->of[kind]++;
    c->alive += keeps_alive;
    return c->stop_at > 0 && --c->stop_at == 0 ? 77 : 0;
}

TEST(the_walk_visits_everything_once)
{
    struct census c = {{0}, 0, 0};
    struct net_record record = {0};
    struct net_server server = {0};
    struct atl_signal *signal;
    struct atl_timer timers[3];
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    CHECK_EQ_INT(atl_loop_visit(loop, walk, &c), 0);
    int peer = net_local_pair(&record, loop, NULL);
    net_server_open(&server, loop, NULL);
    CHECK_OK(atl_signal_open(&signal, loop, 10, on_signal, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        atl_timer_init(&timers[i], loop, tick, NULL);
        atl_timer_keep_alive(&timers[i], i > 0);
        CHECK_OK(atl_timer_start(&timers[i], ATL_SECOND, 0));
    }
    CHECK_EQ_INT(atl_loop_visit(loop, walk, &c), 0);
    CHECK_EQ_INT(c.of[ATL_KIND_STREAM], 1);
    CHECK_EQ_INT(c.of[ATL_KIND_LISTENER], 1);
    CHECK_EQ_INT(c.of[ATL_KIND_SIGNAL], 1);
    CHECK_EQ_INT(c.of[ATL_KIND_TIMER], 3);
    CHECK_EQ_INT(c.alive, 4);
    c = (struct census){{0}, 0, 2};
    CHECK_EQ_INT(atl_loop_visit(loop, walk, &c), 77);
    CHECK_EQ_INT(c.alive, 2);
    atl_loop_free(&loop);
    close(peer);
    net_record_free(&record);
}
