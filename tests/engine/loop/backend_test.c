/* SPDX-License-Identifier: MIT */
/*
 * What every backend has to do: one set of cases, run on each. They talk to
 * the backend itself; what the loop makes of it is tested in io_test.c.
 */
#include "loop/backend.h"
#include "check.h"
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define MS ATL_MILLISECOND

static struct rig {
    const struct atl_backend *b;
    struct atl_backend_self *self;
    struct faults faults;
    struct atl_ready out[64];
    int n; /* how many the last wait told */
} rig;

static bool named(const char *name)
{
    return strcmp(rig.b->name, name) == 0;
}

/* Runs `body` with a fresh one of each. */
static void each(void (*body)(void))
{
    for (const char *const *name = atl_backend_names(); *name; name++) {
        fprintf(stderr, "backend %s\n", *name);
        CHECK_OK(atl__backend_find(&rig.b, *name, NULL));
        rig.self = calloc(1, rig.b->size);
        faults_init(&rig.faults);
        rig.self->os = &rig.faults.os;
        CHECK_OK(rig.b->init(rig.self, NULL));
        body();
        rig.b->fini(rig.self);
        CHECK_EQ_INT(atl_memory_used(), 0);
        free(rig.self);
    }
}

static void set(int fd, unsigned from, unsigned to)
{
    CHECK_OK(rig.b->set(rig.self, fd, from, to, 1000 + (uint64_t)fd));
}

static int64_t now(void)
{
    return atl__os_real.calls->now(NULL);
}

/* Waits; returns how long that took. */
static int64_t wait_for(int64_t wait_ns)
{
    int64_t start = now();
    rig.n = rig.b->wait(rig.self, rig.out, 64, wait_ns);
    return now() - start;
}

/* What the last wait told of a descriptor, 0: nothing. */
static unsigned told(int fd)
{
    unsigned ready = 0;
    for (int i = 0; i < rig.n; i++)
        if (rig.out[i].token == 1000 + (uint64_t)fd)
            ready |= rig.out[i].ready;
    return ready;
}

/* Waits until something is told of fd or a second is over. */
static unsigned await(int fd)
{
    int64_t end = now() + ATL_SECOND * check_scale();
    do
        wait_for(50 * MS);
    while (told(fd) == 0 && now() < end);
    return told(fd);
}

static void pair(int fds[2])
{
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
}

static void put(int fd)
{
    CHECK_EQ_INT(write(fd, "x", 1), 1);
}

