/* SPDX-License-Identifier: MIT */
/* The modules in a C host: opening, closing in every order, host waits. */
#include <errno.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "atools_lua.h"
#include "check.h"

static int on_panic(lua_State *L)
{
    CHECK_FAIL("Lua panicked: %s", lua_tostring(L, -1));
    return 0;
}

static struct atl_loop *new_loop(void)
{
    struct atl_loop *loop;
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    return loop;
}

static lua_State *new_state(struct atl_loop *loop)
{
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    lua_atpanic(L, on_panic);
    luaL_openlibs(L);
    CHECK_OK(atlL_open(L, loop, NULL));
    return L;
}

static void run(lua_State *L, const char *source)
{
    if (luaL_dostring(L, source) != LUA_OK)
        CHECK_FAIL("%s", lua_tostring(L, -1));
}

/* Starts `source` as a task. */
static void spawn(lua_State *L, const char *source)
{
    CHECK_EQ_INT(luaL_loadstring(L, source), LUA_OK);
    CHECK_OK(atlL_spawn(L, 0));
}

static void turns(struct atl_loop *loop, int n)
{
    while (n-- > 0)
        CHECK_OK(atl_loop_step(loop, 0));
}

static bool global_is(lua_State *L, const char *name, const char *text)
{
    lua_getglobal(L, name);
    const char *value = lua_tostring(L, -1);
    bool same = value != NULL && strcmp(value, text) == 0;
    if (!same)
        check__str(__FILE__, __LINE__, name, value, text);
    lua_pop(L, 1);
    return same;
}

TEST(a_state_is_opened_once)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = new_state(loop);
    struct atl_error why;
    CHECK_CODE(atlL_open(L, loop, &why), -EBUSY);
    CHECK_EQ_PTR(atlL_loop(L), loop);
    lua_close(L);
    L = luaL_newstate();
    CHECK_EQ_PTR(atlL_loop(L), NULL);
    lua_close(L);
    atl_loop_free(&loop);
}

TEST(a_state_without_libraries_can_be_opened_and_closed)
{
    lua_State *L = luaL_newstate();
    CHECK_OK(atlL_open(L, NULL, NULL));
    atlL_close(L);
    lua_close(L);
}

TEST(spawn_takes_the_function_and_its_arguments)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = new_state(loop);
    run(L, "function f(a, b) result = a .. b end");
    lua_pushliteral(L, "below");
    lua_getglobal(L, "f");
    lua_pushinteger(L, 1);
    lua_pushliteral(L, "x");
    CHECK_OK(atlL_spawn(L, 2));
    CHECK_EQ_INT(lua_gettop(L), 1);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    global_is(L, "result", "1x");
    lua_close(L);
    atl_loop_free(&loop);
}

/* --- closing -------------------------------------------------------------- */

/* One of everything that waits or is open. */
static const char everything[] =
    "local atools, asocket = require 'atools', require 'asocket'\n"
    "keep = { atools.after(100, print), atools.every(0.001, function() end),\n"
    "  atools.signal('SIGUSR1', print), atools.defer(print),\n"
    "  atools.channel(), asocket.listen('127.0.0.1:0', {on_data = print}),\n"
    "  atools.spawn(print) }\n"
    "atools.on_log(function() end)\n"
    "atools.after(100, print)\n"
    "atools.spawn(function()\n"
    "  local a, b = asocket.pair()\n"
    "  keep[#keep + 1] = a\n"
    "  local _ <close> = setmetatable({}, { __close = function()\n"
    "    closed = (closed or '') .. 'a' pcall(atools.sleep, 1) a:close() end "
    "})\n"
    "  atools.deadline(50, b.read, b)\n"
    "end)\n"
    "atools.spawn(function() keep[5]:receive() end)\n"
    "atools.spawn(function() coroutine.wrap(function()\n"
    "  local _ <close> = setmetatable({}, { __close = function()\n"
    "    closed = (closed or '') .. 'b' end })\n"
    "  atools.shield(10, function() keep[7]:join() atools.sleep(100) end)\n"
    "end)() end)\n"
    "local parked = coroutine.wrap(function()\n"
    "  atools.deadline(100, coroutine.yield) end)\n"
    "atools.spawn(parked) keep[#keep + 1] = parked\n"
    "atools.spawn(function()\n"
    "  local g <close> = atools.group()\n"
    "  g:spawn(atools.sleep, 100) g:join() end)\n"
    "atools.spawn(error, 'nobody joins')\n"
    "atools.every(0.001, function() atools.sleep(10) end)\n";

