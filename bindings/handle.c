/* SPDX-License-Identifier: MIT */
/*
 * Task handles: what spawn returns. The results of a task outlive it here. A
 * failure that nobody joins within a second is reported, so that no error
 * vanishes and none is told twice.
 */
#include <errno.h>
#include <string.h>

#include "vm.h"

#define GRACE_NS ATL_SECOND

enum status { LIVE, DONE, FAILED, CANCELLED };

struct atlL_handle {
    struct atlL_box box;
    struct atlL_task *task;    /* peer; NULL once it ended */
    struct atlL_link joiners;  /* struct joiner */
    struct atlL_link unjoined; /* the VM's list */
    uint8_t status;            /* enum status */
    bool joined;               /* somebody asked for the results */
    int count;                 /* of results in user value 2 */
};

struct joiner {
    struct atlL_wait wait;
    struct atlL_link link;
};

static int handle_close(lua_State *L)
{
    struct atlL_handle *h = lua_touserdata(L, 1);
    if (h->task != NULL)
        h->task->handle = NULL;
    h->task = NULL;
    if (h->unjoined.next != NULL)
        atlL_link_remove(&h->unjoined);
    return 0;
}

static const struct atlL_class handle_class;

struct atlL_handle *atlL_handle_new(lua_State *L, struct atlL_vm *vm)
{
    struct atlL_handle *h = atlL_box_new(L, vm, &handle_class, sizeof(*h));
    atlL_link_init(&h->joiners);
    atlL_link_init(&h->unjoined);
    atlL_box_anchor(L, -1);
    return h;
}

void atlL_handle_link(struct atlL_handle *h, struct atlL_task *task)
{
    if (h == NULL)
        return;
    h->task = task;
    task->handle = h;
}

void atlL_handle_discard(struct atlL_handle *h)
{
    if (h != NULL)
        atlL_box_release(&h->box);
}

void atlL_handle_abandon(struct atlL_task *task)
{
    if (task->handle != NULL)
        task->handle->task = NULL;
    task->handle = NULL;
}

void atlL_handle_push(lua_State *L, struct atlL_task *task)
{
    if (task->handle == NULL)
        atlL_handle_link(atlL_handle_new(L, task->vm), task);
    else
        atlL_box_push(L, &task->handle->box);
}

/* Results of join, from the user value of the handle at 1. */
static int push_results(lua_State *L, void *arg)
{
    struct atlL_handle *h = lua_touserdata(L, 1);
    (void)arg;
    h->joined = true;
    atlL_link_remove(&h->unjoined);
    lua_getiuservalue(L, 1, 2);
    int results = lua_gettop(L);
    if (h->status == DONE) {
        luaL_checkstack(L, h->count + 2, "too many results");
        lua_pushboolean(L, 1);
        for (int i = 1; i <= h->count; i++)
            lua_rawgeti(L, results, i);
        return h->count + 1;
    }
    if (!lua_istable(L, results))
        return atlL_fail(L, -ENOMEM, NULL);
    lua_rawgeti(L, results, 1);
    int value = lua_gettop(L);
    const char *code = atlL_error_code(L, value);
    lua_pushnil(L);
    atlL_text_push(L, value);
    lua_pushstring(L, code ? code : atl_error_name(ATL_ESCRIPT));
    lua_pushvalue(L, value);
    return 4;
}

static void wake_joiners(struct atlL_handle *h)
{
    while (!atlL_link_empty(&h->joiners)) {
        struct atlL_link *l = h->joiners.next;
        struct joiner *j = ATLL_CONTAINER(l, struct joiner, link);
        atlL_link_remove(l);
        h->joined = true;
        atlL_wake(&j->wait, push_results, NULL);
    }
}

static void ended(struct atlL_task *task, uint8_t status)
{
    struct atlL_handle *h = task->handle;
    struct atlL_vm *vm = task->vm;
    task->handle = NULL;
    h->task = NULL;
    h->status = status;
    wake_joiners(h);
    if (status == FAILED && !h->joined) {
        atlL_link_append(&vm->unjoined, &h->unjoined);
        if (!atl_timer_active(&vm->grace))
            atl_timer_start(&vm->grace, GRACE_NS, 0);
        return; /* stays anchored until it is reported */
    }
    atlL_box_release(&h->box);
}

void atlL_handle_finish(lua_State *L, struct atlL_task *task, bool ok, int n)
{
    struct atlL_handle *h = task->handle;
    bool cancelled = false;
    if (n >= 0) {
        luaL_checkstack(L, 4, NULL);
        if (!ok) {
            const char *code = atlL_error_code(L, -n);
            cancelled = task->cancelled && code != NULL &&
                        strcmp(code, "ECANCELED") == 0;
        }
        lua_createtable(L, n, 0);
        lua_insert(L, -(n + 1));
        for (int i = n; i >= 1; i--)
            lua_rawseti(L, -(i + 1), i);
        atlL_box_push(L, &h->box);
        lua_insert(L, -2);
        lua_setiuservalue(L, -2, 2);
        lua_pop(L, 1);
        h->count = n;
    }
    ended(task, ok ? DONE : cancelled ? CANCELLED : FAILED);
}

void atlL_handle_drop(struct atlL_task *task, bool ok)
{
    task->handle->joined = true; /* its owner has reported it */
    ended(task, ok ? DONE : FAILED);
}

