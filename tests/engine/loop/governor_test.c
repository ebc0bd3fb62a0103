/* SPDX-License-Identifier: MIT */
/* Servers at the limit of descriptors: they wait, tell, recover, never spin. */
#include "faults.h"
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <unistd.h>

#define MS ATL_MILLISECOND

enum { LIMIT = 64, TOP = LIMIT - LIMIT / 8 };

static int lines;
static char last_line[1000];

static void keep_log(void *ctx, enum atl_level level, const char *text)
{
    (void)ctx, (void)level;
    lines++;
    snprintf(last_line, sizeof(last_line), "%s", text);
}

static void limit(size_t soft)
{
    struct rlimit r;
    if (getenv("VALGRIND") != NULL)
        CHECK_SKIP("valgrind has a limit of its own");
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &r));
    r.rlim_cur = soft;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &r));
}

/* Clients in a process of their own, which connect and stay until told. */
static pid_t crowd(uint16_t port, int count)
{
    pid_t pid = fork();
    CHECK_OK(pid);
    if (pid > 0)
        return pid;
    limit(LIMIT * 4);
    for (int fd = 3; fd < LIMIT * 4; fd++)
        close(fd);
    for (int i = 0; i < count; i++)
        net_dial(port);
    pause();
    _exit(0);
}

