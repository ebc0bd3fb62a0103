/* SPDX-License-Identifier: MIT */
/*
 * Helper threads for calls that cannot be made without blocking: up to four,
 * started on first use, all signals blocked. A job owns all the memory it
 * touches and never calls the loop, Lua or the engine's allocator; when it has
 * run, `done` runs on the loop.
 */
#ifndef ATL_LOOP_POOL_H
#define ATL_LOOP_POOL_H

#include "loop/loop.h"

struct atl_job {
    struct atl_post post;              /* the pool's */
    struct atl_job *next;              /* the pool's */
    struct atl_loop *loop;             /* the pool's */
    void (*work)(struct atl_job *job); /* on a helper thread */
    void (*done)(struct atl_job *job); /* on the loop; may free the job */
};

/* Keeps the loop alive until `done` has run. Negative: no thread could be
   made, and nothing was queued. */
int atl__pool_run(struct atl_loop *loop, struct atl_job *job);

#endif
