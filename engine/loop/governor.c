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

size_t atl_loop_max_files(const struct atl_loop *loop)
{
    size_t soft, hard, most = (size_t)loop->backend->fd_max + 1;
    if (loop->os->calls->get_fd_limit(loop->os->self, &soft, &hard) < 0)
        return loop->governor.limit;
    return soft < most ? soft : most;
}

void atl__governor_init(struct atl_loop *loop)
{
    struct governor *g = &loop->governor;
    atl__list_init(&g->members);
    g->spare = -1;
    g->limit = 1024; /* if it cannot be asked for */
    g->limit = atl_loop_max_files(loop);
}

void atl__governor_fini(struct atl_loop *loop)
{
    if (loop->governor.spare >= 0)
        atl__os_close(loop->os, loop->governor.spare);
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

/* `open`: how many descriptors are in use, as far as is known. */
static void report(struct atl_loop *loop, const char *reason, size_t open)
{
    struct governor *g = &loop->governor;
    struct atl_stats now;
    if (loop->now_ns < g->next_log_ns)
        return;
    g->next_log_ns = loop->now_ns + ATL_SECOND;
    atl_loop_stats(loop, &now);
    uint64_t ours = now.streams + now.listeners;
    atl_log(ATL_LOG_WARNING,
            "%s: limit of %zu open files, held by %llu connections, %llu "
            "listeners and %llu others; accepting pauses until some close "
            "(to get more: setMaxFiles, \"ulimit -n\", LimitNOFILE= of the "
            "systemd unit%s)",
            reason, g->limit, (unsigned long long)now.streams,
            (unsigned long long)now.listeners,
            (unsigned long long)(open > ours ? open - ours : 0),
            loop->backend->fd_max < INT32_MAX ? ", the poll or epoll backend"
                                              : "");
}

static void pause_all(struct atl_loop *loop, const char *reason, size_t open)
{
    struct governor *g = &loop->governor;
    g->freed = false;
    g->retry_ns = loop->now_ns + RETRY_NS;
    report(loop, reason, open);
    if (g->paused)
        return;
    g->paused = true;
    loop->stats.accept_pauses++;
    for (struct atl_list *l = g->members.next; l != &g->members; l = l->next) {
        struct atl_governed *m = ATL_CONTAINER(l, struct atl_governed, link);
        m->pause(m);
    }
}

/* The first number that accepting is to leave alone. */
static size_t top(const struct governor *g)
{
    size_t reserve = g->limit / 8;
    return g->limit - (reserve < RESERVE_MAX ? reserve : RESERVE_MAX);
}

void atl__governor_accepted(struct atl_loop *loop, int fd)
{
    struct governor *g = &loop->governor;
    if ((size_t)fd < top(g))
        return;
    g->limit = atl_loop_max_files(loop); /* the host may have raised it */
    if ((size_t)fd < top(g))
        return;
    /* The kernel gives out the lowest number that is free. */
    pause_all(loop, "descriptors are running out", (size_t)fd + 1);
}

void atl__governor_failed(struct atl_loop *loop, int code)
{
    struct governor *g = &loop->governor;
    g->limit = atl_loop_max_files(loop);
    pause_all(loop, atl_error_text(code),
              code == -EMFILE ? g->limit : loop->io_count);
}

bool atl__governor_paused(const struct atl_loop *loop)
{
    return loop->governor.paused;
}

void atl__governor_freed(struct atl_loop *loop)
{
    loop->governor.freed = true;
}

/*
 * Whether the next descriptor would leave the reserve alone. Where the engine
 * has no connection whose end could make room, all there is may be used: the
 * host holds the rest, and a dead listener would help nobody.
 */
static bool has_room(struct atl_loop *loop)
{
    int fd = loop->os->calls->open_null(loop->os->self);
    if (fd < 0)
        return false;
    atl__os_close(loop->os, fd);
    return (size_t)fd < top(&loop->governor) ||
           atl__list_empty(&loop->objects[ATL_KIND_STREAM]);
}

int64_t atl__governor_next(const struct atl_loop *loop)
{
    const struct governor *g = &loop->governor;
    return !g->paused ? ATL_NEVER : g->freed ? 0 : g->retry_ns;
}

void atl__governor_run(struct atl_loop *loop)
{
    struct governor *g = &loop->governor;
    if (!g->paused || (!g->freed && loop->now_ns < g->retry_ns))
        return;
    g->freed = false;
    g->limit = atl_loop_max_files(loop);
    if (g->with_spare)
        atl__governor_restore_spare(loop);
    if (!has_room(loop)) {
        g->retry_ns = loop->now_ns + RETRY_NS;
        return;
    }
    g->paused = false;
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
    g->with_spare = true;
    if (g->spare < 0)
        g->spare = loop->os->calls->open_null(loop->os->self);
}
