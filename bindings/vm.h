/* SPDX-License-Identifier: MIT */
/* The layout of a VM's state and of tasks: for the kit's own files only. */
#ifndef ATL_BINDINGS_VM_H
#define ATL_BINDINGS_VM_H

#include "kit.h"

/* A link of the chain of resumers: it lives on the C stack of the function
   that called lua_resume, which always returns there. */
struct atlL_frame {
    lua_State *L;            /* borrows: who runs */
    struct atlL_frame *prev; /* who resumed it */
    const char *why; /* static text: what it cannot be suspended for, or NULL */
};

struct atlL_scope; /* deadline.c */

enum atlL_state {
    ATLL_IDLE,    /* in the pool */
    ATLL_READY,   /* queued to run */
    ATLL_RUNNING, /* on the C stack */
    ATLL_SUSPENDED
};

#define ATLL_CONTAINER(link, type, member)                                     \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

struct atlL_task {
    struct atlL_link link;      /* all tasks that are not idle */
    struct atlL_link queue;     /* the ready queue */
    struct atlL_vm *vm;         /* borrows */
    lua_State *co;              /* borrows: anchored in the VM's thread table */
    struct atlL_owner *owner;   /* peer */
    struct atlL_handle *handle; /* peer: the Lua value, once one was made */
    struct atlL_scope *scope;   /* peer: innermost deadline or shield */
    struct atlL_wait *wait;     /* peer: what it waits for */
    const char *what;           /* borrows: static text for tasks() */
    atlL_fill_fn *fill;         /* a handler's, else NULL */
    void *fill_arg;
    atlL_push_fn *push; /* what the wait ended with */
    void *push_arg;
    atlL_push_fn *on_timeout;
    struct atlL_wait own; /* for sleeping and giving up a turn */
    struct atl_timer timer;
    uint8_t state; /* enum atlL_state */
    uint8_t args;  /* of a spawned function, before it started */
    bool cancelled;
    bool holds_loop; /* a host's wait: the loop cannot know what it is for */
    bool waited;     /* suspended at least once since it was started */
    bool failed;
    int16_t cancel_code;
    char *cancel_text; /* owns; NULL: none was given */
};

#define ATLL_TRANSPARENT 3 /* pcall, xpcall, dofile */
struct atlL_vm {
    lua_State *main;       /* borrows */
    lua_State *base;       /* borrows: who drives the loop */
    struct atl_loop *loop; /* owns or borrows, NULL until needed */
    bool owns_loop;
    bool closing;
    bool stopping;
    struct atlL_frame *top;     /* peer: innermost coroutine running */
    struct atlL_task *running;  /* peer */
    struct atlL_task *yielding; /* set from a wait to its return to enter.c */
    struct atlL_link tasks, ready;
    struct atl_post ready_post;
    struct atlL_task *idle; /* owns: pool, linked through link.next */
    unsigned idle_count;
    int anchors, threads, tracebacks; /* registry references of tables */
    int on_error; /* reference of the function, or LUA_NOREF */
    int on_log;
    bool logging;            /* on_log is running */
    struct atlL_link parked; /* scopes of coroutines that have yielded */
    lua_CFunction transparent[ATLL_TRANSPARENT]; /* waits pass these */
    lua_CFunction error;
    uint32_t free_anchor;      /* head of the free list in `anchors` */
    struct atlL_link unjoined; /* handles of failures nobody asked for yet */
    struct atl_timer grace; /* unjoined failures are reported when it fires */
    uint64_t spawned, failures, quiet;
    unsigned task_count;
    unsigned signals; /* open handlers */
    bool held;        /* a reference keeps the loop waiting for a signal */
};

/* task.c */
struct atlL_task *atlL_task_new(struct atlL_vm *vm); /* NULL: no memory */
void atlL_task_recycle(struct atlL_task *task);
void atlL_task_ready(struct atlL_task *task);
/* The state closes: ends what waits, running its `<close>` variables; then
   frees it all. */
