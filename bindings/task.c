/* SPDX-License-Identifier: MIT */
/*
 * Tasks: a coroutine and what is known of it. Finished ones wait in a pool,
 * coroutine and all, so that running a handler allocates nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vm.h"

#define POOL_MAX 64

static void task_free(struct atlL_task *task)
{
    free(task->cancel_text);
    free(task);
}

static void on_timer(struct atl_timer *timer)
{
    struct atlL_task *task = timer->data;
    struct atlL_wait *wait = task->wait;
    if (wait == NULL)
        return;
    task->wait = NULL;
    wait->task = NULL;
    if (wait->cancel != NULL)
        wait->cancel(wait, wait->cancel_arg);
    task->push = task->on_timeout;
    task->push_arg = NULL;
    /* The loop called: nothing of Lua is on the stack. */
    atlL_task_resume(task, 0);
}

/* Upvalue-free: makes the thread and anchors it. Arguments: VM, task. */
static int make_thread(lua_State *L)
{
    struct atlL_vm *vm = lua_touserdata(L, 1);
    struct atlL_task *task = lua_touserdata(L, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->threads);
    task->co = lua_newthread(L);
    lua_rawsetp(L, -2, task);
    return 0;
}

struct atlL_task *atlL_task_new(struct atlL_vm *vm)
{
    struct atlL_task *task = vm->idle;
    if (task != NULL) {
        vm->idle = (struct atlL_task *)task->link.next;
        vm->idle_count--;
    } else {
        task = calloc(1, sizeof(*task));
        if (task == NULL)
            return NULL;
        task->vm = vm;
        lua_State *L = vm->base;
        bool made = lua_checkstack(L, 4);
        if (made) {
            lua_pushcfunction(L, make_thread);
            lua_pushlightuserdata(L, vm);
            lua_pushlightuserdata(L, task);
            made = lua_pcall(L, 2, 0, 0) == LUA_OK;
            if (!made)
                lua_pop(L, 1);
        }
        if (!made) {
            free(task);
            return NULL;
        }
        atl_timer_init(&task->timer, vm->loop, on_timer, task);
        atlL_link_init(&task->queue);
    }
    atlL_link_append(&vm->tasks, &task->link);
    vm->task_count++;
    task->owner = NULL;
    task->handle = NULL;
    task->scope = NULL;
    task->wait = NULL;
    task->what = NULL;
    task->fill = NULL;
    task->push = NULL;
    task->args = 0;
    task->cancelled = task->waited = task->failed = task->holds_loop = false;
    task->state = ATLL_READY;
    return task;
}

/* Frees the coroutine; must not raise: assigning nil to a key allocates
   nothing. */
static void drop(struct atlL_task *task)
{
    lua_State *L = task->vm->base;
    if (lua_checkstack(L, 2)) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, task->vm->threads);
        lua_pushnil(L);
        lua_rawsetp(L, -2, task);
        lua_pop(L, 1);
    }
    task_free(task);
}

void atlL_task_recycle(struct atlL_task *task)
{
    struct atlL_vm *vm = task->vm;
    atl_timer_stop(&task->timer);
    atlL_link_remove(&task->link);
    atlL_link_remove(&task->queue);
    vm->task_count--;
    task->state = ATLL_IDLE;
    free(task->cancel_text);
    task->cancel_text = NULL;
    if (vm->idle_count >= POOL_MAX) {
        drop(task);
        return;
    }
    task->link.next = (struct atlL_link *)vm->idle;
    vm->idle = task;
    vm->idle_count++;
}

void atlL_task_ready(struct atlL_task *task)
{
    struct atlL_vm *vm = task->vm;
    task->state = ATLL_READY;
    atlL_link_append(&vm->ready, &task->queue);
    atl_loop_defer(vm->loop, &vm->ready_post);
}

struct atlL_task *atlL_task_current(struct atlL_vm *vm)
{
    return vm->running;
}

struct atlL_wait *atlL_wait_own(struct atlL_vm *vm)
{
    vm->running->own = (struct atlL_wait)ATLL_WAIT_INIT;
    return &vm->running->own;
}

void atlL_task_where(struct atlL_task *task, const char *what)
{
    task->what = what;
}

void atlL_task_traceback(lua_State *L, struct atlL_task *task)
{
    lua_State *inner[16];
    int n = 0;
    for (lua_State *co = task->co; co != NULL && n < 16;
         co = atlL_coroutine_inner(co))
        inner[n++] = co;
    luaL_checkstack(L, 4, NULL);
    luaL_traceback(L, inner[--n], NULL, 0);
    while (n-- > 0) {
        lua_pushliteral(L, "\n");
        luaL_traceback(L, inner[n], NULL, 0);
        luaL_gsub(L, lua_tostring(L, -1), "stack traceback:", "resumed in:");
        lua_remove(L, -2);
        lua_concat(L, 3);
    }
}

