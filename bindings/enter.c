/* SPDX-License-Identifier: MIT */
/*
 * The one way from the engine into Lua. Only a light C function and a light
 * userdata are pushed before lua_resume, which protects everything after: what
 * may fail for want of memory fails inside. The handler itself runs under a
 * second protected call inside the coroutine, so that `<close>` variables may
 * wait while an error unwinds and a traceback can be taken where it was
 * raised.
 */
#include "vm.h"

#include <string.h>

/* The message handler of tasks. It leaves the value as it is, for `<close>`
   variables that look at it; the traceback waits in a table of the VM. */
static int keep_traceback(lua_State *L)
{
    struct atlL_vm *vm = atlL_vm_get(L);
    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->tracebacks);
    luaL_traceback(L, L, atlL_text_push(L, 1), 1);
    lua_rawsetp(L, 2, vm->running);
    lua_settop(L, 1);
    return 1;
}

/* [-0, +1, -] The traceback kept for a task that failed, or nil: memory errors
   have no handler run. */
static void take_traceback(lua_State *L, const struct atlL_task *task)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->vm->tracebacks);
    lua_rawgetp(L, -1, task);
    lua_pushnil(L);
    lua_rawsetp(L, -3, task); /* an existing key, or none: no memory needed */
    lua_remove(L, -2);
}

static int log_error(lua_State *L, const char *what, int value, int traceback)
{
    const char *text = lua_tostring(L, traceback);
    if (text == NULL)
        text = atlL_text_push(L, value);
    /* One line a call: the log escapes control bytes. */
    atl_log(ATL_LOG_ERROR, "error in %s:", what);
    while (*text != '\0') {
        const char *end = strchr(text, '\n');
        int n = end ? (int)(end - text) : (int)strlen(text);
        char line[512];
        int at = 0;
        for (int i = 0; i < n && at + 4 < (int)sizeof(line); i++) {
            if (text[i] == '\t') {
                memcpy(line + at, "    ", 4);
                at += 4;
            } else {
                line[at++] = text[i];
            }
        }
        line[at] = '\0';
        atl_log(ATL_LOG_ERROR, "  %s", line);
        text += n + (end != NULL);
    }
    return 0;
}

/* Arguments: value, traceback, VM, what, handler or nil, object or nil. */
enum { VALUE = 1, TRACEBACK, VM, WHAT, HANDLER, OBJECT, REPORT_ARGS = 6 };

static int report_ended(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    if (status != LUA_OK && status != LUA_YIELD) {
        /* An error in the error handler: told, and that is all. */
        atl_log(ATL_LOG_ERROR, "error in on_error: %s", atlL_text_push(L, -1));
    }
    return 0;
}

static int report(lua_State *L)
{
    struct atlL_vm *vm = lua_touserdata(L, VM);
    const char *what = lua_touserdata(L, WHAT);
    if (lua_isnil(L, HANDLER) && vm->on_error != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm->on_error);
        lua_replace(L, HANDLER);
    }
    if (lua_isnil(L, HANDLER))
        return log_error(L, what, VALUE, TRACEBACK);
    lua_pushvalue(L, HANDLER);
    lua_pushvalue(L, OBJECT);
    lua_pushvalue(L, VALUE);
    lua_pushvalue(L, TRACEBACK);
    return report_ended(L, lua_pcallk(L, 3, 0, 0, 0, report_ended), 0);
}

/* [-2, +REPORT_ARGS, m] what report takes, from value and traceback. */
static void push_report(lua_State *L, struct atlL_vm *vm, const char *what,
                        struct atlL_owner *owner)
{
    lua_pushlightuserdata(L, vm);
    lua_pushlightuserdata(L, (void *)(uintptr_t)what);
    if (owner != NULL && owner->type->push_on_error != NULL) {
        owner->type->push_on_error(L, owner);
    } else {
        lua_pushnil(L);
        lua_pushnil(L);
    }
}

int atlL_report_push(lua_State *L, struct atlL_vm *vm, const char *what)
{
    luaL_checkstack(L, REPORT_ARGS + 4, NULL);
    lua_pushcfunction(L, report);
    lua_insert(L, -3);
    push_report(L, vm, what, NULL);
    return REPORT_ARGS;
}

static bool is_quiet(lua_State *L, struct atlL_task *task)
{
    struct atlL_owner *owner = task->owner;
    if (owner == NULL || owner->type->is_quiet == NULL)
        return false;
    lua_pushvalue(L, -2);
    const char *code = atlL_error_code(L, -1);
    bool quiet = code != NULL && owner->type->is_quiet(owner, code);
    lua_pop(L, 1);
    task->vm->quiet += quiet;
    return quiet;
}

static int failure_told(lua_State *L, int status, lua_KContext ctx)
{
    (void)L;
    (void)status;
    (void)ctx;
    return 0;
}