static void input_again_and_again(void)
{
    int a[2], b[2];
    char c;
    pair(a);
    pair(b);
    set(a[0], 0, ATL_IO_READ);
    set(b[0], 0, ATL_IO_READ);
    wait_for(0);
    CHECK_EQ_INT(rig.n, 0);
    put(a[1]);
    for (int i = 0; i < 3; i++) {
        wait_for(ATL_NEVER);
        CHECK_EQ_INT(rig.n, 1);
        CHECK_EQ_INT(told(a[0]), ATL_IO_READ);
    }
    put(b[1]);
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(rig.n, 2);
    CHECK_EQ_INT(read(a[0], &c, 1), 1);
    wait_for(0);
    CHECK_EQ_INT(rig.n, 1);
    CHECK_EQ_INT(told(b[0]), ATL_IO_READ);
    set(a[0], ATL_IO_READ, 0);
    set(b[0], ATL_IO_READ, 0);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

TEST(input_is_told_as_long_as_it_is_there)
{
    each(input_again_and_again);
}

static void changing(void)
{
    int a[2];
    pair(a);
    set(a[0], 0, ATL_IO_WRITE);
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(told(a[0]), ATL_IO_WRITE);
    put(a[1]);
    set(a[0], ATL_IO_WRITE, ATL_IO_WRITE | ATL_IO_READ);
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(rig.n, 1);
    CHECK_EQ_INT(told(a[0]), ATL_IO_WRITE | ATL_IO_READ);
    set(a[0], ATL_IO_WRITE | ATL_IO_READ, ATL_IO_READ);
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(told(a[0]), ATL_IO_READ);
    set(a[0], ATL_IO_READ, 0);
    wait_for(0);
    CHECK_EQ_INT(rig.n, 0);
    /* and under another token */
    CHECK_OK(rig.b->set(rig.self, a[0], 0, ATL_IO_READ, 7));
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(rig.out[0].token, 7);
    set(a[0], ATL_IO_READ, 0);
    close(a[0]);
    close(a[1]);
}

TEST(interest_can_be_changed_and_taken_back)
{
    each(changing);
}

static void full(void)
{
    static char bytes[100000];
    int a[2];
    pair(a);
    while (write(a[0], bytes, sizeof(bytes)) > 0)
        continue;
    set(a[0], 0, ATL_IO_WRITE);
    wait_for(0);
    CHECK_EQ_INT(rig.n, 0);
    while (read(a[1], bytes, sizeof(bytes)) > 0)
        continue;
    CHECK_EQ_INT(await(a[0]), ATL_IO_WRITE);
    set(a[0], ATL_IO_WRITE, 0);
    close(a[0]);
    close(a[1]);
}

TEST(room_for_output_is_told_when_there_is_some)
{
    each(full);
}

static void hangup_only(void)
{
    int a[2];
    pair(a);
    set(a[0], 0, ATL_IO_HANGUP);
    put(a[1]); /* input is not wanted */
    wait_for(0);
    CHECK_EQ_INT(rig.n, 0);
    CHECK_OK(shutdown(a[1], SHUT_WR));
    CHECK_EQ_INT(await(a[0]), ATL_IO_HANGUP);
    set(a[0], ATL_IO_HANGUP, 0);
    wait_for(0);
    CHECK_EQ_INT(rig.n, 0);
    close(a[0]);
    close(a[1]);
}

TEST(the_peers_end_is_told_to_who_does_not_read)
{
    each(hangup_only);
}

static void hangup_beside_output(void)
{
    static char bytes[100000];
    int a[2];
    pair(a);
    while (write(a[0], bytes, sizeof(bytes)) > 0)
        continue;
    set(a[0], 0, ATL_IO_HANGUP | ATL_IO_WRITE);
    wait_for(0);
    CHECK_EQ_INT(rig.n, 0);
    CHECK_OK(shutdown(a[1], SHUT_WR));
    CHECK(await(a[0]) & ATL_IO_HANGUP);
    set(a[0], ATL_IO_HANGUP | ATL_IO_WRITE, 0);
    close(a[0]);
    close(a[1]);
}

TEST(the_peers_end_is_told_to_who_only_writes)
{
    each(hangup_beside_output);
}

static void death(void)
{
    static const unsigned wants[] = {ATL_IO_HANGUP, ATL_IO_READ, ATL_IO_WRITE,
                                     ATL_IO_READ | ATL_IO_HANGUP};
    for (int i = 0; i < 4; i++) {
        int a[2];
        pair(a);
        set(a[0], 0, wants[i]);
        put(a[0]); /* unread: the peer's close becomes a reset */
        close(a[1]);
        unsigned ready = await(a[0]);
        CHECK(ready & (ATL_IO_DEAD | wants[i]));
        CHECK(named("select") || (ready & ATL_IO_DEAD));
        if (wants[i] == ATL_IO_HANGUP)
            CHECK(ready & ATL_IO_DEAD);
        set(a[0], wants[i], 0);
        wait_for(0);
        CHECK_EQ_INT(rig.n, 0);
        close(a[0]);
    }
}

TEST(a_dead_connection_is_told_whatever_was_wanted)
{
    each(death);
}

static void durations(void)
{
    static const int64_t waits[] = {0, 1, 300000, 1000001, 2500000, 20 * MS};
    int a[2];
    pair(a);
    set(a[0], 0, ATL_IO_READ);
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        int64_t took = wait_for(waits[i]);
        CHECK_EQ_INT(rig.n, 0);
        CHECK_RANGE(took, waits[i], waits[i] + 100 * MS * check_scale());
    }
    set(a[0], ATL_IO_READ, ATL_IO_HANGUP);
    CHECK(wait_for(20 * MS) >= (named("select") ? 0 : 20 * MS));
    set(a[0], ATL_IO_HANGUP, 0);
    close(a[0]);
    close(a[1]);
}