static void send_home(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

struct server {
    struct faults faults;
    struct atl_loop *loop;
    struct net_server net;
    int open, closed;
};

static struct server *the_server;

static void on_open(struct atl_stream *s)
{
    (void)s;
    the_server->open++;
}

static void on_data(struct atl_stream *s, const void *bytes, size_t n)
{
    (void)s, (void)bytes, (void)n;
}

static void on_end(struct atl_stream *s)
{
    atl_stream_close(s);
}

static void on_close(struct atl_stream *s, const struct atl_error *why)
{
    (void)s, (void)why;
    the_server->open--;
    the_server->closed++;
}

static const struct atl_stream_handlers handlers = {.on_open = on_open,
                                                    .on_data = on_data,
                                                    .on_end = on_end,
                                                    .on_close = on_close};

static void serve(struct server *s, const char *backend, bool refuse)
{
    struct atl_listener_options o = {.refuse = refuse ? ATL_ON : ATL_DEFAULT};
    struct atl_loop_options lo = {.backend = backend, .os = &s->faults.os};
    memset(s, 0, sizeof(*s));
    the_server = s;
    faults_init(&s->faults);
    CHECK_OK(atl_loop_new(&s->loop, &lo, NULL));
    s->net.setup.handlers = &handlers;
    net_server_open(&s->net, s->loop, &o);
    lines = 0;
    atl_log_set(keep_log, NULL);
}

static void end(struct server *s)
{
    atl_listener_close(s->net.listener);
    atl_loop_free(&s->loop);
    atl_log_set(NULL, NULL);
}

/* Runs the loop for so long as a server would. */
static void run_for(struct server *s, int64_t duration_ns)
{
    int64_t stop = atl_loop_clock(s->loop) + duration_ns;
    int64_t left;
    while ((left = stop - atl_loop_clock(s->loop)) > 0)
        CHECK_OK(atl_loop_step(s->loop, left));
}

static struct atl_stats stats_of(struct server *s)
{
    struct atl_stats stats;
    atl_loop_stats(s->loop, &stats);
    return stats;
}

static void each_backend(void (*body)(const char *name))
{
    for (const char *const *name = atl_backend_names(); *name; name++) {
        fprintf(stderr, "backend %s\n", *name);
        body(*name);
    }
}

static int free_below(int top)
{
    int count = 0;
    for (int fd = 0; fd < top; fd++)
        count += fcntl(fd, F_GETFD) == -1;
    return count;
}

static bool paused(struct server *s)
{
    struct atl_listener_stats stats;
    atl_listener_stats(s->net.listener, &stats);
    return stats.starved;
}

static void at_the_limit(const char *backend)
{
    struct server s;
    limit(LIMIT);
    serve(&s, backend, false);
    CHECK_EQ_INT(atl_loop_max_files(s.loop), LIMIT);
    int room = free_below(TOP);
    pid_t pid = crowd(s.net.port, 100);
    NET_UNTIL(s.loop, s.open > room);
    run_for(&s, 300 * MS * check_scale());
    /* one above the line, the reserve is left alone */
    CHECK_EQ_INT(s.open, room + 1);
    CHECK_EQ_INT(free_below(TOP + 1), 0);
    CHECK_EQ_INT(free_below(LIMIT), LIMIT - TOP - 1);
    struct atl_stats before = stats_of(&s);
    uint64_t accepts = faults_calls(&s.faults, "accept");
    run_for(&s, 500 * MS);
    struct atl_stats after = stats_of(&s);
    CHECK_RANGE(after.turns - before.turns, 1, 12);
    CHECK_EQ_INT(faults_calls(&s.faults, "accept"), accepts);
    CHECK_EQ_INT(after.accept_errors, 0);
    CHECK_EQ_INT(after.accept_pauses, 1);
    CHECK_RANGE(lines, 1, 2);
    static const char *const told[] = {"limit of 64", "connections",
                                       "1 listeners", "ulimit -n",
                                       "LimitNOFILE"};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (strstr(last_line, told[i]) == NULL)
            CHECK_FAIL("\"%s\" does not tell %s", last_line, told[i]);
    CHECK((strstr(last_line, "poll or epoll") != NULL) ==
          (strcmp(backend, "select") == 0));
    /* those who were not accepted waited; they come when others go */
    send_home(pid);
    NET_UNTIL(s.loop, s.closed == 100);
    CHECK_EQ_INT(s.open, 0);
    CHECK_EQ_INT(stats_of(&s).accepted, 100);
    end(&s);
}

TEST(at_the_limit_clients_wait_and_nothing_spins)
{
    each_backend(at_the_limit);
}

static void raised(const char *backend)
{
    struct server s;
    limit(LIMIT);
    serve(&s, backend, false);
    int room = free_below(TOP);
    limit(LIMIT * 2); /* by the host, before it was noticed */
    pid_t pid = crowd(s.net.port, 70);
    NET_UNTIL(s.loop, s.open == 70);
    CHECK_EQ_INT(stats_of(&s).accept_pauses, 0);
    CHECK(room < 70);
    send_home(pid);
    NET_UNTIL(s.loop, s.open == 0);
    /* and while it is paused */
    limit(LIMIT);
    pid = crowd(s.net.port, 70);
    NET_UNTIL(s.loop, stats_of(&s).accept_pauses > 0);
    limit(LIMIT * 2);
    NET_UNTIL(s.loop, s.open == 70);
    send_home(pid);
    NET_UNTIL(s.loop, s.open == 0);
    end(&s);
}

TEST(a_limit_raised_by_the_host_is_noticed)
{
    each_backend(raised);
}

static void failing_accepts(const char *backend)
{
    static const char *const codes[] = {"EMFILE", "ENFILE", "ENOBUFS",
                                        "ENOMEM"};
    for (int i = 0; i < 4; i++) {
        struct server s;
        char plan[64];
        serve(&s, backend, false);
        snprintf(plan, sizeof(plan), "fail=accept:1+:%s", codes[i]);
        CHECK(faults_set(&s.faults, plan));
        int fd = net_dial(s.net.port);
        run_for(&s, 450 * MS);
        struct atl_stats stats = stats_of(&s);
        /* about each 100 ms */
        CHECK_RANGE(stats.accept_errors, 3, 6);
        CHECK_RANGE(stats.turns, 3, 40);
        CHECK_EQ_INT(lines, 1);
        faults_clear(&s.faults);
        NET_UNTIL(s.loop, s.open == 1);
        close(fd);
        NET_UNTIL(s.loop, s.open == 0);
        end(&s);
    }
}

TEST(an_accept_that_fails_for_want_of_something_is_tried_ten_times_a_second)
{
    each_backend(failing_accepts);
}

static void freed(const char *backend)
{
    struct server s;
    serve(&s, backend, false);
    int one = net_dial(s.net.port);
    NET_UNTIL(s.loop, s.open == 1);
    CHECK(faults_set(&s.faults, "fail=accept:1:EMFILE"));
    int two = net_dial(s.net.port);
    NET_UNTIL(s.loop, stats_of(&s).accept_pauses == 1);
    int64_t start = atl_loop_clock(s.loop);
    close(one); /* the engine closes its end: no need to wait for the rest */
    NET_UNTIL(s.loop, s.closed == 1 && s.open == 1);
    CHECK_RANGE(atl_loop_clock(s.loop) - start, 0, 80 * MS * check_scale());
    close(two);
    NET_UNTIL(s.loop, s.open == 0);
    end(&s);
}

TEST(a_descriptor_the_engine_closes_ends_the_pause_at_once)
{
    each_backend(freed);
}

static void hosts_own(const char *backend)
{
    struct server s;
    int held[LIMIT], count = 0;
    limit(LIMIT);
    serve(&s, backend, false);
    /* the host holds all up to the reserve */
    while ((held[count] = open("/dev/null", O_RDONLY)) < TOP)
        count++;
    count++;
    for (int i = 0; i < 3; i++) {
        int fd = net_dial(s.net.port);
        NET_UNTIL(s.loop, s.open == 1);
        close(fd);
        NET_UNTIL(s.loop, s.open == 0);
    }
    while (count-- > 0)
        close(held[count]);
    end(&s);
}

TEST(a_listener_lives_while_the_host_holds_the_descriptors)
{
    each_backend(hosts_own);
}

static void all_gone(const char *backend)
{
    struct server s;
    int held[LIMIT], count = 0;
    limit(LIMIT);
    serve(&s, backend, false);
    int client = net_dial(s.net.port); /* its own descriptor is the last */
    while ((held[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    run_for(&s, 350 * MS);
    CHECK_EQ_INT(s.open, 0);
    CHECK_RANGE(stats_of(&s).accept_errors, 1, 4);
    CHECK_RANGE(stats_of(&s).turns, 1, 30);
    while (count-- > 0)
        close(held[count]);
    NET_UNTIL(s.loop, s.open == 1);
    close(client);
    NET_UNTIL(s.loop, s.open == 0);
    end(&s);
}

TEST(with_no_descriptor_left_the_listener_waits_and_lives_on)
{
    each_backend(all_gone);
}

static void turned_away(const char *backend)
{
    struct server s;
    limit(LIMIT);
    serve(&s, backend, true);
    int held[LIMIT], count = 0, last;
    pid_t pid = crowd(s.net.port, 1);
    NET_UNTIL(s.loop, s.open == 1);
    while ((held[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    pid_t late = fork();
    CHECK_OK(late);
    if (late == 0) { /* one after the other is turned away */
        char c;
        limit(LIMIT * 2);
        for (int i = 0; i < 20; i++) {
            int fd = net_dial(s.net.port);
            if (read(fd, &c, 1) > 0)
                _exit(1);
            close(fd);
        }
        _exit(0);
    }
    int status = -1;
    NET_UNTIL(s.loop, waitpid(late, &status, WNOHANG) == late);
    CHECK_EQ_INT(status, 0);
    CHECK_EQ_INT(stats_of(&s).accept_refused, 20);
    CHECK_EQ_INT(s.open, 1);
    CHECK_RANGE(lines, 1, 5);
    while (count-- > 0)
        close(held[count]);
    NET_UNTIL(s.loop, !paused(&s)); /* the engine closed nothing itself */
    last = net_dial(s.net.port);
    NET_UNTIL(s.loop, s.open == 2);
    close(last);
    send_home(pid);
    NET_UNTIL(s.loop, s.open == 0);
    end(&s);
}

TEST(who_refuses_turns_clients_away_instead)
{
    each_backend(turned_away);
}

TEST(the_pause_needs_no_memory)
{
    struct server s;
    serve(&s, "epoll", false);
    CHECK(faults_set(&s.faults, "fail=accept:1:EMFILE"));
    int fd = net_dial(s.net.port);
    faults_memory(1, INT64_MAX);
    NET_UNTIL(s.loop, stats_of(&s).accept_pauses == 1);
    faults_memory_end();
    NET_UNTIL(s.loop, s.open == 1);
    close(fd);
    NET_UNTIL(s.loop, s.open == 0);
    end(&s);
}

TEST(a_listener_opened_during_the_pause_waits_like_the_others)
{
    struct net_server second = {.setup.handlers = &handlers};
    struct atl_listener_stats ls;
    struct server s;
    serve(&s, NULL, false);
    CHECK(faults_set(&s.faults, "fail=accept:1:EMFILE"));
    int fd = net_dial(s.net.port);
    NET_UNTIL(s.loop, stats_of(&s).accept_pauses == 1);
    net_server_open(&second, s.loop, NULL);
    atl_listener_stats(second.listener, &ls);
    CHECK(ls.starved);
    int other = net_dial(second.port);
    NET_UNTIL(s.loop, s.open == 2);
    atl_listener_stats(second.listener, &ls);
    CHECK(!ls.starved);
    close(fd);
    close(other);
    NET_UNTIL(s.loop, s.open == 0);
    atl_listener_close(second.listener);
    end(&s);
}
