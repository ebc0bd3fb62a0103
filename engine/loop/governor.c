/* SPDX-License-Identifier: MIT */
/*
 * The governor of descriptors. A server at its limit must neither spin on
 * accept nor die of it: listeners pause while a reserve is still free, waiting
 * clients stay in the kernel's queue, and listening goes on when the engine
 * closes a descriptor, or after 100 ms in case somebody else did.
 */
#include "loop/private.h"

#include <errno.h>

#define RETRY_NS (100 * ATL_MILLISECOND)
#define RESERVE_MAX 64

static void on_retry(struct atl_timer *timer)
{
    struct atl_loop *loop = timer->data;
    loop->governor.freed = true;
}

static void read_limit(struct atl_loop *loop)
{
    size_t soft, hard, top = (size_t)loop->backend->fd_max + 1;
    if (loop->os->calls->get_fd_limit(loop->os->self, &soft, &hard) < 0)
        soft = 1024;
    loop->governor.limit = soft < top ? soft : top;
}

void atl__governor_init(struct atl_loop *loop)
{
    struct governor *g = &loop->governor;
    atl__list_init(&g->members);
    atl_timer_init(&g->retry, loop, on_retry, loop);
    atl_timer_keep_alive(&g->retry, false);
    g->spare = -1;
    read_limit(loop);
}

void atl__governor_fini(struct atl_loop *loop)
{
    if (loop->governor.spare >= 0)
        atl__os_close(loop->os, loop->governor.spare);
}

size_t atl_loop_max_files(const struct atl_loop *loop)
{
    size_t soft, hard, top = (size_t)loop->backend->fd_max + 1;
    if (loop->os->calls->get_fd_limit(loop->os->self, &soft, &hard) < 0)
        return loop->governor.limit;
    return soft < top ? soft : top;
}

void atl__governor_join(struct atl_loop *loop, struct atl_governed *member)
{
    atl__list_append(&loop->governor.members, &member->link);
    if (loop->governor.paused)
        member->pause(member);
}

void atl__governor_leave(struct atl_governed *member)
{
    atl__list_remove(&member->link);
}

static void report(struct atl_loop *loop, const char *reason)
{
    struct governor *g = &loop->governor;
    struct atl_stats now;
    if (loop->now_ns < g->next_log_ns)
        return;
    g->next_log_ns = loop->now_ns + ATL_SECOND;
    atl_loop_stats(loop, &now);
    atl_log(ATL_LOG_WARNING,
            "%s: limit of %zu open files, held by %llu connections, %llu "
            "listeners and %llu others; accepting pauses until some close "
            "(to get more: setMaxFiles, \"ulimit -n\", LimitNOFILE=%s)",
            reason, g->limit, (unsigned long long)now.streams,
            (unsigned long long)now.listeners,
            (unsigned long long)(now.files > now.streams + now.listeners
                                     ? now.files - now.streams - now.listeners
                                     : 0),
            loop->backend->fd_max < INT32_MAX ? ", the poll or epoll backend"
                                              : "");
}

static void pause_all(struct atl_loop *loop, const char *reason)
{
    struct governor *g = &loop->governor;
    g->freed = false;
    atl_timer_start(&g->retry, RETRY_NS, 0);
    report(loop, reason);
    if (g->paused)
        return;
    g->paused = true;
    loop->stats.accept_pauses++;
    for (struct atl_list *l = g->members.next; l != &g->members; l = l->next) {
        struct atl_governed *m = ATL_CONTAINER(l, struct atl_governed, link);
        m->pause(m);
    }
}

static size_t reserve(const struct governor *g)
{
    size_t part = g->limit / 8;
    return part < RESERVE_MAX ? part : RESERVE_MAX;
}

void atl__governor_accepted(struct atl_loop *loop, int fd)
{
    struct governor *g = &loop->governor;
    if ((size_t)fd < g->limit - reserve(g))
        return;
    read_limit(loop); /* the host may have raised it meanwhile */
    if ((size_t)fd >= g->limit - reserve(g))
        pause_all(loop, "descriptors are running out");
}

void atl__governor_failed(struct atl_loop *loop, int code)
{
    read_limit(loop);
    pause_all(loop, atl_error_text(code));
}

bool atl__governor_paused(const struct atl_loop *loop)
{
    return loop->governor.paused;
}

void atl__governor_freed(struct atl_loop *loop)
{
    loop->governor.freed = true;
}

/* Whether the next descriptor would leave the reserve alone: the kernel gives
   out the lowest number that is free. */
static bool has_room(struct atl_loop *loop)
{
    const struct governor *g = &loop->governor;
    int fd = loop->os->calls->open_null(loop->os->self);
    if (fd < 0)
        return false;
    atl__os_close(loop->os, fd);
    return (size_t)fd < g->limit - reserve(g);
}

void atl__governor_run(struct atl_loop *loop)
{
    struct governor *g = &loop->governor;
    if (!g->paused || !g->freed)
        return;
    g->freed = false;
    read_limit(loop);
    if (!has_room(loop)) {
        atl_timer_start(&g->retry, RETRY_NS, 0);
        return;
    }
    g->paused = false;
    atl_timer_stop(&g->retry);
    for (struct atl_list *l = g->members.next; l != &g->members; l = l->next) {
        struct atl_governed *m = ATL_CONTAINER(l, struct atl_governed, link);
        m->resume(m);
    }
}

bool atl__governor_lend_spare(struct atl_loop *loop)
{
    struct governor *g = &loop->governor;
    if (g->spare < 0)
        return false;
    atl__os_close(loop->os, g->spare);
    g->spare = -1;
    return true;
}

void atl__governor_restore_spare(struct atl_loop *loop)
{
    struct governor *g = &loop->governor;
    if (g->spare < 0)
        g->spare = loop->os->calls->open_null(loop->os->self);
}
