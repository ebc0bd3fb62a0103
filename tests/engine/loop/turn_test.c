/* SPDX-License-Identifier: MIT */
/* The phases of a turn, in the order that the public header promises. */
#include "faults.h"
#include "loop/private.h"
#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char order[64];

static void note(char c)
{
    size_t n = strlen(order);
    CHECK(n + 1 < sizeof(order));
    order[n] = c;
    order[n + 1] = '\0';
}

struct thing { /* an object that notes its end */
    struct atl_object object;
};

static void thing_close(struct atl_object *o)
{
    atl__object_close(o);
}

static void thing_closed(struct atl_object *o)
{
    (void)o;
    note('c');
}

static void thing_free(struct atl_object *o)
{
    note('f');
    free(o);
}

static const struct atl_object_kind thing_kind = {ATL_KIND_RESOLVE, thing_close,
                                                  thing_closed, thing_free};

static struct thing *new_thing(struct atl_loop *loop)
{
    struct thing *t = calloc(1, sizeof(*t));
    atl__object_init(&t->object, loop, &thing_kind, true);
    return t;
}

/* All of it, set off by one event. */
static struct {
    struct atl_io io;
    struct atl_loop *loop;
    struct atl_timer timer, later;
    struct atl_post post, flush;
    struct thing *thing;
} all;

static void flush_gather(void *owner)
{
    struct atl_gather *g = atl__loop_gather(all.loop);
    CHECK_EQ_PTR(owner, &all);
    g->owner = NULL;
    g->length = 0;
    note('g');
}

static void gather(void)
{
    struct atl_gather *g = atl__loop_gather(all.loop);
    CHECK(g->owner == NULL);
    g->owner = &all;
    g->flush = flush_gather;
}

static void on_timer(struct atl_timer *timer)
{
    (void)timer;
    note('t');
    gather();
}

static void on_later(struct atl_timer *timer)
{
    (void)timer;
    note('l');
}

static void on_post(struct atl_post *post)
{
    (void)post;
    note('p');
    gather();
}

static void on_flush(struct atl_post *post)
{
    (void)post;
    note('w');
}

static void on_event(struct atl_io *io, unsigned ready)
{
    char c;
    (void)ready;
    note('e');
    CHECK_EQ_INT(read(io->fd, &c, 1), 1);
    atl__loop_flush_later(all.loop, &all.flush);
    atl__object_close(&all.thing->object);
    atl_loop_defer(all.loop, &all.post);
    /* due now, but started after the turn read the clock */
    CHECK_OK(atl_timer_start(&all.later, 0, 0));
    gather();
}

static void one_turn(struct atl_loop *loop)
{
    int fds[2];
    order[0] = '\0';
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    memset(&all, 0, sizeof(all));
    all.loop = loop;
    all.post.fn = on_post;
    all.flush.fn = on_flush;
    all.thing = new_thing(loop);
    atl_timer_init(&all.timer, loop, on_timer, NULL);
    atl_timer_init(&all.later, loop, on_later, NULL);
    CHECK_OK(atl__io_open(&all.io, loop, fds[0], on_event, NULL));
    atl__io_want(&all.io, loop, ATL_IO_READ);
    CHECK_OK(atl_loop_step(loop, 0));
    CHECK_OK(atl_timer_start(&all.timer, 0, 0));
    CHECK_EQ_INT(write(fds[1], "x", 1), 1);
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    /* each unit of work ends with what it gathered */
    CHECK(strncmp(order, "egtgpgcwf", 9) == 0 ||
          strncmp(order, "egtlgpgcwf", 10) == 0);
    CHECK_OK(atl_loop_step(loop, ATL_NEVER));
    CHECK(strchr(order, 'l') != NULL);
    CHECK_EQ_INT(strlen(order), 10);
    atl__io_close(&all.io, loop);
    close(fds[1]);
}

TEST(a_turn_is_events_timers_work_closing_flushing_freeing)
{
    net_each_backend(one_turn);
}

static struct thing *other;

static void close_other(struct atl_post *post)
{
    (void)post;
    note('p');
    atl__object_close(&other->object);
}

