/* SPDX-License-Identifier: MIT */
/*
 * Waiting. A wait suspends the innermost coroutine; coroutine.c carries the
 * suspension outwards through the user's own ones until enter.c is reached.
 * Results are pushed where the wait began, by the continuation below.
 */
#include "vm.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static int push_timeout(lua_State *L, void *arg)
{
    (void)arg;
    return atlL_fail(L, -ETIMEDOUT, NULL);
}

static int push_true(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushboolean(L, 1);
    return 1;
}

static bool is_transparent(const struct atlL_vm *vm, lua_CFunction fn)
{
    if (fn == atlL_deadline || fn == atlL_shield || atlL_task_is_body(fn) ||
        atlL_coroutine_waits(fn))
        return true;
    for (int i = 0; i < ATLL_TRANSPARENT; i++)
        if (fn == vm->transparent[i])
            return true;
    return false;
}

/* [-0, +1, m] What the caller calls the function, or else what a traceback
   does, where Lua knows no name because C called it. */
static const char *push_name(lua_State *L, lua_State *at, int level,
                             const lua_Debug *ar)
{
    if (ar->name != NULL)
        return lua_pushstring(L, ar->name);
    luaL_traceback(L, at, NULL, level);
    const char *name = strstr(lua_tostring(L, -1), " in ");
    const char *quote = name ? strchr(name, '\'') : NULL;
    const char *end = quote ? strchr(quote + 1, '\'') : NULL;
    if (end == NULL)
        return lua_pushstring(L, "a C function");
    return lua_pushlstring(L, quote + 1, (size_t)(end - quote - 1));
}

/* [-0, +1, m] What keeps `at` from being suspended, for a person; `level` is
   the one to begin at. */
static const char *push_obstacle(lua_State *L, lua_State *at, int level)
{
    lua_Debug ar;
    const struct atlL_vm *vm = atlL_vm_get(L);
    luaL_checkstack(L, 4, NULL);
    if (!lua_checkstack(at, 1))
        return lua_pushstring(L, "a stack overflow");
    for (; lua_getstack(at, level, &ar); level++) {
        lua_getinfo(at, "nf", &ar);
        lua_CFunction fn = lua_tocfunction(at, -1);
        lua_pop(at, 1);
        if (ar.name != NULL && strcmp(ar.name, "__gc") == 0)
            return lua_pushstring(L, "a finalizer (__gc)");
        if (fn == NULL || is_transparent(vm, fn))
            continue;
        if (fn == vm->error)
            break;
        return push_name(L, at, level, &ar);
    }
    return lua_pushstring(L, "a message handler");
}

/* NULL when a wait could suspend here, else where in the chain it could not. */
static lua_State *blocked(lua_State *L, const char **why)
{
    struct atlL_vm *vm = atlL_vm_get(L);
    if (vm->running == NULL) {
        *why = "outside a task: start it with atools.run or atools.spawn";
        return L;
    }
    if (vm->top->L != L) {
        *why = "inside a coroutine resumed by C code";
        return L;
    }
    for (const struct atlL_frame *f = vm->top;; f = f->prev) {
        *why = f->why;
        if (!lua_isyieldable(f->L))
            return f->L;
        if (f->L == vm->running->co)
            return NULL;
    }
}

bool atlL_can_wait(lua_State *L)
{
    const char *why;
    return blocked(L, &why) == NULL;
}

void atlL_wait_check(lua_State *L)
{
    const char *why;
    lua_State *at = blocked(L, &why);
    if (at == NULL)
        return;
    if (why != NULL)
        luaL_error(L, "cannot wait here: %s", why);
    luaL_error(L, "cannot wait here: inside %s, which cannot be suspended",
               push_obstacle(L, at, at == L));
}

static void forget_hold(struct atlL_task *task)
{
    if (task->holds_loop)
        atl_loop_unref(task->vm->loop);
    task->holds_loop = false;
}

/* Takes the task out of its wait, which will not be completed. */
static void give_up(struct atlL_task *task)
{
    struct atlL_wait *wait = task->wait;
    task->wait = NULL;
    wait->task = NULL;
    if (wait->cancel != NULL)
        wait->cancel(wait, wait->cancel_arg);
    task->push = NULL;
}

/* A C library resumed a waiting coroutine behind our back: it fails there, and
   the task goes on to find it dead. */
static int stolen(lua_State *L, struct atlL_task *task)
{
    if (task->wait != NULL) {
        give_up(task);
        forget_hold(task);
        atl_timer_stop(&task->timer);
        atlL_task_ready(task);
    }
    return luaL_error(L, "resumed by C code while it waits");
}

static int wait_ended(lua_State *L, int status, lua_KContext ctx)
{
    struct atlL_task *task = (struct atlL_task *)ctx;
    struct atlL_vm *vm = task->vm;
    (void)status;
    lua_pop(L, 1); /* the mark */
    if (vm->running != task || vm->top->L != L)
        return stolen(L, task);
    atlL_push_fn *push = task->push;
    task->what = NULL;
    forget_hold(task);
    atl_timer_stop(&task->timer);
    luaL_checkstack(L, 8, NULL);
    if (push != NULL) {
        task->push = NULL;
        return push(L, task->push_arg);
    }
    const char *text;
    void *scope;
    int code = atlL_scope_pending(task, &text, &scope);
    if (code == 0) { /* a shield began to hold meanwhile: nothing to raise */
        lua_pushboolean(L, 1);
        return 1;
    }
    atlL_error_push_scope(L, code, text, scope);
    return lua_error(L);
}

