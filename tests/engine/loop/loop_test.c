/* SPDX-License-Identifier: MIT */
/* The loop as a whole: made, run, stopped, driven by a host, ended. */
#include "faults.h"
#include "loop/loop.h"
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void count(struct atl_post *post)
{
    ++*(int *)post->data;
}

TEST(options_that_make_no_sense_are_refused_with_words)
{
    struct atl_loop_options o = {.backend = "kqueue"};
    struct atl_loop *loop = NULL;
    struct atl_error why;
    CHECK_CODE(atl_loop_new(&loop, &o, &why), -EINVAL);
    CHECK(strstr(why.text, "epoll, poll, select") != NULL);
    o = (struct atl_loop_options){.reserved = {0, 0, 0, 1}};
    CHECK_CODE(atl_loop_new(&loop, &o, &why), -EINVAL);
    CHECK(loop == NULL);
    atl_loop_free(&loop);
}

static char logged[400];

static void keep_log(void *ctx, enum atl_level level, const char *text)
{
    (void)ctx, (void)level;
    snprintf(logged, sizeof(logged), "%s", text);
}

TEST(without_epoll_the_best_is_poll)
{
    struct faults f;
    struct atl_loop_options o = {.os = &f.os};
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    CHECK_EQ_STR(atl_loop_backend(loop), "epoll");
    atl_loop_free(&loop);
    atl_log_set(keep_log, NULL);
    faults_init(&f);
    CHECK(faults_set(&f, "fail=epoll_create:1+:ENOSYS"));
    CHECK_OK(atl_loop_new(&loop, &o, NULL));
    CHECK_EQ_STR(atl_loop_backend(loop), "poll");
    CHECK(strstr(logged, "poll") != NULL);
    atl_loop_free(&loop);
    o.backend = "epoll";
    CHECK_CODE(atl_loop_new(&loop, &o, NULL), -ENOSYS);
    atl_log_set(NULL, NULL);
}

TEST(a_loop_that_cannot_be_made_leaves_nothing)
{
    static const char *const plans[] = {"fail=epoll_create:1:EMFILE",
                                        "fail=event_open:1:EMFILE"};
    struct faults f;
    struct atl_loop_options o = {.os = &f.os};
    struct atl_loop *loop = NULL;
    for (int i = 0; i < 2; i++) {
        struct atl_error why;
        faults_init(&f);
        CHECK(faults_set(&f, plans[i]));
        CHECK_CODE(atl_loop_new(&loop, &o, &why), -EMFILE);
        CHECK(why.text[0] != '\0');
        CHECK(loop == NULL);
    }
    for (const char *const *name = atl_backend_names(); *name; name++) {
        o = (struct atl_loop_options){.backend = *name};
        for (int64_t n = 1;; n++) {
            faults_memory(n, n + 1);
            int r = atl_loop_new(&loop, &o, NULL);
            int64_t asked = faults_memory_asked();
            faults_memory_end();
            if (r == 0)
                CHECK(asked < n);
            else
                CHECK_CODE(r, -ENOMEM);
            if (r == 0)
                break;
            CHECK_EQ_INT(atl_memory_used(), 0);
        }
        atl_loop_free(&loop);
    }
}

TEST(run_returns_when_nothing_is_left)
{
    struct atl_loop *loop;
    int ran = 0;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    struct atl_post post = {.fn = count, .data = &ran};
    atl_loop_defer(loop, &post);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(ran, 1);
    atl_loop_ref(loop);
    CHECK(atl_loop_alive(loop));
    CHECK_EQ_INT(atl_loop_step(loop, 0), 1);
    atl_loop_unref(loop);
    CHECK_EQ_INT(atl_loop_step(loop, 0), 0);
    atl_loop_free(&loop);
}

static void stop(struct atl_post *post)
{
    atl_loop_stop(post->data);
}

TEST(stop_ends_run_after_the_turn_or_before_the_first)
{
    struct atl_loop *loop;
    int ran = 0;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    struct atl_post last = {.fn = stop, .data = loop};
    struct atl_post beside = {.fn = count, .data = &ran};
    atl_loop_ref(loop);
    atl_loop_defer(loop, &last);
    atl_loop_defer(loop, &beside);
    CHECK_EQ_INT(atl_loop_run(loop), 1);
    CHECK_EQ_INT(ran, 1);
    atl_loop_stop(loop);
    atl_loop_defer(loop, &beside);
    CHECK_EQ_INT(atl_loop_run(loop), 1);
    CHECK_EQ_INT(ran, 1);
    atl_loop_unref(loop);
    CHECK_EQ_INT(atl_loop_run(loop), 0); /* stopping is over */
    CHECK_EQ_INT(ran, 2);
    atl_loop_free(&loop);
}

static struct atl_loop *signalled;

static void on_alarm(int number)
{
    (void)number;
    atl_loop_stop(signalled);
}

static void stopped_by_signal(struct atl_loop *loop)
{
    struct itimerval soon = {.it_value = {.tv_usec = 30000}};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    signalled = loop;
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
    atl_loop_ref(loop);
    CHECK_EQ_INT(atl_loop_run(loop), 1);
    atl_loop_unref(loop);
}

TEST(a_signal_handler_may_stop_the_loop)
{
    net_each_backend(stopped_by_signal);
}

static int closed;

static void on_close(struct atl_stream *s, const struct atl_error *why)
{
    (void)s, (void)why;
    closed++;
}

static const struct atl_stream_handlers handlers = {.on_close = on_close};

static void open_some(struct atl_loop *loop)
{
    struct atl_stream_setup setup = {&handlers, NULL, NULL, NULL};
    struct atl_stream *s[2];
    closed = 0;
    CHECK_OK(atl_stream_pair(s, loop, &setup, NULL));
}

