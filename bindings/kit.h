/* SPDX-License-Identifier: MIT */
/*
 * What the files of the bindings share: the state of one Lua VM, boxes around
 * engine objects, the one way into Lua, tasks and their waits, values.
 *
 *   vm.c         per-VM state, the modules' registry, closing order
 *   enter.c      the one function through which the engine enters Lua
 *   task.c       tasks: pooled coroutines, waits, cancel, deadlines
 *   coroutine.c  coroutine.resume/wrap/close/status that forward waits
 *   box.c        userdata around objects: anchors, fields, closing
 *   handlers.c   handler tables
 *   value.c      results, errors, option tables, addresses
 */
#ifndef ATL_BINDINGS_KIT_H
#define ATL_BINDINGS_KIT_H

#include <lua.h>
#include <lauxlib.h>

#include "atools.h"
#include "atools_lua.h"

struct atlL_vm; /* vm.h: the layout, for the kit's own files */
struct atlL_task;

/* --- vm ---------------------------------------------------------------- */

/* The VM's state, from the registry; raises when the modules are not open. */
struct atlL_vm *atlL_vm_get(lua_State *L);
/* From upvalue 1 of a module function: no look-up. */
#define ATLL_VM(L) ((struct atlL_vm *)lua_touserdata(L, lua_upvalueindex(1)))
/* The loop, made now if the VM has none yet. [-0, +0, e] */
struct atl_loop *atlL_vm_loop(lua_State *L, struct atlL_vm *vm);

/* --- boxes -------------------------------------------------------------- */

/*
 * Userdata around an engine object begins with this. User value 1: the user's
 * fields (a table, made when the first is set); user value 2: the handlers or
 * other Lua value the object keeps.
 */
struct atlL_box {
    struct atlL_vm *vm; /* borrows; NULL once the VM is closing */
    uint32_t anchor;    /* place in the VM's anchor table, 0: not anchored */
};

/* A class: its metatable is made once per VM under `name` in the registry. */
struct atlL_class {
    const char *name;        /* "asocket.connection" */
    const luaL_Reg *methods; /* upvalue 1: the VM */
    lua_CFunction close;     /* __gc and __close, one idempotent function that
                                never calls Lua, yields or raises; or NULL */
    bool fields;             /* user fields; else assigning raises */
};
/* [-0, +0, m] */
void atlL_class_make(lua_State *L, struct atlL_vm *vm,
                     const struct atlL_class *class);
/* [-0, +1, m] zeroed userdata of `size`, metatable set, two user values: a
   closed object until the caller says otherwise. */
void *atlL_box_new(lua_State *L, struct atlL_vm *vm,
                   const struct atlL_class *class, size_t size);
/* Raises unless the argument is of this class. (A cached metatable compare.) */
void *atlL_box_check(lua_State *L, int arg, const struct atlL_class *class);
void *atlL_box_test(lua_State *L, int arg, const struct atlL_class *class);
/* Keeps the box at `index` alive while the engine may call back. [-0, +0, m] */
void atlL_box_anchor(lua_State *L, int index);
/* The engine is done with it. Never raises; idempotent. */
void atlL_box_release(struct atlL_box *box);
/* [-0, +(0|1), -] The box anchored at a place from 1 on, or a number where the
   place is free; false behind the last one. */
bool atlL_box_at(lua_State *L, struct atlL_vm *vm, uint32_t place);
/* [-0, +1, -] Pushes an anchored box. Needs one stack slot, allocates nothing.
 */
void atlL_box_push(lua_State *L, const struct atlL_box *box);

/* --- entering Lua and tasks --------------------------------------------- */

/*
 * What runs in a task on behalf of an object. Embedded in the object's box or
 * memory; must stay until `finished` was called or the owner was detached by
 * atlL_owner_detach.
 */
typedef int atlL_fill_fn(lua_State *L, void *arg);
struct atlL_owner;
struct atlL_owner_type {
    /* What the failing handler belongs to, for messages: "asocket.connection".
     */
    const char *what;
    /* The handler (or task) ended after it had waited, well (ok) or by an
       error, which has been reported already. */
    void (*finished)(struct atlL_owner *owner, struct atlL_task *task, bool ok);
    /* [-0, +2, m] Pushes the object's on_error handler (or nil) and the object
       (or nil), inside the protected call. NULL: none. */
    void (*push_on_error)(lua_State *L, struct atlL_owner *owner);
    /* Connections only: an uncaught network error object of their own is quiet
       and counted. NULL: reported as any other. */
    bool (*is_quiet)(struct atlL_owner *owner, const char *code);
    /* A handler returned without having waited: pushes the next call, as the
       `fill` of atlL_enter did the first, or -1. Entering Lua once for many
       small calls is much cheaper. NULL: one call each time. */
    atlL_fill_fn *again;
};
struct atlL_owner {
    const struct atlL_owner_type *type;
    struct atlL_task *task; /* peer: the task still at work for it, or NULL */
};

enum atlL_outcome {
    ATLL_DONE,    /* the handler returned */
    ATLL_WAITING, /* it waits; owner->task is set, `finished` will be called */
    ATLL_FAILED   /* it raised (reported) or there was no memory */
};
/*
 * The one way from the engine into Lua. Takes a pooled coroutine and, inside a
 * protected call on it, runs `fill`, which pushes the function and its
 * arguments (everything that may raise) and returns the number of arguments;
 * -1: nothing to call after all. Results are dropped. Only from the loop,
 * never while Lua is on the stack (the loop's callbacks guarantee it).
 */
enum atlL_outcome atlL_enter(struct atlL_vm *vm, struct atlL_owner *owner,
                             atlL_fill_fn *fill, void *arg);

