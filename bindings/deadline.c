/* SPDX-License-Identifier: MIT */
/*
 * Deadlines and shields: scopes of a task, linked from the innermost out. A
 * wait asks them, in that order, whether it may go on. The userdata of a scope
 * unlinks itself however its function is left, also when its coroutine is
 * closed. While a coroutine of the user's has yielded, its scopes are parked:
 * they are not about what its caller does meanwhile.
 */
#include "vm.h"

#include <errno.h>
#include <string.h>

struct atlL_scope {
    struct atlL_box box;
    struct atlL_task *task;   /* peer; NULL once left, and while parked */
    struct atlL_scope *outer; /* peer */
    lua_State *co;            /* peer: the coroutine it was entered in */
    struct atlL_link parked;
    struct atl_timer timer;
    bool shield;
    bool expired;
};

int atlL_scope_pending(const struct atlL_task *task, const char **text,
                       void **scope)
{
    *scope = NULL;
    for (struct atlL_scope *s = task->scope; s != NULL; s = s->outer) {
        if (s->shield && !s->expired)
            return 0;
        if (!s->shield && s->expired) {
            *text = "timeout";
            *scope = s;
            return -ETIMEDOUT;
        }
    }
    if (!task->cancelled)
        return 0;
    *text = task->cancel_text ? task->cancel_text : "cancelled";
    return task->cancel_code;
}

static void on_expired(struct atl_timer *timer)
{
    struct atlL_scope *s = timer->data;
    s->expired = true;
    if (s->task != NULL)
        atlL_task_interrupt(s->task);
}

static void unlink_scope(struct atlL_scope *s)
{
    atlL_link_remove(&s->parked);
    /* Scopes are left from the inside out, unless the coroutine of one was
       closed or forgotten. */
    for (struct atlL_scope **p = s->task ? &s->task->scope : NULL;
         p != NULL && *p != NULL; p = &(*p)->outer) {
        if (*p == s) {
            *p = s->outer;
            break;
        }
    }
    s->task = NULL;
}

static int scope_leave(lua_State *L)
{
    struct atlL_scope *s = lua_touserdata(L, 1);
    if (s->parked.next == NULL) /* never entered */
        return 0;
    if (s->box.vm->loop != NULL)
        atl_timer_stop(&s->timer);
    unlink_scope(s);
    return 0;
}

static void park_scope(struct atlL_vm *vm, struct atlL_scope *s)
{
    s->task = NULL;
    atlL_link_append(&vm->parked, &s->parked);
}

void atlL_scopes_park(struct atlL_vm *vm, lua_State *co, bool goes_on)
{
    struct atlL_task *task = vm->running;
    while (task != NULL && task->scope != NULL && task->scope->co == co) {
        struct atlL_scope *s = task->scope;
        task->scope = s->outer;
        if (goes_on) {
            park_scope(vm, s);
        } else {
            atl_timer_stop(&s->timer);
            s->task = NULL;
        }
    }
}

/* Innermost ones were parked first. */
void atlL_scopes_unpark(struct atlL_vm *vm, lua_State *co)
{
    struct atlL_task *task = vm->running;
    struct atlL_link *next;
    if (task == NULL)
        return;
    for (struct atlL_link *l = vm->parked.prev; l != &vm->parked; l = next) {
        struct atlL_scope *s = ATLL_CONTAINER(l, struct atlL_scope, parked);
        next = l->prev;
        if (s->co != co)
            continue;
        atlL_link_remove(l);
        s->task = task;
        s->outer = task->scope;
        task->scope = s;
    }
}

void atlL_scopes_forget(struct atlL_vm *vm)
{
    while (!atlL_link_empty(&vm->parked)) {
        struct atlL_link *l = vm->parked.next;
        struct atlL_scope *s = ATLL_CONTAINER(l, struct atlL_scope, parked);
        atlL_link_remove(l);
        atl_timer_stop(&s->timer);
    }
}

void atlL_scopes_abandon(struct atlL_task *task)
{
    for (struct atlL_scope *s = task->scope; s != NULL; s = s->outer) {
        atl_timer_stop(&s->timer);
        s->task = NULL;
    }
    task->scope = NULL;
}

static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const struct atlL_class scope_class = {"atools.scope", no_methods,
                                              scope_leave, false};

void atlL_deadline_open(lua_State *L, struct atlL_vm *vm)
{
    atlL_class_make(L, vm, &scope_class);
}

/* Below: the scope at 1, the function's results or the error above it. */
static int scope_ended(lua_State *L, int status, lua_KContext ctx)
{
    struct atlL_scope *s = (struct atlL_scope *)ctx;
    bool ok = status == LUA_OK || status == LUA_YIELD;
    atl_timer_stop(&s->timer);
    unlink_scope(s);
    if (ok)
        return lua_gettop(L) - 1;
    if (s->expired && !s->shield && atlL_error_scope(L, -1) == s)
        return atlL_fail(L, -ETIMEDOUT, NULL);
    return lua_error(L);
}

static int run_scope(lua_State *L, bool shield)
{
    struct atlL_vm *vm = ATLL_VM(L);
    int64_t ns = atlL_check_seconds(L, 1, ATL_NEVER);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (vm->running == NULL)
        return luaL_error(L, "outside a task: start it with atools.run or "
                             "atools.spawn");
    struct atlL_scope *s = atlL_box_new(L, vm, &scope_class, sizeof(*s));
    s->shield = shield;
    lua_replace(L, 1);
    lua_toclose(L, 1);
    atl_timer_init(&s->timer, vm->loop, on_expired, s);
    atlL_link_init(&s->parked);
    if (atl_timer_start(&s->timer, ns, 0) < 0)
        return luaL_error(L, "not enough memory");
    s->co = L;
    s->task = vm->running;
    s->outer = s->task->scope;
    s->task->scope = s;
    int n = lua_gettop(L) - 2;
    return scope_ended(
        L, lua_pcallk(L, n, LUA_MULTRET, 0, (lua_KContext)s, scope_ended),
        (lua_KContext)s);
}

int atlL_deadline(lua_State *L)
{
    return run_scope(L, false);
}

int atlL_shield(lua_State *L)
{
    return run_scope(L, true);
}
