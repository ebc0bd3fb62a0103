/* SPDX-License-Identifier: MIT */
/*
 * Timers of Lua. The loop owns a running timer: its box is anchored until it
 * has fired for the last time or was closed, whether the script kept it or not.
 * User value 2 is the function, or a table of it and its arguments.
 */
#include <errno.h>

#include "vm.h"

struct timer_box {
    struct atlL_box box;
    struct atlL_owner owner;
    struct atl_timer timer;
    int count;       /* of function and arguments in the table; 1: no table */
    uint64_t missed; /* ticks skipped because the handler was still at work */
    bool open;
    bool deferred; /* its task is queued and will call the function */
};

static const struct atlL_class timer_class;

static int fill(lua_State *L, void *arg)
{
    struct timer_box *t = arg;
    atlL_box_push(L, &t->box);
    int self = lua_gettop(L);
    lua_getiuservalue(L, self, 2);
    lua_remove(L, self);
    if (t->count == 1)
        return 0;
    luaL_checkstack(L, t->count, "too many arguments");
    for (int i = 1; i <= t->count; i++)
        lua_rawgeti(L, self, i);
    lua_remove(L, self);
    return t->count - 1;
}

static int fill_deferred(lua_State *L, void *arg)
{
    struct timer_box *t = arg;
    if (!t->deferred) /* closed or moved meanwhile */
        return -1;
    t->deferred = false;
    return fill(L, t);
}

static void settle(struct timer_box *t)
{
    if (!atl_timer_active(&t->timer) && t->owner.task == NULL) {
        t->open = false;
        atlL_box_release(&t->box);
    }
}

static void finished(struct atlL_owner *owner, struct atlL_task *task, bool ok)
{
    (void)task;
    (void)ok;
    settle(ATLL_CONTAINER(owner, struct timer_box, owner));
}

static const struct atlL_owner_type owner_type = {.what = "timer",
                                                  .finished = finished};

static void on_timer(struct atl_timer *timer)
{
    struct timer_box *t = timer->data;
    if (t->owner.task != NULL && t->owner.task->fill == fill_deferred) {
        atl_timer_start(timer, 0, timer->repeat_ns); /* not begun: after it */
        return;
    }
    if (t->owner.task != NULL) { /* the last tick is still at work */
        t->missed++;
        return;
    }
    atlL_enter(t->box.vm, &t->owner, fill, t);
    settle(t);
}

/* [-0, +1, m] A timer for the function at 2 and its arguments above. */
static struct timer_box *new_timer(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    struct atl_loop *loop = atlL_vm_loop(L, vm);
    int count = lua_gettop(L) - 1;
    if (count > 1) {
        lua_createtable(L, count, 0);
        lua_insert(L, 2);
        for (int i = count; i >= 1; i--)
            lua_rawseti(L, 2, i);
    }
    struct timer_box *t = atlL_box_new(L, vm, &timer_class, sizeof(*t));
    t->owner.type = &owner_type;
    t->count = count;
    atl_timer_init(&t->timer, loop, on_timer, t);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 2);
    atlL_box_anchor(L, -1);
    return t;
}

static int start(lua_State *L, int64_t delay_ns, int64_t repeat_ns)
{
    struct timer_box *t = new_timer(L);
    if (atl_timer_start(&t->timer, delay_ns, repeat_ns) < 0) {
        atlL_box_release(&t->box);
        return luaL_error(L, "not enough memory");
    }
    t->open = true;
    return 1;
}

int atlL_timer_after(lua_State *L)
{
    int64_t ns = atlL_check_seconds(L, 1, 0);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    return start(L, ns, 0);
}

int atlL_timer_every(lua_State *L)
{
    int64_t ns = atlL_check_seconds(L, 1, 0);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_argcheck(L, ns > 0 && ns != ATL_NEVER, 1,
                  "the interval must be more than 0");
    return start(L, ns, ns);
}

int atlL_timer_defer(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushnil(L);
    lua_insert(L, 1);
    struct timer_box *t = new_timer(L);
    struct atlL_task *task = atlL_task_new(t->box.vm);
    if (task == NULL) {
        atlL_box_release(&t->box);
        return luaL_error(L, "not enough memory");
    }
    t->open = t->deferred = true;
    t->owner.task = task;
    task->owner = &t->owner;
    task->fill = fill_deferred;
    task->fill_arg = t;
    task->waited = true; /* `finished` is to be called in any case */
    atlL_task_ready(task);
    return 1;
}

static struct timer_box *check(lua_State *L)
{
    return atlL_box_check(L, 1, &timer_class);
}

static int l_close(lua_State *L)
{
    struct timer_box *t = check(L);
    t->deferred = false;
    if (t->open && t->box.vm->loop != NULL) {
        atl_timer_stop(&t->timer);
        settle(t);
    }
    return 0;
}

static int l_again(lua_State *L)
{
    struct timer_box *t = check(L);
    int64_t ns = atlL_check_seconds(L, 2, t->timer.repeat_ns);
    if (t->box.vm->closing)
        return atlL_fail(L, ATL_ECLOSED, NULL);
    atlL_box_anchor(L, 1);
    t->open = true;
    t->deferred = false;
    if (atl_timer_start(&t->timer, ns, t->timer.repeat_ns > 0 ? ns : 0) < 0)
        return atlL_fail(L, -ENOMEM, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_unref(lua_State *L)
{
    struct timer_box *t = check(L);
    atl_timer_keep_alive(&t->timer, false);
    lua_settop(L, 1);
    return 1;
}

static int l_missed(lua_State *L)
{
    struct timer_box *t = check(L);
    lua_pushinteger(L, (lua_Integer)(t->missed + t->timer.missed));
    return 1;
}

static int l_tostring(lua_State *L)
{
    struct timer_box *t = check(L);
    bool pending = t->deferred || atl_timer_active(&t->timer);
    lua_pushfstring(L, "atools.timer (%s)", pending ? "pending" : "stopped");
    return 1;
}

static const luaL_Reg methods[] = {
    {"close", l_close},   {"again", l_again},   {"unref", l_unref},
    {"missed", l_missed}, {"__close", l_close}, {"__tostring", l_tostring},
    {NULL, NULL},
};

static const struct atlL_class timer_class = {"atools.timer", methods, NULL,
                                              true};

void atlL_timer_open(lua_State *L, struct atlL_vm *vm)
{
    atlL_class_make(L, vm, &timer_class);
}
