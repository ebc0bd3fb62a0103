/* SPDX-License-Identifier: MIT */
/*
 * Deadlines and shields: scopes of a task, linked from the innermost out. A
 * wait asks them, in that order, whether it may go on. The userdata of a scope
 * unlinks itself however its function is left, also when its coroutine is
 * closed.
 */
#include "vm.h"

#include <errno.h>
#include <string.h>

struct atlL_scope {
    struct atlL_box box;
    struct atlL_task *task;   /* peer; NULL once left */
    struct atlL_scope *outer; /* peer */
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
    *text = task->cancel_text;
    return task->cancel_code;
}

static void on_expired(struct atl_timer *timer)
{
    struct atlL_scope *s = timer->data;
    s->expired = true;
    if (s->task != NULL)
        atlL_task_interrupt(s->task);
}

static int scope_leave(lua_State *L)
{
    struct atlL_scope *s = lua_touserdata(L, 1);
    if (s->task == NULL)
        return 0;
    if (s->box.vm->loop != NULL && !s->box.vm->closing)
        atl_timer_stop(&s->timer);
    /* Scopes are left from the inside out, unless a coroutine holding one was
       abandoned: then it is found further in. */
    for (struct atlL_scope **p = &s->task->scope; *p != NULL;
         p = &(*p)->outer) {
        if (*p == s) {
            *p = s->outer;
            break;
        }
    }
    s->task = NULL;
    return 0;
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
    if (s->task != NULL) {
        lua_pushcfunction(L, scope_leave);
        lua_pushvalue(L, 1);
        lua_call(L, 1, 0);
    }
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
        return luaL_error(L, "outside a task: start it with atools.run");
    struct atlL_scope *s = atlL_box_new(L, vm, &scope_class, sizeof(*s));
    s->shield = shield;
    atl_timer_init(&s->timer, vm->loop, on_expired, s);
    lua_replace(L, 1);
    if (atl_timer_start(&s->timer, ns, 0) < 0)
        return luaL_error(L, "not enough memory");
    s->task = vm->running;
    s->outer = s->task->scope;
    s->task->scope = s;
    lua_toclose(L, 1);
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