static void closing_closes(struct atl_object *o)
{
    note('c');
    if (other != NULL) {
        atl__object_close(&other->object);
        other = NULL;
    }
    (void)o;
}

TEST(what_closing_closes_is_told_next_turn_without_waiting)
{
    static const struct atl_object_kind kind = {ATL_KIND_RESOLVE, thing_close,
                                                closing_closes, thing_free};
    struct atl_post post = {.fn = close_other};
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    struct thing *first = new_thing(loop);
    other = new_thing(loop);
    first->object.kind = &kind;
    atl__object_close(&first->object);
    CHECK_EQ_INT(atl_loop_step(loop, ATL_NEVER), 1);
    CHECK_EQ_STR(order, "cf");
    CHECK_EQ_INT(atl_loop_step(loop, ATL_NEVER), 0);
    CHECK_EQ_STR(order, "cfcf");
    other = new_thing(loop);
    atl_loop_defer(loop, &post);
    CHECK_EQ_INT(atl_loop_step(loop, ATL_NEVER), 0);
    CHECK_EQ_STR(order, "cfcfpcf");
    atl_loop_free(&loop);
}

static int flushes;

static void flush_again(struct atl_post *post)
{
    flushes++;
    if (flushes < 3)
        atl__loop_flush_later(all.loop, post);
}

TEST(what_flushing_flushes_is_for_the_next_turn)
{
    struct atl_post post = {.fn = flush_again};
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    all.loop = loop;
    atl__loop_flush_later(loop, &post);
    CHECK(atl_loop_alive(loop));
    for (int turn = 1; turn <= 3; turn++) {
        CHECK_EQ_INT(atl_loop_step(loop, ATL_NEVER), turn < 3);
        CHECK_EQ_INT(flushes, turn);
    }
    atl_loop_free(&loop);
}

static void step_inside(struct atl_post *post)
{
    int64_t timeout;
    CHECK_CODE(atl_loop_step(post->data, 0), -EBUSY);
    CHECK_CODE(atl_loop_run(post->data), -EBUSY);
    CHECK_CODE(atl_loop_prepare(post->data, &timeout), -EBUSY);
    note('x');
}

TEST(a_turn_inside_a_turn_is_refused)
{
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    struct atl_post post = {.fn = step_inside, .data = loop};
    atl_loop_defer(loop, &post);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_STR(order, "x");
    atl_loop_free(&loop);
}

TEST(a_step_that_finds_nothing_returns_at_once)
{
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    CHECK_EQ_INT(atl_loop_step(loop, -5), 0);
    int64_t start = atl_loop_clock(loop);
    for (int i = 0; i < 100; i++)
        CHECK_EQ_INT(atl_loop_step(loop, 0), 0);
    CHECK_RANGE(atl_loop_clock(loop) - start, 0,
                200 * ATL_MILLISECOND * check_scale());
    CHECK(atl_loop_now(loop) >= start);
    atl_loop_free(&loop);
}

TEST(an_error_of_waiting_ends_run_but_an_interruption_does_not)
{
    static const char *const plans[] = {"fail=epoll_wait:1:ENOMEM",
                                        "fail=poll:1:ENOMEM",
                                        "fail=select:1:ENOMEM"};
    for (int i = 0; atl_backend_names()[i] != NULL; i++) {
        struct faults f;
        struct atl_loop_options o = {.backend = atl_backend_names()[i],
                                     .os = &f.os};
        struct atl_loop *loop;
        struct atl_timer t;
        faults_init(&f);
        CHECK(faults_set(&f, plans[i]));
        CHECK_OK(atl_loop_new(&loop, &o, NULL));
        atl_timer_init(&t, loop, on_later, NULL);
        CHECK_OK(atl_timer_start(&t, 5 * ATL_MILLISECOND, 0));
        CHECK_CODE(atl_loop_run(loop), -ENOMEM);
        CHECK(faults_set(&f, "eintr=50"));
        CHECK_EQ_INT(atl_loop_run(loop), 0);
        CHECK_EQ_INT(strlen(order), i + 1);
        atl_loop_free(&loop);
    }
}
