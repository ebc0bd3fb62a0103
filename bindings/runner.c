/* SPDX-License-Identifier: MIT */
/*
 * The runner: a Lua interpreter whose main chunk is a task on a live loop.
 * This file makes the state and the loop, drives them, and turns signals into
 * an orderly end; what the options mean is said in scripts/lib/atools/
 * runner.lua.
 */
#include "runner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "atools_lua.h"

/* One per process, for the signal handler's sake. */
static struct runner {
    struct runner_options options;
    char **argv;
    int argc;
    lua_State *L;
    struct atl_loop *volatile loop;
    volatile sig_atomic_t signals, last_signal;
    int seen_signals;
    bool ended; /* the exit code is known, nothing more is to run */
    int code;
} runner;

static void complain(const char *text)
{
    fflush(stdout);
    fprintf(stderr, RUNNER_NAME ": %s\n", text);
}

/* --- signals ----------------------------------------------------------- */

static void on_alarm(int number)
{
    (void)number;
    _exit(128 + (int)runner.last_signal);
}

/*
 * The first signal asks for an orderly end, the second for an end now. A
 * script that never returns to the loop would hear neither: so the second one
 * also sets the alarm.
 */
static void on_signal(int number)
{
    runner.last_signal = number;
    if (++runner.signals > 1)
        alarm(1);
    if (runner.loop != NULL)
        atl_loop_stop(runner.loop);
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    /* a background job of a shell without job control has SIGINT ignored */
    struct sigaction old;
    if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    atl_signal_ignore_pipe();
}

/* --- calling Lua ------------------------------------------------------- */

