/* SPDX-License-Identifier: MIT */
/*
 * Sockets and memory: Lua states that end before their loop does, and scripts
 * that run while allocating fails.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "atools_lua.h"
#include "check.h"

static lua_State *open_on(struct atl_loop *loop)
{
    struct atl_error why;
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    luaL_openlibs(L);
    if (atlL_open(L, loop, &why) < 0)
        CHECK_FAIL("%s", why.text);
    return L;
}

static void script(lua_State *L, const char *text)
{
    if (luaL_dostring(L, text) != LUA_OK)
        CHECK_FAIL("%s", lua_tostring(L, -1));
}

static struct atl_loop *loop_new(void)
{
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    return loop;
}

static void turns(struct atl_loop *loop, int n)
{
    while (n-- > 0)
        CHECK_OK(atl_loop_step(loop, ATL_MILLISECOND));
}

/* Four strings that are not copied wait to be sent to somebody who does not
   read, in a connection that is kept. */
static const char sending[] =
    "local asocket = require 'asocket'\n"
    "a, b = assert(asocket.pair())\n"
    "for i = 1, 4 do\n"
    "  assert(a:enqueue((string.char(64 + i)):rep(1000000)))\n"
    "end\n";

TEST(strings_being_sent_do_not_outlive_their_state)
{
    struct atl_loop *loop = loop_new();
    lua_State *L = open_on(loop);
    script(L, sending);
    turns(loop, 3);
    lua_close(L);
    turns(loop, 10);
    atl_loop_free(&loop);
}

TEST(strings_being_sent_do_not_outlive_a_state_closed_in_order)
{
    struct atl_loop *loop = loop_new();
    lua_State *L = open_on(loop);
    script(L, sending);
    turns(loop, 3);
    atlL_close(L);
    turns(loop, 3);
    lua_close(L);
    turns(loop, 10);
    atl_loop_free(&loop);
}

TEST(strings_being_sent_by_a_collected_connection_arrive)
{
    struct atl_loop *loop = loop_new();
    lua_State *L = open_on(loop);
    script(L, sending);
    script(L, "a = nil collectgarbage() collectgarbage()\n"
              "require 'atools'.spawn(function()\n"
              "  result = b:read('a')\n"
              "  b:close()\n"
              "  collectgarbage() collectgarbage()\n"
              "end)");
    CHECK_OK(atl_loop_run(loop));
    script(L, "local want = ''\n"
              "for i = 1, 4 do\n"
              "  want = want .. (string.char(64 + i)):rep(1000000)\n"
              "end\n"
              "assert(result == want)\n");
    lua_close(L);
    atl_loop_free(&loop);
}

TEST(states_end_while_everything_is_at_work)
{
    static const char busy[] =
        "local atools, asocket = require 'atools', require 'asocket'\n"
        "l = assert(asocket.listen('127.0.0.1:0', { high = 1000,\n"
        "  on_data = function(conn, s) conn:write(s) atools.sleep(60) end,\n"
        "  on_close = function() end }))\n"
        "local to = asocket.address(l:local_address())\n"
        "s = asocket.listen('127.0.0.1:0')\n"
        "atools.spawn(function() s:accept() end)\n"
        "for i = 1, 3 do atools.spawn(function()\n"
        "  local c = assert(asocket.connect(to))\n"
        "  c:write('x')\n"
        "  if i == 1 then c:read() elseif i == 2 then\n"
        "    while c:write(('y'):rep(100000)) do end\n"
        "  else c:write('z') local a, b = asocket.pair() b:pipe(c) end\n"
        "end) end\n";
    for (int steps = 0; steps < 12; steps++) {
        for (int in_order = 0; in_order < 2; in_order++) {
            struct atl_loop *loop = loop_new();
            lua_State *L = open_on(loop);
            script(L, busy);
            turns(loop, steps);
            if (in_order)
                atlL_close(L);
            lua_close(L);
            turns(loop, 3);
            atl_loop_free(&loop);
        }
    }
}

/* --- failing allocations -------------------------------------------------- */

/* Fails from the n-th allocation on, `times` in a row: once is not enough,
   Lua collects and tries again. */
struct failing {
    long count, from, times;
};

static void *allocate(void *ctx, void *p, size_t old, size_t size)
{
    struct failing *f = ctx;
    (void)old;
    if (size == 0) {
        free(p);
        return NULL;
    }
    if (p == NULL || size > old) {
        f->count++;
        if (f->from > 0 && f->count >= f->from && f->count < f->from + f->times)
            return NULL;
    }
    return realloc(p, size);
}

static const char exchange[] =
    "local atools, asocket = require 'atools', require 'asocket'\n"
    "local l = asocket.listen('127.0.0.1:0', { frame = 'line',\n"
    "  on_data = function(c, s)\n"
    "    if s == 'wait' then atools.sleep(0) end\n"
    "    c:write(s, '\\n')\n"
    "  end, on_close = function(c, m, code) done = code end })\n"
    "local to = asocket.address(l:local_address())\n"
    "atools.spawn(function()\n"
    "  local held <close> = l\n"
    "  local c <close> = asocket.connect(to)\n"
    "  c:set_timeout(0.2)\n"
    "  c:write('one\\nwait\\n') c:read() c:read()\n"
    "  c:write(('x'):rep(100000), '\\n') c:enqueue('y\\n') c:flush()\n"
    "  c.field = 1\n"
    "  local a <close>, b = asocket.pair()\n"
    "  local other <close> = b\n"
    "  a:write('abc') b:read(3)\n"
    "end)\n";

/* One run; the script, its tasks and handlers may all fail. */
static long run_failing(long from, long times)
{
    struct failing f = {0, 0, times};
    struct atl_loop *loop = loop_new();
    lua_State *L = lua_newstate(allocate, &f);
    CHECK(L != NULL);
    luaL_openlibs(L);
    CHECK_OK(atlL_open(L, loop, NULL));
    script(L, "require 'asocket'"); /* loading is another test's */
    f.count = 0;
    f.from = from;
    bool ran = luaL_dostring(L, exchange) == LUA_OK;
    for (int i = 0; ran && i < 60; i++)
        CHECK_OK(atl_loop_step(loop, 2 * ATL_MILLISECOND));
    f.from = 0;
    long count = f.count;
    lua_settop(L, 0);
    lua_close(L);
    turns(loop, 2);
    atl_loop_free(&loop);
    return count;
}

static void quiet(void *ctx, enum atl_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
}

static void fail_everywhere(long times)
{
    atl_log_set(quiet, NULL);
    long count = run_failing(0, 0);
    CHECK(count > 50);
    for (long from = 1; from <= count; from++)
        run_failing(from, times);
}

TEST(scripts_survive_two_failed_allocations_anywhere)
{
    fail_everywhere(2);
}

TEST(scripts_survive_having_no_memory_for_a_while)
{
    fail_everywhere(20);
}
