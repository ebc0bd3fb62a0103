/* SPDX-License-Identifier: MIT */
/*
 * Lua's memory running out, everywhere. An allocation that fails once is
 * tried again after a collection, so it has to fail twice in a row to be seen;
 * or all that follow fail too. Whatever fails: no panic, no crash, nothing
 * left behind; and after the short shortage, the state works.
 */
#include <limits.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "atools_lua.h"
#include "check.h"

static struct {
    long count, first, last; /* those from first to last fail */
} memory;

static void *allocate(void *ctx, void *p, size_t old, size_t size)
{
    (void)ctx;
    (void)old;
    if (size == 0) {
        free(p);
        return NULL;
    }
    if (p == NULL || size > old) { /* shrinking must not fail */
        memory.count++;
        if (memory.count >= memory.first && memory.count <= memory.last)
            return NULL;
    }
    return realloc(p, size);
}

static int on_panic(lua_State *L)
{
    CHECK_FAIL("Lua panicked: %s", lua_tostring(L, -1));
    return 0;
}

static bool ended; /* the script */

static int l_ended(lua_State *L)
{
    (void)L;
    ended = true;
    return 0;
}

static int open_all(lua_State *L)
{
    luaL_openlibs(L);
    lua_register(L, "ended", l_ended);
    struct atl_error why;
    if (atlL_open(L, lua_touserdata(L, 1), &why) < 0)
        return luaL_error(L, "%s", why.text);
    return 0;
}

static int load_modules(lua_State *L)
{
    return luaL_dostring(L, "atools = require 'atools'\n"
                            "asocket = require 'asocket'\n"
                            "collectgarbage('generational')") != LUA_OK
               ? lua_error(L)
               : 0;
}

static const char script[] =
    "local atools, asocket = atools, asocket\n"
    "atools.on_error(function() end)\n"
    "local ch = atools.channel(1)\n"
    "local timer = atools.every(0.0001, function(x) atools.sleep(0) end, 1)\n"
    "atools.after(0, function() error({}) end)\n"
    "atools.defer(error, 'deferred'):close()\n"
    "atools.spawn(function() for i = 1, 3 do ch:send({ i }) end ch:close() "
    "end)\n"
    "local got = 0\n"
    "for v in coroutine.wrap(function()\n"
    "  for v in ch:values() do coroutine.yield(v) end end) do got = got + v[1] "
    "end\n"
    "local g <close> = atools.group()\n"
    "g:spawn(function() atools.sleep(0) end)\n"
    "g:spawn(function() pcall(atools.sleep, 50) error 'failed' end)\n"
    "atools.deadline(0.0001, function() atools.sleep(50) end)\n"
    "atools.shield(1, atools.sleep, 0)\n"
    "local h <close> = atools.signal('SIGUSR2', function() end)\n"
    "local a, b = asocket.pair() if a then a:close() b:close() end\n"
    "local l <close> = asocket.listen('127.0.0.1:0', { on_data =\n"
    "  function(c, s) c.n = (c.n or 0) + 1 c:write(s, 'x') end })\n"
    "local c <close> = l and "
    "asocket.connect(asocket.address(l:local_address()))\n"
    "if c then c:set_timeout(1) c:write('ping') c:read(5) end\n"
    "atools.spawn(error, 'x'):join()\n"
    "for _, t in ipairs(atools.tasks()) do t.task.seen = t.traceback end\n"
    "local w = coroutine.wrap(function() atools.deadline(9, coroutine.yield) "
    "end)\n"
    "w() w = nil\n"
    "package.preload.m = function() atools.sleep(0) return {} end\n"
    "package.loaded.m = nil\n"
    "local t = atools.spawn(require, 'm') require 'm' t:join()\n"
    "atools.on_log(function() return {} end) atools.log('info', 'x')\n"
    "atools.on_log(nil)\n"
    "timer:again(0.001)\n"
    "timer:close()\n"
    "ended()\n";

static int run_script(lua_State *L)
{
    if (luaL_loadstring(L, script) != LUA_OK)
        return lua_error(L);
    if (atlL_spawn(L, 0) < 0)
        return luaL_error(L, "not enough memory");
    return 0;
}

static bool protected(lua_State *L, lua_CFunction fn, void *arg)
{
    if (!lua_checkstack(L, 4))
        return false;
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, arg);
    bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
    if (!ok)
        lua_pop(L, 1);
    return ok;
}

/* Turns until the script has ended or nothing is left, but not for long: what
   memory ran out for may wait for ever. */
static void turn(struct atl_loop *loop, int n)
{
    while (n-- > 0 && !ended && atl_loop_step(loop, ATL_MILLISECOND) > 0)
        ;
}

/* Allocations from `first` to `last` fail, counted from the place that the
   test is about. How many there were in all. */
static long shortage(bool opening, long first, long last)
{
    struct atl_loop *loop;
    memory.first = memory.last = 0;
    ended = false;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    lua_State *L = lua_newstate(allocate, NULL);
    CHECK(L != NULL);
    lua_atpanic(L, on_panic);
    memory.count = 0;
    if (opening) {
        memory.first = first;
        memory.last = last;
    }
    bool open = protected(L, open_all, loop) && protected(L, load_modules, 0);
    if (!opening) {
        CHECK(open);
        memory.count = 0;
        memory.first = first;
        memory.last = last;
        protected(L, run_script, NULL);
        turn(loop, 100);
        CHECK(ended || last > 0);
    }
    long count = memory.count;
    if (last < count)
        memory.first = memory.last = 0;
    if (open && last < count) { /* the shortage is over: all is well again */
        ended = false;
        CHECK(protected(L, run_script, NULL));
        turn(loop, 2000);
        CHECK(ended);
    }
    atlL_close(L);
    for (int i = 0; i < 5; i++)
        atl_loop_step(loop, 0);
    lua_close(L);
    atl_loop_free(&loop);
    return count;
}

static void drop(void *ctx, enum atl_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
}

static void everywhere(bool opening, long step, long length)
{
    atl_log_set(drop, NULL);
    long total = shortage(opening, 0, 0), n;
    CHECK(total > 200);
    for (n = 1; n < total; n += step) {
        long last = length > LONG_MAX - n ? LONG_MAX : n + length - 1;
        shortage(opening, n, last);
    }
    atl_log_set(NULL, NULL);
}

TEST(opening_survives_a_short_shortage_anywhere)
{
    everywhere(true, 23, 2);
}

TEST(opening_survives_a_lasting_shortage_anywhere)
{
    everywhere(true, 23, LONG_MAX);
}

TEST(a_script_survives_a_short_shortage_anywhere)
{
    everywhere(false, 1, 2);
}

TEST(a_script_survives_a_lasting_shortage_anywhere)
{
    everywhere(false, 1, LONG_MAX);
}
