/* SPDX-License-Identifier: MIT */
/*
 * The state of one Lua VM. It is a userdata in the registry, made before any
 * box, so that lua_close finalises it last: whatever order boxes die in, the
 * loop is there until the end.
 */
#include "vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"

#define VM_KEY "atools.vm"

/* The same once more under an address: found without making a string, which
   may fail. */
static const char vm_key;

void atlL_link_init(struct atlL_link *link)
{
    link->next = link->prev = link;
}

bool atlL_link_empty(const struct atlL_link *link)
{
    return link->next == link;
}

void atlL_link_append(struct atlL_link *head, struct atlL_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

void atlL_link_remove(struct atlL_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    atlL_link_init(link);
}

bool atlL_vm_closing(const struct atlL_vm *vm)
{
    return vm->closing;
}

bool atlL_protected(struct atlL_vm *vm, lua_CFunction fn, void *arg)
{
    lua_State *L = vm->base;
    if (vm->closing || !lua_checkstack(L, 3))
        return false;
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, arg);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return true;
    const char *text = lua_tostring(L, -1);
    atl_log(ATL_LOG_ERROR, "%s", text ? text : "error without text");
    lua_pop(L, 1);
    return false;
}

static struct atlL_vm *find(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &vm_key);
    struct atlL_vm *vm = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return vm;
}

struct atlL_vm *atlL_vm_get(lua_State *L)
{
    struct atlL_vm *vm = find(L);
    if (vm == NULL)
        luaL_error(L, "the atools modules are not open in this Lua state");
    return vm;
}

struct atl_loop *atlL_loop(lua_State *L)
{
    struct atlL_vm *vm = find(L);
    return vm ? vm->loop : NULL;
}

static void use_loop(struct atlL_vm *vm, struct atl_loop *loop, bool owns);

struct atl_loop *atlL_vm_loop(lua_State *L, struct atlL_vm *vm)
{
    if (vm->closing)
        luaL_error(L, "the Lua state is closing");
    if (vm->loop != NULL)
        return vm->loop;
    struct atl_loop *loop;
    struct atl_error why;
    struct atl_loop_options options = {.backend = getenv("ATOOLS_BACKEND")};
    if (atl_loop_new(&loop, &options, &why) < 0)
        luaL_error(L, "%s", why.text);
    use_loop(vm, loop, true);
    return loop;
}

/* Runs the tasks that were ready when the phase began, in their order. */
static void run_ready(struct atl_post *post)
{
    struct atlL_vm *vm = post->data;
    struct atlL_link now;
    atlL_link_init(&now);
    while (!atlL_link_empty(&vm->ready)) {
        struct atlL_link *l = vm->ready.next;
        atlL_link_remove(l);
        atlL_link_append(&now, l);
    }
    while (!atlL_link_empty(&now)) {
        struct atlL_link *l = now.next;
        atlL_link_remove(l);
        struct atlL_task *task =
            (struct atlL_task *)(void *)((char *)l -
                                         offsetof(struct atlL_task, queue));
        int args = task->args;
        task->args = 0;
        atlL_task_resume(task, args);
    }
}

static int report_unjoined(lua_State *L)
{
    struct atlL_vm *vm = lua_touserdata(L, 1);
    atlL_handle_report(L, vm);
    return 0;
}

static void on_grace(struct atl_timer *timer)
{
    atlL_handle_report_later(timer->data);
}

static void use_loop(struct atlL_vm *vm, struct atl_loop *loop, bool owns)
{
    vm->loop = loop;
    vm->owns_loop = owns;
    atl_timer_init(&vm->grace, loop, on_grace, vm);
    atl_timer_keep_alive(&vm->grace, false);
    vm->ready_post.fn = run_ready;
    vm->ready_post.data = vm;
}

/* Argument: a box. As if it were collected, or its block were left. */
static int close_box(lua_State *L)
{
    lua_settop(L, 1);
    int args = 1;
    if (luaL_getmetafield(L, 1, "__gc") == LUA_TNIL) {
        if (luaL_getmetafield(L, 1, "__close") == LUA_TNIL)
            return 0;
        args = 2;
    }
    lua_insert(L, 1);
    lua_settop(L, args + 1);
    lua_call(L, args, 0);
    return 0;
}

