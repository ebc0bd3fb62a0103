/* SPDX-License-Identifier: MIT */
/*
 * Boxes: userdata around engine objects. Methods are found first, the user's
 * own fields after them, so that a field can never hide a method. A box the
 * engine may call back is anchored in one table, by number: an array slot is
 * cheaper than a registry reference by address, and needs no hashing.
 */
#include <string.h>

#include "vm.h"

/* Upvalue 1: the method table. */
static int index_fields(lua_State *L)
{
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE)
        return 0;
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static int newindex_fields(lua_State *L)
{
    lua_settop(L, 3);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return luaL_error(L, "\"%s\" is a method and cannot be assigned",
                          luaL_tolstring(L, 2, NULL));
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, 1);
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, -3);
    return 0;
}

static int newindex_none(lua_State *L)
{
    return luaL_error(L, "this object takes no fields of your own");
}

static bool is_meta(const char *name)
{
    return name[0] == '_' && name[1] == '_';
}

/* The metatable and the method table at the top. */
static void add_methods(lua_State *L, struct atlL_vm *vm,
                        const luaL_Reg *methods)
{
    for (const luaL_Reg *r = methods; r->name != NULL; r++) {
        lua_pushlightuserdata(L, vm);
        lua_pushcclosure(L, r->func, 1);
        lua_setfield(L, is_meta(r->name) ? -3 : -2, r->name);
    }
}

void atlL_class_add(lua_State *L, struct atlL_vm *vm,
                    const struct atlL_class *class, const luaL_Reg *methods)
{
    luaL_checkstack(L, 5, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, class);
    atlL_class_methods(L, class);
    add_methods(L, vm, methods);
    lua_pop(L, 2);
}

void atlL_class_make(lua_State *L, struct atlL_vm *vm,
                     const struct atlL_class *class)
{
    luaL_checkstack(L, 6, NULL);
    luaL_newmetatable(L, class->name);
    lua_newtable(L); /* methods */
    add_methods(L, vm, class->methods);
    if (class->close != NULL) {
        lua_pushcfunction(L, class->close);
        lua_pushvalue(L, -1);
        lua_setfield(L, -4, "__gc");
        lua_setfield(L, -3, "__close");
    }
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, class->fields ? newindex_fields : newindex_none, 1);
    lua_setfield(L, -3, "__newindex");
    if (class->fields)
        lua_pushcclosure(L, index_fields, 1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_pushlightuserdata(L, (void *)(uintptr_t) class);
    lua_rawseti(L, -2, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, class);
}

void atlL_class_methods(lua_State *L, const struct atlL_class *class)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, class);
    lua_getfield(L, -1, "__newindex");
    if (lua_getupvalue(L, -1, 1) == NULL)
        lua_pushnil(L);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void *atlL_box_new(lua_State *L, struct atlL_vm *vm,
                   const struct atlL_class *class, size_t size)
{
    struct atlL_box *box = lua_newuserdatauv(L, size, 2);
    memset(box, 0, size);
    box->vm = vm;
    lua_rawgetp(L, LUA_REGISTRYINDEX, class);
    lua_setmetatable(L, -2);
    return box;
}

/* The metatable names its class in its first array slot: every method starts
   here, and that slot is found without the registry's hashing. */
void *atlL_box_test(lua_State *L, int arg, const struct atlL_class *class)
{
    void *box = lua_touserdata(L, arg);
    if (box == NULL || !lua_getmetatable(L, arg))
        return NULL;
    lua_rawgeti(L, -1, 1);
    bool same = lua_touserdata(L, -1) == class;
    lua_pop(L, 2);
    return same ? box : NULL;
}

void *atlL_box_check(lua_State *L, int arg, const struct atlL_class *class)
{
    void *box = atlL_box_test(L, arg, class);
    if (box == NULL)
        luaL_typeerror(L, arg, class->name);
    return box;
}

/* Free places of the table hold the number of the next free one. */
void atlL_box_anchor(lua_State *L, int index)
{
    struct atlL_box *box = lua_touserdata(L, index);
    struct atlL_vm *vm = box->vm;
    if (box->anchor != 0)
        return;
    index = lua_absindex(L, index);
    luaL_checkstack(L, 3, NULL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->anchors);
    uint32_t place = vm->free_anchor;
    if (place != 0) {
        lua_rawgeti(L, -1, place);
        vm->free_anchor = (uint32_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
    } else {
        place = (uint32_t)lua_rawlen(L, -1) + 1;
    }
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, place); /* may raise: box->anchor is still 0 */
    box->anchor = place;
    lua_pop(L, 1);
}

/* Overwriting an array slot with an integer allocates nothing. */
void atlL_box_release(struct atlL_box *box)
{
    struct atlL_vm *vm = box->vm;
    if (box->anchor == 0 || vm == NULL || vm->closing)
        return;
    lua_State *L = vm->running ? vm->top->L : vm->base;
    if (!lua_checkstack(L, 3))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->anchors);
    lua_pushinteger(L, vm->free_anchor);
    lua_rawseti(L, -2, box->anchor);
    lua_pop(L, 1);
    vm->free_anchor = box->anchor;
    box->anchor = 0;
}

void atlL_box_push(lua_State *L, const struct atlL_box *box)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, box->vm->anchors);
    lua_rawgeti(L, -1, box->anchor);
    lua_replace(L, -2);
}

bool atlL_box_at(lua_State *L, struct atlL_vm *vm, uint32_t place)
{
    luaL_checkstack(L, 2, NULL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->anchors);
    bool there = lua_rawgeti(L, -1, place) != LUA_TNIL;
    lua_remove(L, -2);
    if (!there)
        lua_pop(L, 1);
    return there;
}