/* Like a handler, but started from the ready queue, FIFO with other tasks, and
   counted as a task that keeps the loop alive. The function and n arguments
   are popped from L. Leaves the task's handle on L if `handle`. [-(n+1), +0|1,
   m] */
struct atlL_task *atlL_task_spawn(lua_State *L, struct atlL_vm *vm, int n,
                                  struct atlL_owner *owner, bool handle);
/* The task running now on L; never NULL inside Lua called from the loop. */
struct atlL_task *atlL_task_current(struct atlL_vm *vm);
/* Raises the cancel error object at its wait and every later one. `reason`
   NULL: "cancelled". */
void atlL_task_cancel(struct atlL_task *task, int code, const char *reason);
/* `finished` of this owner will not be called any more. */
void atlL_owner_detach(struct atlL_owner *owner);
/* The running task's own wait: a task waits for one thing at a time, so waits
   that Lua starts need no memory of their own. Never NULL inside a task. */
struct atlL_wait *atlL_wait_own(struct atlL_vm *vm);
/* The same for lists of waits: first in, first out. */
struct atlL_link {
    struct atlL_link *next, *prev; /* peer */
};
void atlL_link_init(struct atlL_link *link);
bool atlL_link_empty(const struct atlL_link *link);
void atlL_link_append(struct atlL_link *head, struct atlL_link *link);
void atlL_link_remove(struct atlL_link *link); /* idempotent */
/* As atlL_wait_timed, in ns (ATL_NEVER: no limit). */
int atlL_wait_start(lua_State *L, struct atlL_wait *wait, const char *what,
                    int64_t timeout_ns, atlL_cancel_fn *cancel, void *arg);
/* Runs `fn` with `arg` as its light userdata argument, protected, from the
   loop; a failure is logged. For making Lua values where no handler runs. */
bool atlL_protected(struct atlL_vm *vm, lua_CFunction fn, void *arg);
/* Whether the VM is being closed: no callback may enter Lua any more. */
bool atlL_vm_closing(const struct atlL_vm *vm);
/* More methods for a class that was made. [-0, +0, m] */
void atlL_class_add(lua_State *L, struct atlL_vm *vm,
                    const struct atlL_class *class, const luaL_Reg *methods);
/* Pushes the method table of a class, for its Lua half. [-0, +1, -] */
void atlL_class_methods(lua_State *L, const struct atlL_class *class);
/* Where a task waits, for tasks() and messages: static text, "read 127..."? */
void atlL_task_where(struct atlL_task *task, const char *what);

/* As the public atlL_wait, with a time limit: seconds, negative: none. On
   expiry `cancel` runs and the results are nil, "timeout", "ETIMEDOUT".
   `what` (static text such as "read") says in tasks() what it waits for. */
int atlL_wait_timed(lua_State *L, struct atlL_wait *wait, const char *what,
                    double timeout, atlL_cancel_fn *cancel, void *arg);
/* Whether a wait could suspend here: where atlL_wait_check does not raise. */
bool atlL_can_wait(lua_State *L);
/*
 * As atlL_wake, but resumes the task at once instead of queueing it: only for
 * an engine callback that has borrowed bytes to hand over, with no Lua on the
 * stack. Same place in the turn as a handler of that event would have.
 */
void atlL_wake_now(struct atlL_wait *wait, atlL_push_fn *push, void *arg);

/* --- values ------------------------------------------------------------- */

/* [-0, +3, m] nil, message, code name; returns 3. `text` NULL: of the code. */
int atlL_fail(lua_State *L, int code, const char *text);
int atlL_fail_error(lua_State *L, const struct atl_error *why);
/* [-0, +1, m] The error object {message, code, detail = nil} with __tostring.
 */
void atlL_error_push(lua_State *L, int code, const char *text);
/* Code name of the error object at index, or NULL. */
const char *atlL_error_code(lua_State *L, int index);

/* Seconds at arg -> ns; `false` is ATL_NEVER; nil or none gives `fallback`.
   NaN, negative or a wrong type raises. [-0, +0, e] */
int64_t atlL_check_seconds(lua_State *L, int arg, int64_t fallback);

/* "host:port", "unix:...", or { host =, port = } -> endpoint; raises when it
   makes no sense. [-0, +0, e] */
void atlL_check_endpoint(lua_State *L, int arg, struct atl_endpoint *out);
/* [-0, +3, m] host, port, family ("unix": path, nil, "unix"); returns 3. */
int atlL_push_addr(lua_State *L, const struct atl_addr *addr);

/*
 * Option tables. Unknown keys raise, listing the known ones; each get raises
 * on a wrong type naming the key. `types`: 'b' boolean, 'n' number, 'i'
 * integer >= 0, 'z' the same or false for no limit (SIZE_MAX), 's' string, 'd'
 * seconds (false allowed), 'f' function, 't' table, 'v' any.
 */
struct atlL_option {
    const char *name;
    char type;
};
void atlL_options_check(lua_State *L, int arg, const struct atlL_option *known,
                        const char *what);
/* Each returns whether the key was there. [-0, +0, e] */
bool atlL_option_boolean(lua_State *L, int arg, const char *key, bool *out);
bool atlL_option_size(lua_State *L, int arg, const char *key, size_t *out);
bool atlL_option_seconds(lua_State *L, int arg, const char *key, int64_t *out);
bool atlL_option_switch(lua_State *L, int arg, const char *key,
                        enum atl_switch *out);

/* --- modules ------------------------------------------------------------ */

/* C halves, registered under their names by vm.c: table on the stack. Each
   luaopen of a C half gets the VM as upvalue 1 of its functions. */
int atlL_open_atools(lua_State *L, struct atlL_vm *vm);
int atlL_open_asocket(lua_State *L, struct atlL_vm *vm);

#endif
