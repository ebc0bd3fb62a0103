/* SPDX-License-Identifier: MIT */
/* Limits: nobody accepted is left unserved, nobody spins, the door opens
   again. */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

static uint64_t turns(struct atl_loop *loop)
{
    struct atl_stats stats;
    atl_loop_stats(loop, &stats);
    return stats.turns;
}

static struct atl_listener_stats stats_of(const struct net_server *server)
{
    struct atl_listener_stats stats;
    atl_listener_stats(server->listener, &stats);
    return stats;
}

static void quiet_turns(struct atl_loop *loop)
{
    uint64_t before = turns(loop);
    int64_t start = atl_loop_clock(loop);
    while (atl_loop_clock(loop) - start < 50 * ATL_MILLISECOND)
        net_step(loop);
    CHECK_RANGE(turns(loop) - before, 1, 30);
}

/* Connections that echo; each closes when its peer does. */
static void echo_data(struct atl_stream *s, const void *bytes, size_t n)
{
    CHECK_OK(atl_stream_write(s, bytes, n, 0));
}
static const struct atl_stream_handlers echo = {.on_data = echo_data};

static void maximum(struct atl_loop *loop)
{
    struct atl_listener_options o = {.max_connections = 2};
    struct net_server server = {.setup = {.handlers = &echo}};
    int fd[4];
    net_server_open(&server, loop, &o);
    for (int i = 0; i < 4; i++)
        fd[i] = net_dial(server.port);
    NET_UNTIL(loop, server.accepted == 2);
    quiet_turns(loop);
    CHECK_EQ_INT(server.accepted, 2);
    CHECK_EQ_INT(stats_of(&server).connections, 2);
    close(fd[0]);
    NET_UNTIL(loop, server.accepted == 3);
    quiet_turns(loop);
    CHECK_EQ_INT(server.accepted, 3);
    for (int i = 1; i < 4; i++)
        close(fd[i]);
    NET_UNTIL(loop, server.accepted == 4);
    atl_listener_close(server.listener);
    net_finish(loop);
}
TEST(clients_over_the_limit_wait_and_get_in_as_others_leave)
{
    net_each_backend(maximum);
}

static void refusing(struct atl_loop *loop)
{
    struct atl_listener_options o = {.max_connections = 1, .refuse = ATL_ON};
    struct net_server server = {.setup = {.handlers = &echo}};
    char byte;
    net_server_open(&server, loop, &o);
    int first = net_dial(server.port), second = net_dial(server.port);
    CHECK_EQ_INT(net_receive_end(loop, second), 0);
    CHECK_EQ_INT(server.accepted, 1);
    CHECK_EQ_INT(stats_of(&server).refused, 1);
    net_send(first, "x", 1);
    net_receive(loop, first, &byte, 1);
    close(first);
    close(second);
    atl_listener_close(server.listener);
    net_finish(loop);
}
TEST(a_refusing_listener_closes_clients_over_the_limit)
{
    net_each_backend(refusing);
}

static void on_demand(struct atl_loop *loop)
{
    struct atl_listener_options o = {.on_demand = ATL_ON};
    struct net_server server = {.setup = {.handlers = &echo}};
    int fd[3];
    net_server_open(&server, loop, &o);
    for (int i = 0; i < 3; i++)
        fd[i] = net_dial(server.port);
    quiet_turns(loop);
    CHECK_EQ_INT(server.accepted, 0);
    atl_listener_want(server.listener, 2);
    NET_UNTIL(loop, server.accepted == 2);
    quiet_turns(loop);
    CHECK_EQ_INT(server.accepted, 2);
    atl_listener_want(server.listener, 1);
    atl_listener_pause(server.listener);
    quiet_turns(loop);
    CHECK_EQ_INT(server.accepted, 2);
    CHECK(stats_of(&server).paused);
    atl_listener_resume(server.listener);
    NET_UNTIL(loop, server.accepted == 3);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    atl_listener_close(server.listener);
    net_finish(loop);
}
TEST(a_listener_accepts_on_demand_and_not_while_paused)
{
    net_each_backend(on_demand);
}

/* Codes that accept(2) may give for reasons of one client, in a row. */
static int fail_codes[8], fail_next;

static int failing_accept(void *self, int fd, struct sockaddr *sa, socklen_t *n)
{
    if (fail_codes[fail_next] != 0)
        return fail_codes[fail_next++];
    return atl__os_real.calls->accept(self, fd, sa, n);
}

