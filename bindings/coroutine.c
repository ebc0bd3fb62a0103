/* SPDX-License-Identifier: MIT */
/*
 * coroutine.resume, wrap, close and status for a world in which a coroutine
 * may wait for the engine. When the inner coroutine suspends for a wait, the
 * function that resumed it suspends its own coroutine the same way, and so on
 * out to the task; when the task goes on, each goes on with the one inside it.
 * To its user a coroutine that waits is simply still running: "normal".
 */
#include <string.h>

#include "vm.h"

/* On top of a suspended coroutine's stack: it waits, it has not yielded. */
static const char wait_mark;

void atlL_coroutine_mark(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&wait_mark);
}

int atlL_suspend(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
    atlL_coroutine_mark(L);
    return lua_yieldk(L, 1, ctx, k);
}

static bool is_waiting(lua_State *co)
{
    return lua_status(co) == LUA_YIELD && lua_gettop(co) > 0 &&
           lua_touserdata(co, -1) == (const void *)&wait_mark;
}

static const char *status_of(lua_State *L, lua_State *co)
{
    lua_Debug ar;
    if (L == co)
        return "running";
    switch (lua_status(co)) {
    case LUA_YIELD:
        return is_waiting(co) ? "normal" : "suspended";
    case LUA_OK:
        if (lua_getstack(co, 0, &ar))
            return "normal";
        return lua_gettop(co) == 0 ? "dead" : "suspended";
    default:
        return "dead";
    }
}

static lua_State *check_thread(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

/* Runs `co` with the `n` values at the top of L, or goes on with its wait.
   The number of results, now on L; -1: an error value is; -2: it waits. */
static int run(lua_State *L, struct atlL_vm *vm, lua_State *co, int n)
{
    int results;
    if (n > 0)
        lua_xmove(L, co, n);
    struct atlL_frame frame = {co, vm->top, NULL};
    atlL_scopes_unpark(vm, co);
    vm->top = &frame;
    int status = lua_resume(co, L, n, &results);
    vm->top = frame.prev;
    if (status == LUA_YIELD && vm->yielding != NULL)
        return -2;
    atlL_scopes_park(vm, co, status == LUA_YIELD);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

/* Whether a new run may start: pushes the message when it may not. */
static bool may_start(lua_State *L, lua_State *co, int n)
{
    if (!lua_checkstack(co, n + 2)) {
        lua_pushliteral(L, "too many arguments to resume");
        return false;
    }
    const char *status = status_of(L, co);
    if (strcmp(status, "suspended") != 0) {
        lua_pushfstring(L, "cannot resume %s coroutine",
                        strcmp(status, "dead") == 0 ? "dead" : "non-suspended");
        return false;
    }
    return true;
}

static int resume_more(lua_State *L, int status, lua_KContext ctx);

static int resume_results(lua_State *L, int base, int r)
{
    if (r == -2)
        return atlL_suspend(L, base, resume_more);
    lua_pushboolean(L, r >= 0);
    lua_insert(L, base + 1);
    return lua_gettop(L) - base;
}

static int resume_more(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    lua_pop(L, 1); /* the mark */
    return resume_results(L, (int)ctx,
                          run(L, ATLL_VM(L), lua_tothread(L, 1), 0));
}

static int l_resume(lua_State *L)
{
    lua_State *co = check_thread(L);
    int n = lua_gettop(L) - 1;
    if (!may_start(L, co, n)) {
        lua_pushboolean(L, 0);
        lua_insert(L, -2);
        return 2;
    }
    return resume_results(L, 1, run(L, ATLL_VM(L), co, n));
}

static int wrap_more(lua_State *L, int status, lua_KContext ctx);

/* Runs the coroutine's pending __close functions, which cannot wait: the frame
   lets a wait in one find out why. */
static int reset(struct atlL_vm *vm, lua_State *co)
{
    struct atlL_frame frame = {co, vm->top, "inside coroutine.close"};
    vm->top = &frame;
    int status = lua_resetthread(co);
    vm->top = frame.prev;
    return status;
}

/* As auxwrap of lcorolib.c: an error closes the coroutine and goes on, with
   the position added to a text. */
static int wrap_results(lua_State *L, struct atlL_vm *vm, lua_State *co,
                        int base, int r)
{
    if (r == -2)
        return atlL_suspend(L, base, wrap_more);
    if (r >= 0)
        return lua_gettop(L) - base;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) {
        status = reset(vm, co);
        if (status != LUA_OK && lua_gettop(co) > 0)
            lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrap_more(lua_State *L, int status, lua_KContext ctx)
{
    struct atlL_vm *vm = ATLL_VM(L);
    lua_State *co = lua_tothread(L, lua_upvalueindex(2));
    (void)status;
    lua_pop(L, 1); /* the mark */
    return wrap_results(L, vm, co, (int)ctx, run(L, vm, co, 0));
}

static int call_wrapped(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    lua_State *co = lua_tothread(L, lua_upvalueindex(2));
    int n = lua_gettop(L);
    int r = may_start(L, co, n) ? run(L, vm, co, n) : -1;
    return wrap_results(L, vm, co, r == -1 ? lua_gettop(L) - 1 : 0, r);
}

static int l_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, call_wrapped, 2);
    return 1;
}

static int l_status(lua_State *L)
{
    lua_pushstring(L, status_of(L, check_thread(L)));
    return 1;
}

static int l_close(lua_State *L)
{
    lua_State *co = check_thread(L);
    const char *status = status_of(L, co);
    if (strcmp(status, "dead") != 0 && strcmp(status, "suspended") != 0)
        return luaL_error(L, "cannot close a %s coroutine", status);
    if (reset(ATLL_VM(L), co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

bool atlL_coroutine_waits(lua_CFunction fn)
{
    return fn == l_resume || fn == call_wrapped;
}

lua_State *atlL_coroutine_inner(lua_State *co)
{
    lua_Debug ar;
    lua_State *inner = NULL;
    if (!is_waiting(co) || !lua_getstack(co, 0, &ar) || !lua_checkstack(co, 2))
        return NULL;
    lua_getinfo(co, "f", &ar);
    lua_CFunction fn = lua_tocfunction(co, -1);
    if (fn == call_wrapped && lua_getupvalue(co, -1, 2) != NULL) {
        inner = lua_tothread(co, -1);
        lua_pop(co, 1);
    } else if (fn == l_resume && lua_getlocal(co, &ar, 1) != NULL) {
        inner = lua_tothread(co, -1);
        lua_pop(co, 1);
    }
    lua_pop(co, 1);
    return inner;
}

void atlL_coroutine_open(lua_State *L, struct atlL_vm *vm)
{
    static const luaL_Reg functions[] = {
        {"resume", l_resume}, {"wrap", l_wrap}, {"status", l_status},
        {"close", l_close},   {NULL, NULL},
    };
    if (lua_getglobal(L, "coroutine") != LUA_TTABLE) {
        lua_pop(L, 1); /* a host that opened no coroutine library */
        return;
    }
    lua_pushlightuserdata(L, vm);
    luaL_setfuncs(L, functions, 1);
    lua_pop(L, 1);
    static const char *const names[] = {"pcall", "xpcall", "dofile"};
    for (int i = 0; i < ATLL_TRANSPARENT; i++) {
        lua_getglobal(L, names[i]);
        vm->transparent[i] = lua_tocfunction(L, -1);
        lua_pop(L, 1);
    }
    lua_getglobal(L, "error");
    vm->error = lua_tocfunction(L, -1);
    lua_pop(L, 1);
}