TEST(waits_last_as_long_as_asked_and_never_less)
{
    each(durations);
}

static void *put_later(void *arg)
{
    usleep(150000);
    put(*(int *)arg);
    return NULL;
}

static void for_ever(void)
{
    pthread_t thread;
    int a[2];
    pair(a);
    set(a[0], 0, ATL_IO_READ);
    CHECK_EQ_INT(pthread_create(&thread, NULL, put_later, &a[1]), 0);
    CHECK(wait_for(ATL_NEVER) >= 100 * MS);
    CHECK_EQ_INT(told(a[0]), ATL_IO_READ);
    pthread_join(thread, NULL);
    set(a[0], ATL_IO_READ, 0);
    close(a[0]);
    close(a[1]);
}

TEST(a_wait_without_limit_ends_with_the_first_event)
{
    each(for_ever);
}

static void on_alarm(int number)
{
    (void)number;
}

static void signalled(void)
{
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    struct sigaction action = {.sa_handler = on_alarm};
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(rig.n, 0);
}

TEST(a_signal_ends_the_wait_without_an_event)
{
    each(signalled);
}

static void failing(void)
{
    char plan[64];
    snprintf(plan, sizeof(plan), "fail=%s:1:ENOMEM",
             named("epoll") ? "epoll_wait" : rig.b->name);
    CHECK(faults_set(&rig.faults, plan));
    wait_for(0);
    CHECK_CODE(rig.n, -ENOMEM);
    wait_for(0);
    CHECK_EQ_INT(rig.n, 0);
}

TEST(an_error_of_the_wait_is_told)
{
    each(failing);
}