TEST(the_hosts_loop_goes_on_when_a_state_is_closed)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = new_state(loop);
    run(L, everything);
    turns(loop, 20);
    atlL_close(L);
    global_is(L, "closed", "ab");
    turns(loop, 20);
    atlL_close(L);
    lua_close(L);
    turns(loop, 20);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    atl_loop_free(&loop);
}

TEST(lua_close_alone_ends_everything)
{
    struct atl_loop *loop = new_loop();
    for (int steps = 0; steps < 12; steps += 3) {
        lua_State *L = new_state(loop);
        run(L, everything);
        turns(loop, steps);
        lua_close(L);
    }
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    atl_loop_free(&loop);
}

TEST(a_state_with_its_own_loop_frees_it)
{
    lua_State *L = new_state(NULL);
    CHECK_EQ_PTR(atlL_loop(L), NULL);
    run(L, everything);
    CHECK(atlL_loop(L) != NULL);
    turns(atlL_loop(L), 5);
    lua_close(L);
}

TEST(nothing_of_a_closed_state_works_or_crashes)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = new_state(loop);
    run(L, everything);
    turns(loop, 5);
    atlL_close(L);
    /* Every method of every object, with nothing and with odd arguments. */
    run(L, "local function try(f, ...) pcall(f, ...) end\n"
           "for _, object in ipairs(keep) do\n"
           "  for _, name in ipairs { 'close', 'again', 'unref', 'missed',\n"
           "    'cancel', 'status', 'join', 'traceback', 'send', 'receive',\n"
           "    'values', 'local_address', 'accept', 'write', 'read',\n"
           "    'flush', 'pause', 'resume', 'stats' } do\n"
           "    local ok, f = pcall(function() return object[name] end)\n"
           "    if ok and f then try(f, object) try(f, object, 1) end\n"
           "  end\n"
           "end\n"
           "local atools = require 'atools'\n"
           "for name, f in pairs(atools) do\n"
           "  if type(f) == 'function' and name ~= 'run' then\n"
           "    try(f) try(f, 1, print) try(f, print) end\n"
           "end\n"
           "collectgarbage()\n");
    turns(loop, 5);
    lua_close(L);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    atl_loop_free(&loop);
}

static int l_close_state(lua_State *L)
{
    atlL_close(L);
    return 0;
}

TEST(a_task_may_close_its_own_state)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = new_state(loop);
    run(L, everything);
    lua_register(L, "close_state", l_close_state);
    spawn(L, "close_state() after = 'ran'\n"
             "local ok = pcall(require('atools').sleep, 1)\n"
             "waited = tostring(ok)");
    turns(loop, 5);
    global_is(L, "after", "ran");
    lua_close(L);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    atl_loop_free(&loop);
}

/* --- host waits ----------------------------------------------------------- */

static struct job {
    struct atlL_wait wait;
    struct atl_timer timer;
    int cancelled;
    bool early;
} job;

static int push_answer(lua_State *L, void *arg)
{
    lua_pushstring(L, arg);
    lua_pushinteger(L, 42);
    return 2;
}

static int push_error(lua_State *L, void *arg)
{
    return luaL_error(L, "%s", (const char *)arg);
}

static void on_job(struct atl_timer *timer)
{
    (void)timer;
    static char text[] = "answer";
    atlL_wake(&job.wait, push_answer, text);
    atlL_wake(&job.wait, push_error, text); /* the second is nobody's */
}

static void cancel_job(struct atlL_wait *wait, void *arg)
{
    (void)wait;
    CHECK_EQ_PTR(arg, &job);
    atl_timer_stop(&job.timer);
    job.cancelled++;
}