static void free_inside(struct atl_post *post)
{
    struct atl_loop *loop = post->data;
    atl_loop_free(&loop);
    CHECK(loop == NULL);
    CHECK_EQ_INT(closed, 0); /* when the turn is over */
}

static void also(struct atl_post *post)
{
    struct atl_loop *loop = post->data;
    CHECK_CODE(atl_loop_step(loop, 0), -EBUSY);
    atl_loop_free(&loop); /* twice is fine */
}

TEST(a_loop_freed_in_a_callback_is_gone_when_the_turn_ends)
{
    for (int way = 0; way < 6; way++) {
        struct atl_loop_options o = {.backend = atl_backend_names()[way / 2]};
        struct atl_loop *loop;
        CHECK_OK(atl_loop_new(&loop, &o, NULL));
        struct atl_post post = {.fn = free_inside, .data = loop};
        struct atl_post more = {.fn = also, .data = loop};
        open_some(loop);
        atl_loop_defer(loop, &post);
        atl_loop_defer(loop, &more);
        int r = way % 2 ? atl_loop_run(loop) : atl_loop_step(loop, 0);
        CHECK_CODE(r, ATL_ECLOSED);
        CHECK_EQ_INT(closed, 2);
        CHECK_EQ_INT(atl_memory_used(), 0);
    }
}

TEST(a_loop_freed_while_it_flushes_is_gone_after_that)
{
    struct atl_loop *loop;
    int64_t timeout;
    for (int way = 0; way < 2; way++) {
        CHECK_OK(atl_loop_new(&loop, NULL, NULL));
        struct atl_post post = {.fn = free_inside, .data = loop};
        open_some(loop);
        atl__loop_flush_later(loop, &post);
        CHECK_CODE(way ? atl_loop_prepare(loop, &timeout) : atl_loop_run(loop),
                   ATL_ECLOSED);
        CHECK_EQ_INT(closed, 2);
    }
}

/* A host's own poll, as the header describes it. */
static int host_poll(struct atl_loop *loop)
{
    struct pollfd fds[16];
    size_t n = 1;
    int64_t timeout_ns;
    CHECK_OK(atl_loop_prepare(loop, &timeout_ns));
    fds[0] = (struct pollfd){.fd = atl_loop_fd(loop), .events = POLLIN};
    if (fds[0].fd < 0)
        n = atl_loop_pollfds(loop, fds, 16);
    CHECK(n <= 16);
    int64_t ms = 5000;
    if (timeout_ns < ms * ATL_MILLISECOND)
        ms = (timeout_ns + ATL_MILLISECOND - 1) / ATL_MILLISECOND;
    return poll(fds, n, (int)ms);
}

static int fired;

static void on_timer(struct atl_timer *timer)
{
    (void)timer;
    fired++;
}

static void host_driven(struct atl_loop *loop)
{
    struct net_record record = {0};
    struct atl_timer timer;
    int peer = net_local_pair(&record, loop, NULL), rounds = 0;
    fired = 0;
    atl_timer_init(&timer, loop, on_timer, NULL);
    CHECK_OK(atl_timer_start(&timer, 20 * ATL_MILLISECOND, 0));
    while (fired == 0 && rounds++ < 20) {
        CHECK_EQ_INT(host_poll(loop), 0);
        CHECK_OK(atl_loop_step(loop, 0));
    }
    CHECK_EQ_INT(fired, 1);
    CHECK_RANGE(rounds, 1, 4);
    net_send(peer, "hello", 5);
    CHECK_EQ_INT(host_poll(loop), 1);
    CHECK_OK(atl_loop_step(loop, 0));
    CHECK_EQ_INT(record.length, 5);
    /* the peer's end, also while its input is not read */
    atl_stream_hold(record.stream, ATL_HOLD_USER);
    CHECK_OK(atl_loop_step(loop, 0));
    close(peer);
    CHECK_EQ_INT(host_poll(loop), 1);
    atl_stream_abort(record.stream);
    NET_UNTIL(loop, record.closed);
    net_record_free(&record);
}

TEST(a_host_may_drive_the_loop_from_its_own_poll)
{
    net_each_backend(host_driven);
}

TEST(descriptors_to_poll_are_counted_even_without_room)
{
    struct atl_loop_options o = {.backend = "poll"};
    struct atl_loop *loop;
    struct pollfd one[1];
    int64_t timeout;
    CHECK_OK(atl_loop_new(&loop, &o, NULL));
    CHECK_EQ_INT(atl_loop_fd(loop), -1);
    CHECK_OK(atl_loop_prepare(loop, &timeout));
    CHECK_EQ_INT(timeout, ATL_NEVER);
    CHECK_EQ_INT(atl_loop_pollfds(loop, one, 0), 1);
    open_some(loop);
    CHECK_OK(atl_loop_prepare(loop, &timeout));
    CHECK_EQ_INT(atl_loop_pollfds(loop, one, 1), 3);
    CHECK(one[0].events & POLLIN);
    atl_loop_free(&loop);
}

TEST(two_loops_do_not_know_each_other)
{
    struct atl_loop *a, *b;
    int ran = 0;
    CHECK_OK(atl_loop_new(&a, NULL, NULL));
    CHECK_OK(atl_loop_new(&b, NULL, NULL));
    struct atl_post post = {.fn = count, .data = &ran};
    atl_loop_defer(a, &post);
    CHECK_EQ_INT(atl_loop_run(b), 0);
    CHECK_EQ_INT(ran, 0);
    atl_loop_free(&b);
    CHECK_EQ_INT(atl_loop_run(a), 0);
    CHECK_EQ_INT(ran, 1);
    atl_loop_free(&a);
}