static void crowd(void)
{
    enum { MANY = 200 };
    static int fds[MANY][2];
    static bool seen[MANY];
    int missing = MANY;
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < MANY; i++) {
        pair(fds[i]);
        put(fds[i][1]);
        set(fds[i][0], 0, ATL_IO_READ);
    }
    /* ten rooms for two hundred, all of them always ready */
    for (int turn = 0; turn < 3 * MANY / 10 && missing > 0; turn++) {
        int n = rig.b->wait(rig.self, rig.out, 10, ATL_NEVER);
        CHECK_EQ_INT(n, 10);
        rig.n = n;
        for (int i = 0; i < MANY; i++) {
            if (told(fds[i][0]) && !seen[i]) {
                seen[i] = true;
                missing--;
            }
        }
    }
    CHECK_EQ_INT(missing, 0);
    for (int i = 0; i < MANY; i++) {
        set(fds[i][0], ATL_IO_READ, 0);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

TEST(nobody_starves_in_a_crowd)
{
    each(crowd);
}

static void shuffled(void)
{
    enum { MANY = 150 };
    static int fds[MANY][2];
    static unsigned want[MANY];
    unsigned seed = 5;
    memset(want, 0, sizeof(want));
    for (int i = 0; i < MANY; i++)
        pair(fds[i]);
    for (int turn = 0; turn < 200; turn++) {
        for (int k = 0; k < 20; k++) {
            int i = rand_r(&seed) % MANY;
            unsigned to = (unsigned)rand_r(&seed) % 4;
            if (to == want[i])
                continue;
            set(fds[i][0], want[i], to);
            want[i] = to;
        }
        int i = rand_r(&seed) % MANY;
        char c;
        put(fds[i][1]);
        for (int tries = 0; tries < 20; tries++) {
            wait_for(0);
            if (told(fds[i][0]) == want[i])
                break; /* others may fill the room first */
        }
        CHECK_EQ_INT(told(fds[i][0]), want[i]);
        for (int k = 0; k < MANY; k++)
            CHECK_EQ_INT(told(fds[k][0]) & ~want[k], 0);
        CHECK_EQ_INT(read(fds[i][0], &c, 1), 1);
    }
    for (int i = 0; i < MANY; i++) {
        if (want[i] != 0)
            set(fds[i][0], want[i], 0);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

TEST(any_order_of_coming_and_going_is_kept_straight)
{
    each(shuffled);
}

static void reused(void)
{
    int a[2], b[2];
    pair(a);
    pair(b);
    CHECK_OK(rig.b->set(rig.self, a[0], 0, ATL_IO_READ, 1));
    put(a[1]);
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(rig.out[0].token, 1);
    CHECK_OK(rig.b->set(rig.self, a[0], ATL_IO_READ, 0, 1));
    CHECK_EQ_INT(dup2(b[0], a[0]), a[0]); /* the number has a new meaning */
    CHECK_OK(rig.b->set(rig.self, a[0], 0, ATL_IO_READ, 2));
    wait_for(0);
    CHECK_EQ_INT(rig.n, 0);
    put(b[1]);
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(rig.n, 1);
    CHECK_EQ_INT(rig.out[0].token, 2);
    CHECK_OK(rig.b->set(rig.self, a[0], ATL_IO_READ, 0, 2));
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

TEST(a_number_used_again_is_told_under_its_new_token)
{
    each(reused);
}

static void gone(void)
{
    int a[2], b[2];
    pair(a);
    pair(b);
    set(a[0], 0, ATL_IO_READ);
    set(b[0], 0, ATL_IO_READ);
    close(a[0]); /* behind the backend's back */
    put(b[1]);
    wait_for(ATL_NEVER);
    if (!named("epoll")) { /* which forgets it by itself */
        CHECK(told(a[0]) & ATL_IO_DEAD);
        set(a[0], ATL_IO_READ, 0);
        wait_for(ATL_NEVER);
    }
    CHECK_EQ_INT(told(b[0]), ATL_IO_READ);
    set(b[0], ATL_IO_READ, 0);
    close(a[1]);
    close(b[0]);
    close(b[1]);
}

TEST(one_bad_descriptor_does_not_stop_the_others)
{
    each(gone);
}

static void no_memory(void)
{
    int a[2];
    pair(a);
    faults_memory(1, INT64_MAX);
    int r = rig.b->set(rig.self, a[0], 0, ATL_IO_READ, 9);
    faults_memory_end();
    if (named("poll"))
        CHECK_CODE(r, -ENOMEM);
    else
        CHECK_OK(r);
    if (r < 0)
        CHECK_OK(rig.b->set(rig.self, a[0], 0, ATL_IO_READ, 9));
    put(a[1]);
    wait_for(ATL_NEVER);
    CHECK_EQ_INT(rig.n, 1);
    CHECK_OK(rig.b->set(rig.self, a[0], ATL_IO_READ, 0, 9));
    close(a[0]);
    close(a[1]);
}

TEST(without_memory_nothing_is_half_done)
{
    each(no_memory);
}

TEST(select_looks_for_ends_every_tenth_of_a_second)
{
    int a[2];
    CHECK_OK(atl__backend_find(&rig.b, "select", NULL));
    rig.self = calloc(1, rig.b->size);
    faults_init(&rig.faults);
    rig.self->os = &rig.faults.os;
    CHECK_OK(rig.b->init(rig.self, NULL));
    pair(a);
    set(a[0], 0, ATL_IO_HANGUP);
    for (int i = 0; i < 20; i++)
        wait_for(0);
    CHECK_EQ_INT(faults_calls(&rig.faults, "poll"), 1);
    /* a wait without limit is cut at the time of the next look */
    CHECK_RANGE(wait_for(ATL_NEVER), 1, 100 * MS * (1 + check_scale()));
    close(a[1]);
    CHECK(await(a[0]) & ATL_IO_DEAD);
    set(a[0], ATL_IO_HANGUP, 0);
    close(a[0]);
    rig.b->fini(rig.self);
    free(rig.self);
}

TEST(unknown_names_are_answered_with_the_known)
{
    struct atl_error why;
    const struct atl_backend *b = NULL;
    CHECK_CODE(atl__backend_find(&b, "kqueue", &why), -EINVAL);
    CHECK(b == NULL);
    for (const char *const *name = atl_backend_names(); *name; name++) {
        CHECK(strstr(why.text, *name) != NULL);
        CHECK_OK(atl__backend_find(&b, *name, NULL));
        CHECK_EQ_STR(b->name, *name);
    }
    CHECK_OK(atl__backend_find(&b, NULL, NULL));
    CHECK_EQ_STR(b->name, atl_backend_names()[0]);
}