static int message_handler(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* Calls the function below its n arguments; one result is left, or none after
   a failure, which is told. */
static bool run_protected(int n)
{
    lua_State *L = runner.L;
    int handler = lua_gettop(L) - n;
    lua_pushcfunction(L, message_handler);
    lua_insert(L, handler);
    bool ok = lua_pcall(L, n, 1, handler) == LUA_OK;
    if (!ok) {
        complain(lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_remove(L, handler);
    return ok;
}

static int l_finish(lua_State *L)
{
    runner.code = (int)luaL_checkinteger(L, 1);
    runner.ended = true;
    atl_loop_stop(runner.loop);
    return 0;
}

/* The global `arg` as lua makes it: the script at 0, options below. */
static void make_arg(lua_State *L)
{
    int script = runner.options.script;
    lua_createtable(L, runner.argc - script, script + 1);
    for (int i = 0; i < runner.argc; i++) {
        lua_pushstring(L, runner.argv[i]);
        lua_rawseti(L, -2, i - script);
    }
    lua_setglobal(L, "arg");
}

static void push_options(lua_State *L)
{
    const struct runner_options *o = &runner.options;
    lua_createtable(L, 0, 6);
    lua_createtable(L, (int)o->action_count, 0);
    for (size_t i = 0; i < o->action_count; i++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L,
                       o->actions[i].kind == RUNNER_CODE ? "code" : "module");
        lua_rawseti(L, -2, 1);
        lua_pushstring(L, o->actions[i].text);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "actions");
    lua_createtable(L, (int)o->listen_count, 0);
    for (size_t i = 0; i < o->listen_count; i++) {
        lua_pushstring(L, o->listen[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "listen");
    if (o->script != 0)
        lua_pushstring(L, runner.argv[o->script]);
    else if (!o->interactive && o->action_count == 0)
        lua_pushliteral(L, "-");
    else
        lua_pushnil(L);
    lua_setfield(L, -2, "script");
    lua_pushboolean(L, o->interactive);
    lua_setfield(L, -2, "interactive");
    lua_pushboolean(L, !o->ignore_environment);
    lua_setfield(L, -2, "init");
    lua_pushcfunction(L, l_finish);
    lua_setfield(L, -2, "finish");
}

/* Opens everything and queues the main task. */
static int l_start(lua_State *L)
{
    luaL_checkversion(L);
    if (runner.options.ignore_environment) {
        lua_pushboolean(L, 1); /* lua's own signal to its libraries */
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    }
    luaL_openlibs(L);
    lua_gc(L, LUA_GCGEN, 0, 0); /* as lua; large strings die young */
    if (runner.options.warnings)
        lua_warning(L, "@on", 0);
    make_arg(L);
    struct atl_error why;
    if (atlL_open(L, runner.loop, &why) < 0)
        return luaL_error(L, "%s", why.text);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "atools.runner");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    push_options(L);
    if (atlL_spawn(L, 1) < 0)
        return luaL_error(L, "not enough memory");
    return 0;
}

/* Calls a function of scripts/lib/atools/runner.lua. Arguments: its name, its
   argument. Returns what it returns. */
static int l_call(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "atools.runner");
    lua_call(L, 1, 1);
    lua_pushvalue(L, 1);
    lua_gettable(L, -2);
    lua_pushvalue(L, 2);
    lua_call(L, 1, 1);
    return 1;
}

/* --- the run ----------------------------------------------------------- */

static void end(int code)
{
    runner.code = code;
    runner.ended = true;
}

static void handle_signal(void)
{
    runner.seen_signals = (int)runner.signals;
    if (runner.signals > 1) {
        end(128 + (int)runner.last_signal);
        return;
    }
    lua_State *L = runner.L;
    lua_pushcfunction(L, l_call);
    lua_pushliteral(L, "stop");
    lua_pushstring(L, atl_signal_name((int)runner.last_signal));
    if (!run_protected(2))
        end(1);
    else if (lua_toboolean(L, -1)) /* the next one is the first again */
        runner.signals = runner.seen_signals = 0;
    lua_settop(L, 0);
}

/* Nothing keeps the loop alive, or it was told to stop. */
static void handle_end(bool stopped)
{
    lua_State *L = runner.L;
    lua_pushcfunction(L, l_call);
    lua_pushliteral(L, "ended");
    lua_pushboolean(L, stopped);
    if (!run_protected(2))
        end(1);
    else if (!lua_isnil(L, -1))
        end((int)lua_tointeger(L, -1));
    lua_settop(L, 0);
}

static void drive(void)
{
    while (!runner.ended) {
        int result = atl_loop_run(runner.loop);
        if (result < 0) {
            complain(atl_error_text(result));
            end(1);
        } else if (runner.signals != runner.seen_signals) {
            handle_signal();
        } else if (!runner.ended) {
            handle_end(result == 1);
        }
    }
}

static int run(void)
{
    struct atl_error why;
    const struct runner_options *o = &runner.options;
    runner_tune();
    if (o->max_files != 0) {
        size_t got;
        if (atl_fdlimit_set(o->max_files, &got, &why) < 0)
            atl_log(ATL_LOG_WARNING, "--max-files: %s", why.text);
    }
    struct atl_loop *loop;
    const struct atl_loop_options options = {.backend = o->backend};
    if (atl_loop_new(&loop, &options, &why) < 0) {
        complain(why.text);
        return 1;
    }
    runner.loop = loop;
    runner.L = luaL_newstate();
    if (runner.L == NULL) {
        complain("not enough memory");
        runner.loop = NULL;
        atl_loop_free(&loop);
        return 1;
    }
    lua_setallocf(runner.L, runner_alloc, NULL);
    install_signals();
    lua_pushcfunction(runner.L, l_start);
    if (run_protected(0))
        drive();
    else
        runner.code = 1;
    atlL_close(runner.L);
    lua_close(runner.L);
    runner.loop = NULL;
    atl_loop_free(&loop);
    return runner.code;
}

static int show_version(void)
{
    printf("atools %s (%s)\n", ATL_VERSION, LUA_RELEASE);
    return 0;
}

int main(int argc, char **argv)
{
    struct atl_error why;
    runner.argc = argc;
    runner.argv = argv;
    struct runner_options *o = &runner.options;
    if (runner_options_init(o, argc, argv, &why) < 0) {
        complain(why.text);
        fputs(runner_usage, stderr);
        return 1;
    }
    if (o->mode == RUNNER_RUN && o->script == 0 && o->action_count == 0 &&
        !o->interactive && isatty(STDIN_FILENO))
        o->interactive = o->version = true;
    int code = 0;
    switch (o->mode) {
    case RUNNER_HELP:
        fputs(runner_usage, stdout);
        break;
    case RUNNER_BACKENDS:
        for (const char *const *name = atl_backend_names(); *name; name++)
            puts(*name);
        break;
    case RUNNER_VERSION:
        show_version();
        break;
    case RUNNER_RUN:
        if (o->version)
            show_version();
        code = run();
        break;
    }
    runner_options_fini(o);
    if (fflush(stdout) != 0 && code == 0)
        code = 1;
    return code;
}