void atlL_tasks_close(struct atlL_vm *vm);
void atlL_tasks_free(struct atlL_vm *vm);
/* enter.c: runs the task until it waits or ends. */
void atlL_task_resume(struct atlL_task *task, int args);
bool atlL_task_is_body(lua_CFunction fn);
/* handle.c: what becomes of a spawned task's results. [-n, +0, m] */
void atlL_handle_finish(lua_State *L, struct atlL_task *task, bool ok, int n);
/* A handle without a task, and giving it one (NULL: nothing happens). */
struct atlL_handle *atlL_handle_new(lua_State *L, struct atlL_vm *vm);
void atlL_handle_link(struct atlL_handle *handle, struct atlL_task *task);
/* Of a task that could not be made after all (NULL: nothing happens). */
void atlL_handle_discard(struct atlL_handle *handle);
/* The task ended without telling its handle (a failed handler). */
void atlL_handle_drop(struct atlL_task *task, bool ok);
/* The task is freed without having ended; its handle lives on. */
void atlL_handle_abandon(struct atlL_task *task);
/* The task's handle, made when there is none. [-0, +1, m] */
void atlL_handle_push(lua_State *L, struct atlL_task *task);
void atlL_handle_open(lua_State *L, struct atlL_vm *vm);
/* Reports the failures nobody joined, without waiting. [-0, +0, m] */
void atlL_handle_report(lua_State *L, struct atlL_vm *vm);
/* The same as tasks, from the loop. */
void atlL_handle_report_later(struct atlL_vm *vm);
/* deadline.c: what a wait must raise now. 0: nothing. */
int atlL_scope_pending(const struct atlL_task *task, const char **text,
                       void **scope);
/* The task is freed; its scopes, which Lua owns, live on without it. */
void atlL_scopes_abandon(struct atlL_task *task);
/* A coroutine yielded to its resumer (goes_on) or ended; and it is resumed. */
void atlL_scopes_park(struct atlL_vm *vm, lua_State *co, bool goes_on);
void atlL_scopes_unpark(struct atlL_vm *vm, lua_State *co);
/* The state closes: no timer of a parked scope stays behind. */
void atlL_scopes_forget(struct atlL_vm *vm);
void atlL_task_interrupt(struct atlL_task *task);
int atlL_deadline(lua_State *L);
int atlL_shield(lua_State *L);
void atlL_deadline_open(lua_State *L, struct atlL_vm *vm);
/* wait.c */
int atlL_wait_sleep(lua_State *L, int64_t ns);
/* coroutine.c */
/* Suspends L for a wait, as lua_yieldk; `k` finds a mark at the top of the
   stack, to be popped. [-0, +1, -] */
int atlL_suspend(lua_State *L, lua_KContext ctx, lua_KFunction k);
/* Makes a task that has yielded look like one that waits. [-0, +1, -] */
void atlL_coroutine_mark(lua_State *L);
/* Whether waits may travel through this C function. */
bool atlL_coroutine_waits(lua_CFunction fn);
/* The coroutine inside a waiting one that it waits for, or NULL. */
lua_State *atlL_coroutine_inner(lua_State *co);
void atlL_coroutine_open(lua_State *L, struct atlL_vm *vm);
/* enter.c: a value and its traceback (or nil) at the top become a call that
   reports them; how many arguments it has. The call may wait. [-2, +n+1, m] */
int atlL_report_push(lua_State *L, struct atlL_vm *vm, const char *what);
/* value.c: what an error value says, whatever it is. [-0, +1, m] */
const char *atlL_text_push(lua_State *L, int index);
/* task.c: where the task is, innermost coroutine first. [-0, +1, m] */
void atlL_task_traceback(lua_State *L, struct atlL_task *task);
void atlL_error_push_scope(lua_State *L, int code, const char *text,
                           void *scope);
void *atlL_error_scope(lua_State *L, int index);
void atlL_value_open(lua_State *L);
void atlL_timer_open(lua_State *L, struct atlL_vm *vm);
void atlL_signal_open(lua_State *L, struct atlL_vm *vm);
void atlL_waiter_open(lua_State *L, struct atlL_vm *vm);
void atlL_channel_open(lua_State *L, struct atlL_vm *vm);
int atlL_channel_new(lua_State *L);
/* signal.c: while tasks wait and nothing but a signal can wake them, the loop
   is held; until a task goes on or the last handler is closed. */
bool atlL_hold(struct atlL_vm *vm);
void atlL_unhold(struct atlL_vm *vm);
/* atools.c: the state closes, its log function with it. */
void atlL_log_forget(struct atlL_vm *vm);
int atlL_timer_after(lua_State *L);
int atlL_timer_every(lua_State *L);
int atlL_timer_defer(lua_State *L);
int atlL_signal_new(lua_State *L);
int atlL_waiter_new(lua_State *L);

#endif
