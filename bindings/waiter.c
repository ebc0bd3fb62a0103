/* SPDX-License-Identifier: MIT */
/*
 * A waiter: one place where one task waits until another piece of Lua wakes it
 * with values. Channels, groups and require are made of these, in Lua.
 */
#include "vm.h"

struct waiter {
    struct atlL_box box;
    struct atlL_wait wait;
    int count; /* of values in user value 2: a table, but for one value */
    bool waiting;
    bool woken;
};

static const struct atlL_class waiter_class;

int atlL_waiter_new(lua_State *L)
{
    atlL_box_new(L, ATLL_VM(L), &waiter_class, sizeof(struct waiter));
    return 1;
}

/* In the frame of wait: the waiter is at 1. */
static int push_values(lua_State *L, void *arg)
{
    struct waiter *w = lua_touserdata(L, 1);
    (void)arg;
    w->waiting = w->woken = false;
    lua_getiuservalue(L, 1, 2);
    int at = lua_gettop(L);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, 2);
    if (w->count == 1)
        return 1;
    luaL_checkstack(L, w->count, "too many values");
    for (int i = 1; i <= w->count; i++)
        lua_rawgeti(L, at, i);
    return w->count;
}

static void cancelled(struct atlL_wait *wait, void *arg)
{
    struct waiter *w = arg;
    (void)wait;
    w->waiting = false;
}

static int l_wait(lua_State *L)
{
    struct waiter *w = atlL_box_check(L, 1, &waiter_class);
    int64_t ns = atlL_check_seconds(L, 2, ATL_NEVER);
    const char *what = lua_isnoneornil(L, 3) ? "waiter" : NULL;
    static const char *const kinds[] = {"send",    "receive", "join",
                                        "require", "run",     NULL};
    if (what == NULL)
        what = kinds[luaL_checkoption(L, 3, NULL, kinds)];
    lua_settop(L, 1);
    if (w->waiting)
        return luaL_error(L, "somebody waits here already");
    if (w->woken)
        return push_values(L, NULL);
    atlL_wait_check(L);
    w->waiting = true;
    return atlL_wait_start(L, &w->wait, what, ns, cancelled, w);
}

static int l_wake(lua_State *L)
{
    struct waiter *w = atlL_box_check(L, 1, &waiter_class);
    if (w->woken) {
        lua_pushboolean(L, 0);
        return 1;
    }
    w->count = lua_gettop(L) - 1;
    if (w->count != 1) {
        lua_createtable(L, w->count, 0);
        lua_insert(L, 2);
        for (int i = w->count; i >= 1; i--)
            lua_rawseti(L, 2, i);
    }
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, 2);
    w->woken = true;
    if (w->waiting)
        atlL_wake(&w->wait, push_values, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

/* Whether a task waits here that nothing has woken yet. */
static int l_waiting(lua_State *L)
{
    struct waiter *w = atlL_box_check(L, 1, &waiter_class);
    lua_pushboolean(L, w->waiting && !w->woken);
    return 1;
}

static const luaL_Reg methods[] = {
    {"wait", l_wait}, {"wake", l_wake}, {"waiting", l_waiting}, {NULL, NULL}};

static const struct atlL_class waiter_class = {"atools.waiter", methods, NULL,
                                               false};

void atlL_waiter_open(lua_State *L, struct atlL_vm *vm)
{
    atlL_class_make(L, vm, &waiter_class);
}