/* The protected call ended: results, or the error, are on the stack from 2. */
static int body_ended(lua_State *L, int status, lua_KContext ctx)
{
    struct atlL_task *task = (struct atlL_task *)ctx;
    struct atlL_vm *vm = task->vm;
    bool ok = status == LUA_OK || status == LUA_YIELD;
    task->failed = !ok;
    if (task->handle != NULL && ok) {
        atlL_handle_finish(L, task, true, lua_gettop(L) - 1);
        return 0;
    }
    if (ok)
        return 0;
    vm->failures++;
    luaL_checkstack(L, REPORT_ARGS + 4, NULL);
    take_traceback(L, task);
    if (is_quiet(L, task))
        return 0;
    if (task->handle != NULL && task->owner == NULL) {
        atlL_handle_finish(L, task, false, 2);
        return 0;
    }
    lua_pushcfunction(L, report);
    lua_insert(L, -3);
    push_report(L, vm, task->owner ? task->owner->type->what : "task",
                task->owner);
    lua_callk(L, REPORT_ARGS, 0, 0, failure_told);
    return 0;
}

/* The bottom of every task. Arguments: the task, then, for a spawned one, the
   function and its arguments. */
static int body(lua_State *L)
{
    struct atlL_task *task = lua_touserdata(L, 1);
    lua_KContext ctx = (lua_KContext)task;
    int n, status;
    lua_pushcfunction(L, keep_traceback);
    lua_replace(L, 1);
    if (task->fill == NULL) {
        n = lua_gettop(L) - 2;
        status = lua_pcallk(L, n, LUA_MULTRET, 1, ctx, body_ended);
        return body_ended(L, status, ctx);
    }
    n = task->fill(L, task->fill_arg);
    while (n >= 0) {
        /* A call that waits does not come back here. */
        status = lua_pcallk(L, n, LUA_MULTRET, 1, ctx, body_ended);
        struct atlL_owner *owner = task->owner;
        if (status != LUA_OK || task->handle != NULL || owner == NULL ||
            owner->type->again == NULL)
            return body_ended(L, status, ctx);
        lua_settop(L, 1);
        n = owner->type->again(L, task->fill_arg);
    }
    return 0;
}

bool atlL_task_is_body(lua_CFunction fn)
{
    return fn == body;
}

/* An error outside the inner protected call: memory, as a rule. */
static void body_failed(struct atlL_task *task)
{
    const char *text = lua_type(task->co, -1) == LUA_TSTRING
                           ? lua_tostring(task->co, -1)
                           : "error without text";
    task->failed = true;
    task->vm->failures++;
    atl_log(ATL_LOG_ERROR, "error in %s: %s",
            task->owner ? task->owner->type->what : "task", text);
    lua_resetthread(task->co);
    if (task->handle != NULL)
        atlL_handle_finish(task->co, task, false, -1);
}

static void task_ended(struct atlL_task *task)
{
    struct atlL_owner *owner = task->owner;
    bool ok = !task->failed, waited = task->waited;
    lua_settop(task->co, 0);
    if (task->scope != NULL)
        atlL_scopes_abandon(task);
    if (task->handle != NULL)
        atlL_handle_drop(task, ok);
    task->owner = NULL;
    if (owner != NULL)
        owner->task = NULL;
    if (owner != NULL && waited && owner->type->finished != NULL)
        owner->type->finished(owner, task, ok);
    atlL_task_recycle(task);
}

/* `args` values for a start (the function included), 0 when it goes on. */
void atlL_task_resume(struct atlL_task *task, int args)
{
    struct atlL_vm *vm = task->vm;
    struct atlL_frame frame = {task->co, vm->top, NULL};
    struct atlL_task *previous = vm->running;
    lua_State *L = task->co;
    int results, status;
    if (task->fill != NULL || args > 0) {
        lua_pushcfunction(L, body);
        lua_pushlightuserdata(L, task);
        if (args > 0) /* a spawned function and its arguments go behind */
            lua_rotate(L, 1, 2);
        args++;
    }
    if (vm->held)
        atlL_unhold(vm);
    task->state = ATLL_RUNNING;
    vm->top = &frame;
    vm->running = task;
    status = lua_resume(L, vm->base, args, &results);
    vm->top = frame.prev;
    vm->running = previous;
    task->fill = NULL;
    if (status == LUA_YIELD) {
        task->waited = true;
        if (vm->yielding == task) {
            vm->yielding = NULL;
            if (task->state == ATLL_RUNNING)
                task->state = ATLL_SUSPENDED;
        } else { /* coroutine.yield by the task itself: gives up a turn */
            lua_pop(L, results);
            atlL_coroutine_mark(L);
            atlL_task_ready(task);
        }
        return;
    }
    if (status != LUA_OK)
        body_failed(task);
    task_ended(task);
}

enum atlL_outcome atlL_enter(struct atlL_vm *vm, struct atlL_owner *owner,
                             atlL_fill_fn *fill, void *arg)
{
    if (vm->closing)
        return ATLL_FAILED;
    struct atlL_task *task = atlL_task_new(vm);
    if (task == NULL)
        return ATLL_FAILED;
    task->owner = owner;
    if (owner != NULL)
        owner->task = task;
    task->fill = fill;
    task->fill_arg = arg;
    uint64_t failures = vm->failures;
    atlL_task_resume(task, 0);
    /* The task may be gone; the owner tells whether it still works. */
    if (owner != NULL && owner->task != NULL)
        return ATLL_WAITING;
    return vm->failures != failures ? ATLL_FAILED : ATLL_DONE;
}
