/* SPDX-License-Identifier: MIT */
/*
 * The engine's Lua modules inside a C host: open them on the host's loop, run
 * Lua in tasks, and let functions of the host wait without blocking.
 *
 * Everything here belongs to the loop's thread. Stack effects are written as
 * in the Lua manual: [-popped, +pushed, raises: - never, m memory, e error].
 */
#ifndef ATOOLS_LUA_H
#define ATOOLS_LUA_H

#include <lua.h>

#include "atools.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * [-0, +0, m] Makes require "atools" and "asocket" work in L's Lua state, on
 * `loop` (borrowed: it must outlive lua_close), or with NULL on a loop the
 * modules make themselves at first need and free with the state. -EBUSY: the
 * modules are open in this state already.
 */
ATL_API int atlL_open(lua_State *L, struct atl_loop *loop,
                      struct atl_error *why);

/* The loop of the modules in this state, or NULL when they are not open. */
ATL_API struct atl_loop *atlL_loop(lua_State *L);

/*
 * [-(n+1), +0, -] Starts the function below its n arguments as a task; it runs
 * from the loop, later. -ENOMEM leaves the stack as it was.
 */
ATL_API int atlL_spawn(lua_State *L, int n);

/*
 * [-1, +0, m] Listens on an address with the handler table on the top of the
 * stack, as asocket.listen(address, handlers) does.
 */
ATL_API int atlL_listen(lua_State *L, const char *address,
                        struct atl_error *why);

/*
 * Waiting in a C function called from Lua. The wait lives in the host's memory
 * from atlL_wait until it ended.
 *
 *   static int l_lookup(lua_State *L) {
 *       atlL_wait_check(L);
 *       struct job *job = start_job(...);
 *       return atlL_wait(L, &job->wait, cancel_job, job);
 *   }
 *   static void job_done(struct job *job) {     (on the loop's thread)
 *       atlL_wake(&job->wait, push_result, job);
 *   }
 *
 * atlL_wait suspends the calling task, through any of the user's coroutines.
 * It must be returned at once. It raises, without suspending and without
 * having called `cancel`, where something on the stack cannot yield; then
 * `cancel` runs to let the host forget the operation (also for a cancelled
 * task and an expired deadline): after it, atlL_wake is not called. [-0, +0, e]
 *
 * atlL_wake completes it, once, even before atlL_wait was called. `push` runs
 * inside the task, may raise, and returns how many results it pushed.
 * `arg` of push must stay valid until push ran; when the task is killed first
 * (the state closes), `cancel` is called in its place.
 */
struct atlL_task;
struct atlL_wait;
typedef int atlL_push_fn(lua_State *L, void *arg);
typedef void atlL_cancel_fn(struct atlL_wait *wait, void *arg);
struct atlL_wait {
    struct atlL_task *task; /* peer: who waits, or NULL */
    atlL_push_fn *push;     /* set by wake */
    void *push_arg;
    atlL_cancel_fn *cancel;
    void *cancel_arg;
    bool woken;
};
#define ATLL_WAIT_INIT                                                         \
    {                                                                          \
        0                                                                      \
    }
ATL_API int atlL_wait(lua_State *L, struct atlL_wait *wait,
                      atlL_cancel_fn *cancel, void *arg);
/* Raises, naming the obstacle, where atlL_wait would: to be called before
   starting what a wait would have to take back. [-0, +0, e] */
ATL_API void atlL_wait_check(lua_State *L);
ATL_API void atlL_wake(struct atlL_wait *wait, atlL_push_fn *push, void *arg);

/*
 * Ends everything of this state that is on the loop: tasks are cancelled,
 * objects closed. Call before lua_close when the loop goes on; lua_close does
 * it otherwise. [-0, +0, -]
 */
ATL_API void atlL_close(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
