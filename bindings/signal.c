/* SPDX-License-Identifier: MIT */
/* Signal handlers of Lua: anchored until closed, they keep no loop alive. */
#include <errno.h>

#include "vm.h"

struct signal_box {
    struct atlL_box box;
    struct atlL_owner owner;
    struct atl_signal *signal; /* owns; NULL when closed */
    int number;
    bool again; /* came while the handler was at work */
};

static int fill(lua_State *L, void *arg)
{
    struct signal_box *s = arg;
    atlL_box_push(L, &s->box);
    int self = lua_gettop(L);
    lua_getiuservalue(L, self, 2);
    lua_remove(L, self);
    lua_pushstring(L, atl_signal_name(s->number));
    return 1;
}

static void finished(struct atlL_owner *owner, struct atlL_task *task, bool ok);

static const struct atlL_owner_type owner_type = {.what = "signal handler",
                                                  .finished = finished};

/* One at a time; any number that comes meanwhile is one more. */
static void handle(struct signal_box *s)
{
    s->again = s->owner.task != NULL;
    if (!s->again)
        atlL_enter(s->box.vm, &s->owner, fill, s);
}

static void finished(struct atlL_owner *owner, struct atlL_task *task, bool ok)
{
    struct signal_box *s = ATLL_CONTAINER(owner, struct signal_box, owner);
    (void)task;
    (void)ok;
    if (s->again && s->signal != NULL)
        handle(s);
}

static void on_signal(struct atl_signal *signal, int number)
{
    (void)number;
    handle(atl_signal_data(signal));
}

bool atlL_hold(struct atlL_vm *vm)
{
    if (vm->held || vm->signals == 0 || vm->task_count == 0)
        return vm->held;
    atl_loop_ref(vm->loop);
    vm->held = true;
    return true;
}

void atlL_unhold(struct atlL_vm *vm)
{
    if (vm->held)
        atl_loop_unref(vm->loop);
    vm->held = false;
}

static int signal_close(lua_State *L)
{
    struct signal_box *s = lua_touserdata(L, 1);
    if (s->signal == NULL || s->box.vm->loop == NULL)
        return 0;
    atl_signal_close(&s->signal);
    s->box.vm->signals--;
    atlL_unhold(s->box.vm);
    atlL_owner_detach(&s->owner);
    atlL_box_release(&s->box);
    return 0;
}

static const struct atlL_class signal_class;

static int l_close(lua_State *L)
{
    atlL_box_check(L, 1, &signal_class);
    return signal_close(L);
}

static const luaL_Reg methods[] = {{"close", l_close}, {NULL, NULL}};

static const struct atlL_class signal_class = {"atools.signal", methods,
                                               signal_close, true};

void atlL_signal_open(lua_State *L, struct atlL_vm *vm)
{
    atlL_class_make(L, vm, &signal_class);
}

int atlL_signal_new(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    int number = atl_signal_number(luaL_checkstring(L, 1));
    luaL_argcheck(L, number > 0, 1, "no such signal");
    luaL_checktype(L, 2, LUA_TFUNCTION);
    struct atl_loop *loop = atlL_vm_loop(L, vm);
    struct signal_box *s = atlL_box_new(L, vm, &signal_class, sizeof(*s));
    struct atl_error why;
    s->owner.type = &owner_type;
    s->number = number;
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 2);
    atlL_box_anchor(L, -1);
    int r = atl_signal_open(&s->signal, loop, number, on_signal, s, &why);
    if (r < 0) {
        atlL_box_release(&s->box);
        return r == -EINVAL ? luaL_error(L, "%s", why.text)
                            : atlL_fail_error(L, &why);
    }
    vm->signals++;
    return 1;
}