static int suspend(lua_State *L, struct atlL_task *task)
{
    task->vm->yielding = task;
    return atlL_suspend(L, (lua_KContext)task, wait_ended);
}

int atlL_wait_start(lua_State *L, struct atlL_wait *wait, const char *what,
                    int64_t timeout_ns, atlL_cancel_fn *cancel, void *arg)
{
    struct atlL_vm *vm = atlL_vm_get(L);
    struct atlL_task *task = vm->running;
    const char *text;
    void *scope;
    if (!atlL_can_wait(L)) {
        if (cancel != NULL && !wait->woken)
            cancel(wait, arg);
        atlL_wait_check(L);
    }
    if (wait->woken) {
        wait->woken = false;
        return wait->push(L, wait->push_arg);
    }
    if (atlL_scope_pending(task, &text, &scope) != 0) {
        /* Refused, but a turn goes by: a loop of protected calls that all fail
           cannot keep the engine from its work. */
        if (cancel != NULL)
            cancel(wait, arg);
        task->push = NULL;
        atlL_task_ready(task);
        return suspend(L, task);
    }
    if (timeout_ns != ATL_NEVER &&
        atl_timer_start(&task->timer, timeout_ns, 0) < 0) {
        if (cancel != NULL)
            cancel(wait, arg);
        return luaL_error(L, "not enough memory");
    }
    wait->task = task;
    wait->cancel = cancel;
    wait->cancel_arg = arg;
    task->wait = wait;
    task->what = what;
    task->push = NULL;
    task->on_timeout = push_timeout;
    return suspend(L, task);
}

int atlL_wait_sleep(lua_State *L, int64_t ns)
{
    struct atlL_vm *vm = atlL_vm_get(L);
    atlL_wait_check(L);
    struct atlL_task *task = vm->running;
    task->own.woken = false;
    const char *text;
    void *scope;
    if (atlL_scope_pending(task, &text, &scope) == 0) {
        if (ns == 0) { /* one turn, in the order of all that is ready */
            task->push = push_true;
            atlL_task_ready(task);
            return suspend(L, task);
        }
        if (atl_timer_start(&task->timer, ns, 0) < 0)
            return luaL_error(L, "not enough memory");
        task->own = (struct atlL_wait){.task = task};
        task->wait = &task->own;
        task->what = "sleep";
        task->push = NULL;
        task->on_timeout = push_true;
        return suspend(L, task);
    }
    task->push = NULL;
    atlL_task_ready(task);
    return suspend(L, task);
}

int atlL_wait_timed(lua_State *L, struct atlL_wait *wait, const char *what,
                    double timeout, atlL_cancel_fn *cancel, void *arg)
{
    int64_t ns = ATL_NEVER;
    if (timeout >= 0 && timeout < 9e9)
        ns = (int64_t)ceil(timeout * 1e9);
    return atlL_wait_start(L, wait, what, ns, cancel, arg);
}

int atlL_wait(lua_State *L, struct atlL_wait *wait, atlL_cancel_fn *cancel,
              void *arg)
{
    struct atlL_vm *vm = atlL_vm_get(L);
    if (!wait->woken && atlL_can_wait(L) && !vm->running->holds_loop) {
        vm->running->holds_loop = true;
        atl_loop_ref(vm->loop);
    }
    return atlL_wait_start(L, wait, "host function", ATL_NEVER, cancel, arg);
}

/* Takes the task out of the wait; NULL when nobody waits (any more). */
static struct atlL_task *complete(struct atlL_wait *wait, atlL_push_fn *push,
                                  void *arg)
{
    struct atlL_task *task = wait->task;
    if (task == NULL) {
        if (wait->woken)
            return NULL;
        wait->push = push;
        wait->push_arg = arg;
        wait->woken = true;
        return NULL;
    }
    wait->task = NULL;
    task->wait = NULL;
    task->push = push;
    task->push_arg = arg;
    return task;
}

void atlL_wake(struct atlL_wait *wait, atlL_push_fn *push, void *arg)
{
    struct atlL_task *task = complete(wait, push, arg);
    if (task == NULL)
        return;
    atl_timer_stop(&task->timer);
    atlL_task_ready(task);
}

void atlL_wake_now(struct atlL_wait *wait, atlL_push_fn *push, void *arg)
{
    struct atlL_task *task = complete(wait, push, arg);
    if (task != NULL)
        atlL_task_resume(task, 0);
}

void atlL_task_interrupt(struct atlL_task *task)
{
    const char *text;
    void *scope;
    if (task->wait == NULL || atlL_scope_pending(task, &text, &scope) == 0)
        return;
    give_up(task);
    atl_timer_stop(&task->timer);
    atlL_task_ready(task);
}

void atlL_task_cancel(struct atlL_task *task, int code, const char *reason)
{
    if (task->cancelled)
        return;
    task->cancelled = true;
    task->cancel_code = (int16_t)code;
    if (reason != NULL) /* without memory for the words it is cancelled too */
        task->cancel_text = strdup(reason);
    atlL_task_interrupt(task);
}
