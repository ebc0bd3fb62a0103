/* SPDX-License-Identifier: MIT */
/* Watched descriptors: what the loop tells their owners, and the backend. */
#include "loop/loop.h"
#include "faults.h"
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct watch {
    struct atl_io io;
    struct atl_loop *loop;
    int peer;
    int calls, hangups, deaths;
    unsigned ready; /* all that was told */
    bool drain;     /* reads what is there */
    void (*then)(struct watch *w);
};

static void on_io(struct atl_io *io, unsigned ready)
{
    struct watch *w = (struct watch *)io; /* io comes first */
    char bytes[1000];
    w->calls++;
    w->ready |= ready;
    w->hangups += (ready & ATL_IO_HANGUP) != 0;
    w->deaths += (ready & ATL_IO_DEAD) != 0;
    if (w->drain && (ready & ATL_IO_READ))
        while (read(w->io.fd, bytes, sizeof(bytes)) > 0)
            continue;
    if (w->then != NULL)
        w->then(w);
}

static void watch_pair(struct watch *w, struct atl_loop *loop, unsigned want)
{
    int fds[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    *w = (struct watch){.loop = loop, .peer = fds[1], .drain = true};
    CHECK_OK(atl__io_open(&w->io, loop, fds[0], on_io, NULL));
    atl__io_want(&w->io, loop, want);
}

static void end(struct watch *w)
{
    atl__io_close(&w->io, w->loop);
    close(w->peer);
}

static void put(int fd)
{
    CHECK_EQ_INT(write(fd, "x", 1), 1);
}

static void turns(struct atl_loop *loop, int n)
{
    while (n-- > 0)
        CHECK_OK(atl_loop_step(loop, 0));
}

static void told_and_closed(struct atl_loop *loop)
{
    struct watch w;
    watch_pair(&w, loop, ATL_IO_READ);
    turns(loop, 2);
    CHECK_EQ_INT(w.calls, 0);
    put(w.peer);
    NET_UNTIL(loop, w.calls > 0);
    CHECK_EQ_INT(w.ready, ATL_IO_READ);
    turns(loop, 3);
    CHECK_EQ_INT(w.calls, 1);
    atl__io_want(&w.io, loop, 0);
    put(w.peer);
    turns(loop, 3);
    CHECK_EQ_INT(w.calls, 1);
    atl__io_want(&w.io, loop, ATL_IO_WRITE);
    NET_UNTIL(loop, w.ready & ATL_IO_WRITE);
    int fd = w.io.fd;
    end(&w);
    CHECK_EQ_INT(fcntl(fd, F_GETFD), -1);
    CHECK_EQ_INT(w.io.fd, -1);
    atl__io_close(&w.io, loop); /* twice is fine */
    atl__io_want(&w.io, loop, ATL_IO_READ);
    turns(loop, 2);
}

TEST(owners_are_told_what_they_want_to_know)
{
    net_each_backend(told_and_closed);
}

static void hangup_once(struct atl_loop *loop)
{
    struct watch w;
    watch_pair(&w, loop, ATL_IO_HANGUP);
    put(w.peer);
    turns(loop, 3);
    CHECK_EQ_INT(w.calls, 0);
    CHECK_OK(shutdown(w.peer, SHUT_WR));
    NET_UNTIL(loop, w.hangups > 0);
    CHECK_EQ_INT(w.io.want, 0);
    int calls = w.calls;
    for (int i = 0; i < 30; i++)
        CHECK_OK(atl_loop_step(loop, 5 * ATL_MILLISECOND));
    CHECK_EQ_INT(w.calls, calls);
    end(&w);
}

TEST(a_hangup_is_told_once)
{
    net_each_backend(hangup_once);
}

static void unread_reset(struct atl_loop *loop)
{
    struct atl_stats before, after;
    struct watch w;
    watch_pair(&w, loop, ATL_IO_HANGUP);
    turns(loop, 1);
    put(w.io.fd);
    close(w.peer); /* resets, since something is unread */
    NET_UNTIL(loop, w.deaths > 0);
    atl_loop_stats(loop, &before);
    for (int i = 0; i < 20; i++)
        CHECK_OK(atl_loop_step(loop, 5 * ATL_MILLISECOND));
    atl_loop_stats(loop, &after);
    CHECK_RANGE(after.events - before.events, 0, 1);
    atl__io_close(&w.io, loop);
}

TEST(an_unread_reset_does_not_wake_the_loop_again_and_again)
{
    net_each_backend(unread_reset);
}

static struct watch crowd[10];
static int closed_by_others;

/* The first one told closes all others, and takes their numbers for new. */
static void close_others(struct watch *w)
{
    for (int i = 0; i < 10; i++) {
        struct watch *other = &crowd[i];
        if (other == w || other->io.token == 0)
            continue;
        int fd = other->io.fd, peer = other->peer;
        atl__io_close(&other->io, other->loop);
        close(peer);
        closed_by_others++;
        watch_pair(other, w->loop, ATL_IO_READ);
        CHECK(other->io.fd == fd || other->peer == fd || other->io.fd == peer ||
              other->peer == peer);
    }
}

static void same_batch(struct atl_loop *loop)
{
    struct atl_stats stats;
    for (int i = 0; i < 10; i++) {
        watch_pair(&crowd[i], loop, ATL_IO_READ);
        crowd[i].then = close_others;
    }
    turns(loop, 1);
    closed_by_others = 0;
    for (int i = 0; i < 10; i++)
        put(crowd[i].peer);
    turns(loop, 1);
    CHECK_EQ_INT(closed_by_others, 9);
    turns(loop, 3);
    int calls = 0;
    for (int i = 0; i < 10; i++)
        calls += crowd[i].calls;
    CHECK_EQ_INT(calls, 1);
    atl_loop_stats(loop, &stats);
    CHECK_EQ_INT(stats.stale_events, 9);
    CHECK_EQ_INT(stats.files, 10);
    for (int i = 0; i < 10; i++)
        end(&crowd[i]);
}

TEST(events_of_what_was_closed_in_the_same_batch_find_nobody)
{
    net_each_backend(same_batch);
}

static void want_nothing(struct watch *w)
{
    for (int i = 0; i < 2; i++)
        if (&crowd[i] != w)
            atl__io_want(&crowd[i].io, w->loop, 0);
}

static void changed_its_mind(struct atl_loop *loop)
{
    for (int i = 0; i < 2; i++) {
        watch_pair(&crowd[i], loop, ATL_IO_READ);
        crowd[i].then = want_nothing;
        put(crowd[i].io.fd);
    }
    turns(loop, 1);
    for (int i = 0; i < 2; i++)
        close(crowd[i].peer); /* both die */
    turns(loop, 5);
    CHECK((crowd[0].calls > 0) != (crowd[1].calls > 0));
    for (int i = 0; i < 2; i++)
        atl__io_close(&crowd[i].io, loop);
}

TEST(who_wants_nothing_any_more_is_told_nothing)
{
    net_each_backend(changed_its_mind);
}

static void change_often(struct watch *w)
{
    for (int i = 0; i < 10; i++) {
        atl__io_want(&w->io, w->loop, ATL_IO_READ | ATL_IO_WRITE);
        atl__io_want(&w->io, w->loop, ATL_IO_READ);
    }
    if (w->calls == 2)
        atl__io_want(&w->io, w->loop, ATL_IO_WRITE);
}

TEST(the_backend_hears_of_a_change_once_a_turn_if_at_all)
{
    struct faults f;
    struct atl_loop_options o = {.backend = "epoll", .os = &f.os};
    struct atl_loop *loop;
    struct watch w;
    faults_init(&f);
    CHECK_OK(atl_loop_new(&loop, &o, NULL));
    turns(loop, 1);
    uint64_t start = faults_calls(&f, "epoll_ctl");
    watch_pair(&w, loop, ATL_IO_READ);
    w.then = change_often;
    turns(loop, 1);
    CHECK_EQ_INT(faults_calls(&f, "epoll_ctl") - start, 1);
    put(w.peer);
    turns(loop, 2);
    CHECK_EQ_INT(w.calls, 1);
    CHECK_EQ_INT(faults_calls(&f, "epoll_ctl") - start, 1);
    put(w.peer);
    turns(loop, 1);
    CHECK_EQ_INT(w.calls, 2);
    CHECK_EQ_INT(faults_calls(&f, "epoll_ctl") - start, 2);
    end(&w);
    atl_loop_free(&loop);
}

static void give_up(struct watch *w)
{
    atl__io_close(&w->io, w->loop);
}

TEST(an_owner_learns_that_its_descriptor_cannot_be_watched)
{
    struct faults f;
    struct atl_loop_options o = {.backend = "epoll", .os = &f.os};
    struct atl_loop *loop;
    struct watch w, other;
    faults_init(&f);
    CHECK_OK(atl_loop_new(&loop, &o, NULL));
    turns(loop, 1);
    CHECK(faults_set(&f, "fail=epoll_ctl:1:ENOMEM,fail=epoll_ctl:2:EBADF"));
    watch_pair(&w, loop, ATL_IO_READ);
    watch_pair(&other, loop, ATL_IO_READ);
    w.then = give_up;
    turns(loop, 1);
    CHECK_EQ_INT(w.deaths, 1);
    CHECK_EQ_INT(other.deaths, 1);
    /* it is tried again when the owner wants it again */
    atl__io_want(&other.io, loop, ATL_IO_READ | ATL_IO_HANGUP);
    put(other.peer);
    NET_UNTIL(loop, other.ready & ATL_IO_READ);
    CHECK_EQ_INT(other.deaths, 1);
    close(w.peer);
    end(&other);
    atl_loop_free(&loop);
}

static void regular_file(struct atl_loop *loop)
{
    struct watch w = {.loop = loop};
    char path[] = "/tmp/atools-test-XXXXXX";
    int fd = mkstemp(path);
    CHECK_OK(fd);
    unlink(path);
    CHECK_OK(atl__io_open(&w.io, loop, fd, on_io, NULL));
    atl__io_want(&w.io, loop, ATL_IO_READ);
    turns(loop, 1);
    for (int i = 0; i < 5; i++) {
        int calls = w.calls;
        CHECK_OK(atl_loop_step(loop, ATL_NEVER)); /* does not wait */
        CHECK_EQ_INT(w.calls, calls + 1);
    }
    CHECK_EQ_INT(w.ready, ATL_IO_READ);
    atl__io_want(&w.io, loop, 0);
    turns(loop, 1);
    int calls = w.calls;
    turns(loop, 3);
    CHECK_EQ_INT(w.calls, calls);
    atl__io_want(&w.io, loop, ATL_IO_READ);
    turns(loop, 2);
    CHECK(w.calls > calls);
    w.then = give_up;
    turns(loop, 2);
    CHECK_EQ_INT(w.io.token, 0);
    turns(loop, 2);
}

TEST(a_regular_file_is_ready_each_turn)
{
    net_each_backend(regular_file);
}

static void released(struct atl_loop *loop)
{
    struct watch w;
    watch_pair(&w, loop, ATL_IO_READ);
    turns(loop, 1);
    int fd = w.io.fd;
    put(w.peer);
    CHECK_EQ_INT(atl__io_release(&w.io, loop), fd);
    turns(loop, 2);
    CHECK_EQ_INT(w.calls, 0);
    CHECK(fcntl(fd, F_GETFD) != -1);
    /* and watched anew, by somebody else */
    CHECK_OK(atl__io_open(&w.io, loop, fd, on_io, NULL));
    atl__io_want(&w.io, loop, ATL_IO_READ);
    NET_UNTIL(loop, w.calls == 1);
    end(&w);
}

TEST(a_released_descriptor_is_the_callers_again)
{
    net_each_backend(released);
}

static void too_high(struct atl_loop *loop)
{
    struct rlimit r = {4096, 4096};
    struct atl_error why;
    struct watch w = {.loop = loop, .drain = true};
    int fds[2], high = FD_SETSIZE + 10;
    if (setrlimit(RLIMIT_NOFILE, &r) == -1)
        CHECK_SKIP("needs 4096 descriptors");
    CHECK_OK(pipe(fds));
    CHECK_EQ_INT(dup2(fds[0], high), high);
    int result = atl__io_open(&w.io, loop, high, on_io, &why);
    if (strcmp(atl_loop_backend(loop), "select") == 0) {
        CHECK_CODE(result, -EMFILE);
        CHECK(strstr(why.text, "poll or epoll") != NULL);
        CHECK_EQ_INT(atl_loop_max_files(loop), FD_SETSIZE);
        close(high);
    } else {
        CHECK_OK(result);
        CHECK_EQ_INT(atl_loop_max_files(loop), 4096);
        fcntl(high, F_SETFL, O_NONBLOCK);
        atl__io_want(&w.io, loop, ATL_IO_READ);
        put(fds[1]);
        NET_UNTIL(loop, w.calls == 1);
        atl__io_close(&w.io, loop);
    }
    close(fds[0]);
    close(fds[1]);
}

TEST(descriptors_too_high_for_select_are_refused_with_the_remedy)
{
    net_each_backend(too_high);
}

static void many(struct atl_loop *loop)
{
    static struct watch w[300];
    unsigned seed = 11;
    int expected = 0, calls = 0;
    for (int i = 0; i < 300; i++)
        watch_pair(&w[i], loop, ATL_IO_READ);
    for (int turn = 0; turn < 100; turn++) {
        for (int k = 0; k < 10; k++) {
            int i = rand_r(&seed) % 300;
            calls += w[i].calls;
            end(&w[i]);
            watch_pair(&w[i], loop, ATL_IO_READ);
        }
        turns(loop, 1);
        put(w[rand_r(&seed) % 300].peer);
        expected++;
        turns(loop, 1);
    }
    for (int i = 0; i < 300; i++) {
        calls += w[i].calls;
        end(&w[i]);
    }
    CHECK_EQ_INT(calls, expected);
}

TEST(many_descriptors_come_and_go)
{
    net_each_backend(many);
}
