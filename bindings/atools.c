/* SPDX-License-Identifier: MIT */
/* The C half of module atools ("atools.core"). */
#include <errno.h>
#include <string.h>

#include "vm.h"

static int l_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    atlL_task_spawn(L, ATLL_VM(L), lua_gettop(L) - 1, NULL, true);
    return 1;
}

static int l_current(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    if (vm->running == NULL)
        lua_pushnil(L);
    else
        atlL_handle_push(L, vm->running);
    return 1;
}

static int l_sleep(lua_State *L)
{
    luaL_checkany(L, 1);
    int64_t ns = atlL_check_seconds(L, 1, 0);
    lua_settop(L, 0);
    return atlL_wait_sleep(L, ns);
}

/* For looking at it only: also while the state closes. */
static struct atl_loop *loop_of(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    return vm->loop ? vm->loop : atlL_vm_loop(L, vm);
}

static int l_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)atl_loop_clock(loop_of(L)) / 1e9);
    return 1;
}

static int l_time(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)atl_loop_time(loop_of(L)) / 1e9);
    return 1;
}

static int l_error(lua_State *L)
{
    lua_settop(L, 3);
    luaL_checkstring(L, 1);
    atlL_error_push(L, ATL_ESCRIPT, lua_tostring(L, 1));
    if (!lua_isnil(L, 2)) {
        lua_pushvalue(L, 2);
        lua_setfield(L, -2, "code");
    }
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, "detail");
    return 1;
}

static int set_function(lua_State *L, int *ref)
{
    if (!lua_isnoneornil(L, 1))
        luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    int fresh = LUA_NOREF;
    if (!lua_isnil(L, 1))
        fresh = luaL_ref(L, LUA_REGISTRYINDEX);
    luaL_unref(L, LUA_REGISTRYINDEX, *ref);
    *ref = fresh;
    return 0;
}

static int l_on_error(lua_State *L)
{
    return set_function(L, &ATLL_VM(L)->on_error);
}

/* Arguments: VM, level, text. */
static int call_log(lua_State *L)
{
    static const char *const levels[] = {"info", "warning", "error"};
    struct atlL_vm *vm = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->on_log);
    lua_pushstring(L, levels[lua_tointeger(L, 2)]);
    lua_pushstring(L, lua_touserdata(L, 3));
    lua_call(L, 2, 0);
    return 0;
}

static struct atlL_vm *log_owner; /* peer: whose function has the log */

/* May come from anywhere, also while Lua runs; a log function cannot wait, and
   what it logs itself is dropped. */
static void to_lua(void *ctx, enum atl_level level, const char *text)
{
    struct atlL_vm *vm = ctx;
    lua_State *L = vm->top ? vm->top->L : vm->base;
    if (vm->logging || vm->closing || !lua_checkstack(L, 6))
        return;
    vm->logging = true;
    lua_pushcfunction(L, call_log);
    lua_pushlightuserdata(L, vm);
    lua_pushinteger(L, level);
    lua_pushlightuserdata(L, (void *)(uintptr_t)text);
    if (lua_pcall(L, 3, 0, 0) != LUA_OK)
        lua_pop(L, 1);
    vm->logging = false;
}

void atlL_log_forget(struct atlL_vm *vm)
{
    if (log_owner != vm)
        return;
    log_owner = NULL;
    atl_log_set(NULL, NULL);
}

static int l_on_log(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    set_function(L, &vm->on_log);
    if (vm->on_log == LUA_NOREF) {
        atlL_log_forget(vm);
    } else {
        log_owner = vm;
        atl_log_set(to_lua, vm);
    }
    return 0;
}

static int l_log(lua_State *L)
{
    static const char *const levels[] = {"info", "warning", "error", NULL};
    int level = luaL_checkoption(L, 1, "info", levels);
    atl_log((enum atl_level)level, "%s", luaL_checkstring(L, 2));
    return 0;
}

static int l_info(lua_State *L)
{
    struct atl_loop *loop = loop_of(L);
    const char *const *names = atl_backend_names();
    lua_createtable(L, 0, 8);
    lua_pushliteral(L, ATL_VERSION);
    lua_setfield(L, -2, "version");
    lua_getglobal(L, "_VERSION");
    lua_setfield(L, -2, "lua");
    lua_pushstring(L, atl_loop_backend(loop));
    lua_setfield(L, -2, "backend");
    lua_newtable(L);
    for (int i = 0; names[i] != NULL; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "backends");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "tls");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "sql");
    lua_pushliteral(L, "hosts");
    lua_setfield(L, -2, "dns");
    size_t max = atl_loop_max_files(loop);
    lua_pushinteger(L, max > (size_t)LUA_MAXINTEGER ? LUA_MAXINTEGER
                                                    : (lua_Integer)max);
    lua_setfield(L, -2, "max_files");
    return 1;
}