/* Everything the loop may call back, so that it can go on without us. */
static void close_boxes(struct atlL_vm *vm)
{
    lua_State *L = vm->base;
    if (!lua_checkstack(L, 6))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->anchors);
    for (lua_Unsigned i = lua_rawlen(L, -1); i > 0; i--) {
        lua_pushcfunction(L, close_box);
        if (lua_rawgeti(L, -2, (lua_Integer)i) != LUA_TUSERDATA)
            lua_pop(L, 2);
        else if (lua_pcall(L, 1, 0, 0) != LUA_OK)
            lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void vm_close(struct atlL_vm *vm, bool finalizing)
{
    if (vm->closing)
        return;
    vm->base = vm->main;
    atlL_protected(vm, report_unjoined, vm);
    if (!finalizing)
        atlL_tasks_close(vm);
    close_boxes(vm);
    vm->closing = true;
    atlL_log_forget(vm);
    if (vm->loop == NULL)
        return;
    atlL_unhold(vm);
    atl_timer_stop(&vm->grace);
    atl_loop_undefer(vm->loop, &vm->ready_post);
    atlL_scopes_forget(vm);
    atlL_tasks_free(vm);
}

static int vm_gc(lua_State *L)
{
    struct atlL_vm *vm = lua_touserdata(L, 1);
    vm_close(vm, true);
    if (vm->loop != NULL)
        atlL_tasks_free(vm); /* one that ended after it was told to */
    if (vm->owns_loop)
        atl_loop_free(&vm->loop);
    vm->loop = NULL;
    return 0;
}

void atlL_close(lua_State *L)
{
    struct atlL_vm *vm = find(L);
    if (vm != NULL)
        vm_close(vm, false);
}

static int new_table_ref(lua_State *L)
{
    lua_newtable(L);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

static struct atlL_vm *vm_new(lua_State *L)
{
    struct atlL_vm *vm = lua_newuserdatauv(L, sizeof(*vm), 0);
    memset(vm, 0, sizeof(*vm));
    vm->anchors = vm->threads = vm->tracebacks = LUA_NOREF;
    vm->on_error = vm->on_log = LUA_NOREF;
    vm->closing = true; /* until it is whole */
    atlL_link_init(&vm->tasks);
    atlL_link_init(&vm->ready);
    atlL_link_init(&vm->unjoined);
    atlL_link_init(&vm->parked);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, vm_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    vm->main = vm->base = lua_tothread(L, -1);
    lua_pop(L, 1);
    vm->anchors = new_table_ref(L);
    vm->threads = new_table_ref(L);
    vm->tracebacks = new_table_ref(L);
    vm->closing = false;
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, VM_KEY);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &vm_key);
    return vm;
}

static int open_protected(lua_State *L)
{
    struct atlL_vm *vm = vm_new(L);
    atlL_value_open(L);
    atlL_handle_open(L, vm);
    atlL_deadline_open(L, vm);
    atlL_timer_open(L, vm);
    atlL_signal_open(L, vm);
    atlL_waiter_open(L, vm);
    atlL_channel_open(L, vm);
    atlL_coroutine_open(L, vm);
    atlL_modules_install(L, vm);
    return 0;
}

int atlL_open(lua_State *L, struct atl_loop *loop, struct atl_error *why)
{
    if (find(L) != NULL)
        return atl_fail(why, -EBUSY,
                        "the atools modules are open in this Lua state");
    int r = atlL_modules_claim(L);
    if (r < 0) {
        atl_fail(why, r, "another copy of atools is open in this Lua state: %s",
                 lua_tostring(L, -1));
        lua_pop(L, 1);
        return r;
    }
    lua_pushcfunction(L, open_protected);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        atl_fail(why, -ENOMEM, "%s", text ? text : "not enough memory");
        lua_pop(L, 1);
        return -ENOMEM;
    }
    if (loop != NULL)
        use_loop(find(L), loop, false);
    return 0;
}