static int l_job(lua_State *L)
{
    int64_t ns = (int64_t)(luaL_checknumber(L, 1) * 1e9);
    atlL_wait_check(L);
    job.wait = (struct atlL_wait)ATLL_WAIT_INIT;
    atl_timer_init(&job.timer, atlL_loop(L), on_job, NULL);
    /* the wait alone keeps the loop alive */
    atl_timer_keep_alive(&job.timer, false);
    if (job.early)
        on_job(NULL);
    else
        CHECK_OK(atl_timer_start(&job.timer, ns, 0));
    return atlL_wait(L, &job.wait, cancel_job, &job);
}

static lua_State *state_with_job(struct atl_loop *loop)
{
    lua_State *L = new_state(loop);
    memset(&job, 0, sizeof(job));
    lua_register(L, "job", l_job);
    run(L, "atools = require 'atools'");
    return L;
}

TEST(a_hosts_function_waits_and_is_woken)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = state_with_job(loop);
    spawn(L, "local a, b = job(0.005) result = a .. b\n"
             "local c = coroutine.wrap(function() return job(0.001) end)()\n"
             "result = result .. c");
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    global_is(L, "result", "answer42answer");
    CHECK_EQ_INT(job.cancelled, 0);
    lua_close(L);
    atl_loop_free(&loop);
}

TEST(a_wait_woken_before_it_began_does_not_suspend)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = state_with_job(loop);
    job.early = true;
    spawn(L, "result = select('#', job(1)) .. job(1)");
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    global_is(L, "result", "2answer");
    lua_close(L);
    atl_loop_free(&loop);
}

TEST(cancel_and_deadline_take_a_hosts_wait_back)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = state_with_job(loop);
    spawn(L, "local t = atools.spawn(job, 100)\n"
             "atools.sleep(0) t:cancel()\n"
             "result = select(3, t:join())\n"
             ".. select(3, atools.deadline(0.001, job, 100))");
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    global_is(L, "result", "ECANCELEDETIMEDOUT");
    CHECK_EQ_INT(job.cancelled, 2);
    lua_close(L);
    atl_loop_free(&loop);
}

TEST(a_hosts_wait_is_refused_where_nothing_can_yield)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = state_with_job(loop);
    spawn(L,
          "local ok, e = pcall(table.sort, { 2, 1 }, function() job(1) end)\n"
          "result = e:match('inside [%w.]+')");
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    global_is(L, "result", "inside table.sort");
    CHECK_EQ_INT(job.cancelled, 0);
    CHECK(!atl_timer_active(&job.timer));
    lua_close(L);
    atl_loop_free(&loop);
}

TEST(closing_the_state_takes_a_hosts_wait_back)
{
    struct atl_loop *loop = new_loop();
    for (int i = 0; i < 2; i++) {
        lua_State *L = state_with_job(loop);
        spawn(L, "job(100)");
        turns(loop, 2);
        if (i == 0)
            atlL_close(L);
        lua_close(L);
        CHECK_EQ_INT(job.cancelled, 1);
        CHECK(!atl_loop_alive(loop));
    }
    atl_loop_free(&loop);
}

/* A library that resumes coroutines by itself. */
static int l_foreign_resume(lua_State *L)
{
    int n;
    lua_State *co = lua_tothread(L, 1);
    int status = lua_resume(co, L, 0, &n);
    lua_pushinteger(L, status);
    return 1;
}

TEST(c_code_that_resumes_a_waiting_coroutine_breaks_only_that)
{
    struct atl_loop *loop = new_loop();
    lua_State *L = state_with_job(loop);
    lua_register(L, "foreign", l_foreign_resume);
    spawn(L, "local inner = coroutine.create(function() job(100) end)\n"
             "local t = atools.spawn(coroutine.resume, inner)\n"
             "atools.sleep(0)\n"
             "first = foreign(inner)\n"
             "ended = tostring(select(2, t:join()))\n"
             "local c = coroutine.create(function() atools.sleep(1) end)\n"
             "second = foreign(c)");
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    global_is(L, "first", "2");
    global_is(L, "ended", "false");
    global_is(L, "second", "2");
    CHECK_EQ_INT(job.cancelled, 1);
    lua_close(L);
    atl_loop_free(&loop);
}