void atlL_owner_detach(struct atlL_owner *owner)
{
    if (owner->task != NULL)
        owner->task->owner = NULL;
    owner->task = NULL;
}

struct atlL_task *atlL_task_spawn(lua_State *L, struct atlL_vm *vm, int n,
                                  struct atlL_owner *owner, bool handle)
{
    atlL_vm_loop(L, vm);
    luaL_argcheck(L, n < 200, 1, "too many arguments");
    luaL_checkstack(L, 4, NULL);
    struct atlL_handle *made = NULL;
    if (handle) {
        made = atlL_handle_new(L, vm);
        lua_insert(L, -(n + 2));
    }
    struct atlL_task *task = atlL_task_new(vm);
    if (task == NULL || !lua_checkstack(task->co, n + 8)) {
        if (task != NULL)
            atlL_task_recycle(task);
        atlL_handle_discard(made);
        luaL_error(L, "not enough memory");
        return NULL;
    }
    atlL_handle_link(made, task);
    lua_xmove(L, task->co, n + 1);
    task->args = (uint8_t)(n + 1);
    task->owner = owner;
    if (owner != NULL)
        owner->task = task;
    vm->spawned++;
    atlL_task_ready(task);
    return task;
}

/* Arguments: VM, function, its arguments. */
static int spawn_protected(lua_State *L)
{
    struct atlL_vm *vm = lua_touserdata(L, 1);
    atlL_task_spawn(L, vm, lua_gettop(L) - 2, NULL, false);
    return 0;
}

int atlL_spawn(lua_State *L, int n)
{
    struct atlL_vm *vm = atlL_vm_get(L);
    int base = lua_gettop(L) - n;
    if (!lua_checkstack(L, n + 4))
        return -ENOMEM;
    lua_pushcfunction(L, spawn_protected);
    lua_pushlightuserdata(L, vm);
    for (int i = 0; i <= n; i++)
        lua_pushvalue(L, base + i);
    int status = lua_pcall(L, n + 2, 0, 0);
    if (status != LUA_OK) {
        lua_settop(L, base + n);
        return -ENOMEM;
    }
    lua_settop(L, base - 1);
    return 0;
}

/* Nobody will tell it anything any more. */
static void sever(struct atlL_task *task)
{
    struct atlL_wait *wait = task->wait;
    task->wait = NULL;
    if (wait != NULL) {
        wait->task = NULL;
        if (wait->cancel != NULL)
            wait->cancel(wait, wait->cancel_arg);
    }
    if (task->holds_loop)
        atl_loop_unref(task->vm->loop);
    task->holds_loop = false;
    if (task->owner != NULL)
        task->owner->task = NULL;
    task->owner = NULL;
    atl_timer_stop(&task->timer);
    atlL_link_remove(&task->queue);
}

/* Its `<close>` variables are closed, from the inside out; they cannot wait. */
static void close_coroutines(lua_State *co)
{
    lua_State *inner = atlL_coroutine_inner(co);
    if (inner != NULL)
        close_coroutines(inner);
    if (lua_resetthread(co) == LUA_OK)
        return;
    const char *text = lua_tostring(co, -1);
    atl_log(ATL_LOG_ERROR, "error while closing a task: %s",
            text ? text : "(no text)");
    lua_settop(co, 0);
}

void atlL_tasks_close(struct atlL_vm *vm)
{
    for (struct atlL_link *l = vm->tasks.next; l != &vm->tasks; l = l->next) {
        struct atlL_task *task = (struct atlL_task *)l;
        if (task->state == ATLL_RUNNING)
            continue;
        sever(task);
        task->fill = NULL;
        task->args = 0;
        if (lua_status(task->co) == LUA_YIELD)
            close_coroutines(task->co);
    }
}

void atlL_tasks_free(struct atlL_vm *vm)
{
    struct atlL_link *next;
    for (struct atlL_link *l = vm->tasks.next; l != &vm->tasks; l = next) {
        struct atlL_task *task = (struct atlL_task *)l;
        next = l->next;
        sever(task);
        atlL_scopes_abandon(task);
        atlL_handle_abandon(task);
        if (task == vm->running) /* still on the C stack: it frees itself */
            continue;
        atlL_link_remove(&task->link);
        task_free(task);
    }
    while (vm->idle != NULL) {
        struct atlL_task *task = vm->idle;
        vm->idle = (struct atlL_task *)task->link.next;
        task_free(task);
    }
    vm->idle_count = 0;
}