TEST(errors_of_one_client_do_not_end_the_listener)
{
    static const int codes[] = {-ECONNABORTED, -EPROTO, -EPERM,
                                -ENETDOWN,     -EINTR,  0};
    struct atl_os_calls calls = *atl__os_real.calls;
    struct atl_os os = {&calls, atl__os_real.self};
    struct atl_loop_options o = {.os = &os};
    struct net_server server = {.setup = {.handlers = &echo}};
    struct atl_loop *loop;
    calls.accept = failing_accept;
    memcpy(fail_codes, codes, sizeof(codes));
    CHECK_OK(atl_loop_new(&loop, &o, NULL));
    net_server_open(&server, loop, NULL);
    int fd = net_dial(server.port);
    NET_UNTIL(loop, server.accepted == 1);
    CHECK_EQ_INT(stats_of(&server).errors, 4); /* EINTR is no error */
    close(fd);
    atl_listener_close(server.listener);
    net_finish(loop);
    atl_loop_free(&loop);
}

TEST(a_broken_socket_closes_its_listener)
{
    struct atl_os_calls calls = *atl__os_real.calls;
    struct atl_os os = {&calls, atl__os_real.self};
    struct atl_loop_options o = {.os = &os};
    struct net_server server = {.setup = {.handlers = &echo}};
    struct atl_loop *loop;
    calls.accept = failing_accept;
    fail_codes[0] = -EINVAL;
    CHECK_OK(atl_loop_new(&loop, &o, NULL));
    net_server_open(&server, loop, NULL);
    int fd = net_dial(server.port);
    net_finish(loop);
    CHECK_EQ_INT(server.closed, 1);
    close(fd);
    atl_loop_free(&loop);
}

/* --- out of descriptors -------------------------------------------------- */

enum { LIMIT = 64, CLIENTS = 200 };

/* A process of its own, with descriptors enough: each client connects, sends,
   and when it was answered or refused makes room. Exits with 0 when all were
   answered (or, if `refused` is set, some told to go away at once). */
static void clients(uint16_t port, bool refused)
{
    static int fd[CLIENTS];
    int answered = 0, turned_away = 0;
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = net_dial(port);
        if (send(fd[i], "hello", 5, MSG_NOSIGNAL) != 5 && !refused)
            _exit(1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        char got[5];
        ssize_t n = recv(fd[i], got, 5, MSG_WAITALL);
        if (n == 5 && memcmp(got, "hello", 5) == 0)
            answered++;
        else
            turned_away++;
        close(fd[i]);
    }
    if (refused)
        _exit(answered > 0 && turned_away > 0 &&
                      answered + turned_away == CLIENTS
                  ? 0
                  : 2);
    _exit(answered == CLIENTS ? 0 : 3);
}

static void no_log(void *ctx, enum atl_level level, const char *text)
{
    (void)level;
    (void)text;
    ++*(int *)ctx;
}

static void crowd(struct atl_loop *loop, bool refuse)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL)
        CHECK_SKIP("valgrind has a limit of descriptors of its own");
    struct atl_listener_options o = {.refuse = refuse ? ATL_ON : ATL_OFF};
    struct net_server server = {.setup = {.handlers = &echo}};
    struct rlimit limit = {LIMIT, LIMIT}, old;
    int status, lines = 0;
    atl_log_set(no_log, &lines);
    net_server_open(&server, loop, &o);
    int64_t start = atl_loop_clock(loop);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        clients(server.port, refuse);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
    limit.rlim_max = old.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    uint64_t before = turns(loop);
    NET_UNTIL(loop, waitpid(pid, &status, WNOHANG) == pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ_INT(WEXITSTATUS(status), 0);
    int64_t spent = (atl_loop_clock(loop) - start) / ATL_MILLISECOND;
    /* Each turn has something to do: no spinning on a full table. */
    CHECK_RANGE(turns(loop) - before, 1, 3 * CLIENTS + spent);
    CHECK_RANGE(lines, 1, 2 + spent / 1000);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
    atl_listener_close(server.listener);
    net_finish(loop);
    atl_log_set(NULL, NULL);
}

static void crowd_waits(struct atl_loop *loop)
{
    crowd(loop, false);
}
TEST(short_of_descriptors_every_client_is_served_in_the_end)
{
    net_each_backend(crowd_waits);
}

static void crowd_refused(struct atl_loop *loop)
{
    crowd(loop, true);
}
TEST(short_of_descriptors_a_refusing_listener_turns_clients_away)
{
    net_each_backend(crowd_refused);
}