/* The function and arguments that report a handle's failure; -1: none. */
static int push_report(lua_State *L, struct atlL_handle *h)
{
    struct atlL_vm *vm = h->box.vm;
    luaL_checkstack(L, 6, NULL);
    atlL_link_remove(&h->unjoined);
    atlL_box_push(L, &h->box);
    atlL_box_release(&h->box);
    if (lua_getiuservalue(L, -1, 2) != LUA_TTABLE)
        return -1; /* told when memory ran out */
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    return atlL_report_push(L, vm, "task");
}

static int fill_report(lua_State *L, void *arg)
{
    return push_report(L, arg);
}

static struct atlL_handle *first_unjoined(struct atlL_vm *vm)
{
    struct atlL_link *l = vm->unjoined.next;
    return l == &vm->unjoined ? NULL
                              : ATLL_CONTAINER(l, struct atlL_handle, unjoined);
}

void atlL_handle_report_later(struct atlL_vm *vm)
{
    struct atlL_handle *h;
    while ((h = first_unjoined(vm)) != NULL) {
        atlL_enter(vm, NULL, fill_report, h);
        if (h == first_unjoined(vm)) { /* no memory for a task: once more */
            atl_timer_start(&vm->grace, GRACE_NS, 0);
            break;
        }
    }
}

void atlL_handle_report(lua_State *L, struct atlL_vm *vm)
{
    struct atlL_handle *h;
    int top = lua_gettop(L);
    while ((h = first_unjoined(vm)) != NULL) {
        int n = push_report(L, h);
        if (n >= 0)
            lua_call(L, n, 0);
        lua_settop(L, top);
    }
}

static struct atlL_handle *check(lua_State *L)
{
    return atlL_box_check(L, 1, &handle_class);
}

static void cancel_join(struct atlL_wait *wait, void *arg)
{
    struct joiner *j = arg;
    (void)wait;
    atlL_link_remove(&j->link);
}

static int l_join(lua_State *L)
{
    struct atlL_handle *h = check(L);
    int64_t ns = atlL_check_seconds(L, 2, ATL_NEVER);
    lua_settop(L, 1);
    if (h->status != LIVE)
        return push_results(L, NULL);
    struct atlL_vm *vm = h->box.vm;
    if (h->task != NULL && h->task == vm->running)
        return luaL_error(L, "a task cannot join itself");
    atlL_wait_check(L);
    struct joiner *j = lua_newuserdatauv(L, sizeof(*j), 0);
    memset(j, 0, sizeof(*j));
    atlL_link_append(&h->joiners, &j->link);
    return atlL_wait_start(L, &j->wait, "join", ns, cancel_join, j);
}

static int l_cancel(lua_State *L)
{
    struct atlL_handle *h = check(L);
    const char *reason = luaL_optstring(L, 2, NULL);
    if (h->task != NULL)
        atlL_task_cancel(h->task, -ECANCELED, reason);
    lua_pushboolean(L, h->task != NULL);
    return 1;
}

static int l_status(lua_State *L)
{
    static const char *const ends[] = {NULL, "done", "failed", "cancelled"};
    struct atlL_handle *h = check(L);
    const char *text = ends[h->status];
    if (h->status == LIVE)
        text = h->task == NULL                    ? "done"
               : h->task->state == ATLL_READY     ? "ready"
               : h->task->state == ATLL_SUSPENDED ? "waiting"
                                                  : "running";
    lua_pushstring(L, text);
    return 1;
}

static int l_traceback(lua_State *L)
{
    struct atlL_handle *h = check(L);
    if (h->task != NULL) {
        atlL_task_traceback(L, h->task);
        return 1;
    }
    if (lua_getiuservalue(L, 1, 2) == LUA_TTABLE && h->status >= FAILED)
        lua_rawgeti(L, -1, 2);
    else
        lua_pushnil(L);
    return 1;
}

/* Groups tell of theirs by other means: whether a failure is told already. */
static int l_forget(lua_State *L)
{
    struct atlL_handle *h = check(L);
    struct atlL_vm *vm = h->box.vm;
    h->joined = lua_toboolean(L, 2);
    atlL_link_remove(&h->unjoined);
    if (!h->joined && h->status == FAILED) {
        atlL_box_anchor(L, 1);
        atlL_link_append(&vm->unjoined, &h->unjoined);
        atl_timer_start(&vm->grace, GRACE_NS, 0);
    } else if (h->status != LIVE) {
        atlL_box_release(&h->box);
    }
    return 0;
}

static int l_cancelled(lua_State *L)
{
    struct atlL_handle *h = check(L);
    lua_pushboolean(L, h->status == CANCELLED ||
                           (h->task != NULL && h->task->cancelled));
    return 1;
}

static int l_tostring(lua_State *L)
{
    lua_pushfstring(L, "atools.task (%p)", (void *)check(L));
    return 1;
}

static const luaL_Reg methods[] = {
    {"join", l_join},           {"cancel", l_cancel},
    {"status", l_status},       {"traceback", l_traceback},
    {"_forget", l_forget},      {"_cancelled", l_cancelled},
    {"__tostring", l_tostring}, {NULL, NULL},
};

static const struct atlL_class handle_class = {"atools.task", methods,
                                               handle_close, true};

void atlL_handle_open(lua_State *L, struct atlL_vm *vm)
{
    atlL_class_make(L, vm, &handle_class);
}