static int l_stats(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    struct atl_stats s;
    atl_loop_stats(loop_of(L), &s);
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        {"turns", s.turns},
        {"events", s.events},
        {"stale_events", s.stale_events},
        {"timers_fired", s.timers_fired},
        {"posts_run", s.posts_run},
        {"accepted", s.accepted},
        {"connected", s.connected},
        {"closed", s.closed},
        {"reads", s.reads},
        {"writes", s.writes},
        {"bytes_in", s.bytes_in},
        {"bytes_out", s.bytes_out},
        {"accept_errors", s.accept_errors},
        {"accept_pauses", s.accept_pauses},
        {"accept_refused", s.accept_refused},
        {"deadlines", s.deadlines},
        {"streams", s.streams},
        {"listeners", s.listeners},
        {"timers", s.timers},
        {"signals", s.signals},
        {"files", s.files},
        {"memory", s.memory},
        {"tasks", vm->task_count},
        {"spawned", vm->spawned},
        {"failures", vm->failures},
        {"network_errors", vm->quiet},
    };
    lua_createtable(L, 0, sizeof(all) / sizeof(all[0]));
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        lua_pushinteger(L, (lua_Integer)all[i].value);
        lua_setfield(L, -2, all[i].name);
    }
    return 1;
}

static int count_at_work(void *ctx, enum atl_kind kind, void *object,
                         bool keeps_alive)
{
    const struct atl_stream *s = object;
    lua_Integer *count = ctx;
    (void)keeps_alive;
    if (kind == ATL_KIND_STREAM && (atl_stream_queued(s) > 0 ||
                                    (atl_stream_holds(s) & ATL_HOLD_WORK) != 0))
        ++*count;
    return 0;
}

/* How many streams have output queued or a handler at work. */
static int l_streams_at_work(lua_State *L)
{
    lua_Integer count = 0;
    atl_loop_visit(atlL_vm_loop(L, ATLL_VM(L)), count_at_work, &count);
    lua_pushinteger(L, count);
    return 1;
}

static int l_tasks(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    lua_newtable(L);
    int n = 0;
    for (struct atlL_link *l = vm->tasks.next; l != &vm->tasks; l = l->next) {
        struct atlL_task *task = (struct atlL_task *)l;
        lua_createtable(L, 0, 4);
        atlL_handle_push(L, task);
        lua_setfield(L, -2, "task");
        lua_pushstring(L, task->state == ATLL_RUNNING     ? "running"
                          : task->state == ATLL_SUSPENDED ? "waiting"
                                                          : "ready");
        lua_setfield(L, -2, "status");
        lua_pushstring(L, task->what);
        lua_setfield(L, -2, "waits");
        lua_pushstring(L, task->owner ? task->owner->type->what : "task");
        lua_setfield(L, -2, "kind");
        atlL_task_traceback(L, task);
        lua_setfield(L, -2, "traceback");
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* Drives the loop from the stock interpreter until nothing keeps it alive. */
static int l_drive(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    struct atl_loop *loop = atlL_vm_loop(L, vm);
    lua_State *base = vm->base;
    if (vm->running != NULL)
        return luaL_error(L, "the loop is running already");
    vm->base = L;
    int r = atl_loop_run(loop);
    vm->base = base;
    if (r < 0)
        return luaL_error(L, "%s", atl_error_text(r));
    lua_pushboolean(L, r == 1);
    return 1;
}

static int l_break(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    if (vm->loop != NULL)
        atl_loop_stop(vm->loop);
    return 0;
}

/* Whether a signal may yet wake who waits: then the loop goes on. */
static int l_hold(lua_State *L)
{
    lua_pushboolean(L, atlL_hold(ATLL_VM(L)));
    return 1;
}

static int l_in_task(lua_State *L)
{
    lua_pushboolean(L, ATLL_VM(L)->running != NULL);
    return 1;
}

/* Reports at once the failures nobody joined. */
static int l_report(lua_State *L)
{
    atlL_handle_report(L, ATLL_VM(L));
    return 0;
}

static int l_can_wait(lua_State *L)
{
    lua_pushboolean(L, atlL_can_wait(L));
    return 1;
}

int atlL_open_atools(lua_State *L, struct atlL_vm *vm)
{
    static const luaL_Reg functions[] = {
        {"spawn", l_spawn},
        {"current", l_current},
        {"sleep", l_sleep},
        {"deadline", atlL_deadline},
        {"shield", atlL_shield},
        {"after", atlL_timer_after},
        {"every", atlL_timer_every},
        {"defer", atlL_timer_defer},
        {"signal", atlL_signal_new},
        {"waiter", atlL_waiter_new},
        {"channel", atlL_channel_new},
        {"now", l_now},
        {"time", l_time},
        {"error", l_error},
        {"on_error", l_on_error},
        {"on_log", l_on_log},
        {"log", l_log},
        {"info", l_info},
        {"stats", l_stats},
        {"tasks", l_tasks},
        {"streams_at_work", l_streams_at_work},
        {"drive", l_drive},
        {"break_loop", l_break},
        {"hold", l_hold},
        {"in_task", l_in_task},
        {"report", l_report},
        {"can_wait", l_can_wait},
        {NULL, NULL},
    };
    lua_newtable(L);
    lua_pushlightuserdata(L, vm);
    luaL_setfuncs(L, functions, 1);
    return 1;
}
