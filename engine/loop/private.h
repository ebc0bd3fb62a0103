/* SPDX-License-Identifier: MIT */
/* The loop's own state: for the files of this directory only. */
#ifndef ATL_LOOP_PRIVATE_H
#define ATL_LOOP_PRIVATE_H

#include <stdatomic.h>

#include "loop/loop.h"
#include "os/signal.h"
#include "os/thread.h"

#define EVENTS_PER_TURN 256

struct governor {
    struct atl_list members;
    size_t limit;    /* soft limit as last read, cut by the backend */
    int spare;       /* a descriptor to give up, or -1 */
    bool with_spare; /* somebody wants one kept */
    bool paused;
    bool freed;       /* a descriptor was closed since the pause began */
    int64_t retry_ns; /* while paused: when to look again whatever happened */
    int64_t next_log_ns;
};

struct atl_pool; /* pool.c */

struct atl_loop {
    const struct atl_os *os;           /* borrows */
    const struct atl_backend *backend; /* borrows */
    struct atl_backend_self *self;     /* owns: the backend's state */
    int64_t now_ns;
    int refs;
    int kept; /* open objects that keep the loop alive */
    bool running, dying;
    volatile bool stopping; /* set in signal handlers too */
    bool free_asked;        /* atl_loop_free inside a callback */

    struct atl_slots *slots; /* owns: tokens of watched descriptors */
    size_t io_count;
    uint64_t *dirty; /* owns: tokens whose interest changed */
    size_t dirty_count, dirty_capacity;
    struct atl_list always; /* descriptors no backend watches */
    struct atl_ready events[EVENTS_PER_TURN];

    struct atl_heap timers;
    uint64_t timer_sequence;
    size_t timers_kept;

    struct atl_post ready, flush; /* list heads */
    struct atl_object *closing, **closing_end;
    struct atl_object *closed; /* to be freed */
    struct atl_list objects[ATL_KINDS];
    size_t open[ATL_KINDS]; /* how many are on each list */

    struct atl_mutex lock;  /* guards `posted` */
    struct atl_post posted; /* list head */
    atomic_bool any_posted;
    int wake[2];
    struct atl_io wake_io;
    int signal_port; /* -1: none yet */

    struct atl_pool *pool; /* owns; NULL until first used */
    int jobs;              /* handed to the pool and not yet done */
    struct governor governor;
    struct atl_gather gather;
    char *read_buffer; /* owns */
    struct atl_share share;
    struct atl_stats stats;
};

/* lists of posts */
void atl__posts_init(struct atl_post *head);
bool atl__posts_empty(const struct atl_post *head);
void atl__posts_append(struct atl_post *head, struct atl_post *post);
void atl__posts_remove(struct atl_post *post);
/* Runs what is queued now, not what is added meanwhile. */
void atl__posts_run(struct atl_loop *loop, struct atl_post *head);
/* Moves what other threads posted to the ready queue. */
void atl__posts_collect(struct atl_loop *loop);

/* the parts of a turn */
void atl__turn_unit_end(struct atl_loop *loop); /* flushes the gather buffer */
void atl__turn_flush(struct atl_loop *loop);    /* phase 6 */
int64_t atl__turn_limit(struct atl_loop *loop, int64_t timeout_ns);
int atl__turn(struct atl_loop *loop, int64_t timeout_ns);

void atl__io_flush(struct atl_loop *loop);
bool atl__io_any_always(const struct atl_loop *loop);
void atl__io_serve_always(struct atl_loop *loop);
void atl__io_dispatch(struct atl_loop *loop, const struct atl_ready *event);

int64_t atl__timers_next(const struct atl_loop *loop); /* due, ATL_NEVER */
void atl__timers_run(struct atl_loop *loop);
void atl__timers_drop(struct atl_loop *loop);

void atl__close_run(struct atl_loop *loop);  /* phase 5 */
void atl__close_free(struct atl_loop *loop); /* end of phase 6 */

void atl__signals_run(struct atl_loop *loop);
void atl__signals_fini(struct atl_loop *loop);
void atl__pool_fini(struct atl_loop *loop);
void atl__governor_init(struct atl_loop *loop);
void atl__governor_fini(struct atl_loop *loop);
void atl__governor_run(struct atl_loop *loop); /* phase 6 */
/* When it wants to run at the latest: 0 at once, ATL_NEVER. */
int64_t atl__governor_next(const struct atl_loop *loop);
void atl__governor_freed(struct atl_loop *loop);

#endif
