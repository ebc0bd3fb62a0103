/* SPDX-License-Identifier: MIT */
/*
 * The registry of modules. Everything goes through package.preload, in each of
 * the three ways the library gets into a Lua state (the runner, a C host, the
 * shared object of a stock interpreter), so that all of them run the same code
 * and need no file beside the binary.
 *
 * Two copies of the library in one state would each have a loop, tasks and a
 * replaced coroutine.resume of their own; what one suspends the other cannot
 * wake. So the first copy leaves its name in the registry and the second
 * refuses, telling where both came from.
 */
#include "modules.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "kit.h"

#define LIBRARY_KEY "atools.library"

/* Generated from scripts/lib; ends with a NULL name. */
struct atlL_embedded {
    const char *name;
    const char *source;
    size_t length;
};
extern const struct atlL_embedded atlL_embedded[];

static const struct half {
    const char *name;
    int (*open)(lua_State *L, struct atlL_vm *vm);
} halves[] = {
    {"atools", atlL_open_atools},
    {"asocket", atlL_open_asocket},
};

void atlL_modules_path(lua_State *L)
{
    Dl_info info;
    if (dladdr((void *)(uintptr_t)halves, &info) != 0 && info.dli_fname != NULL)
        lua_pushstring(L, info.dli_fname);
    else
        lua_pushliteral(L, "?");
}

int atlL_modules_claim(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LIBRARY_KEY);
    if (lua_istable(L, -1)) {
        lua_rawgetp(L, -1, halves);
        bool mine = !lua_isnil(L, -1);
        lua_pop(L, 1);
        if (mine) {
            lua_pop(L, 1);
            return 0;
        }
        lua_getfield(L, -1, "path");
        lua_remove(L, -2);
        return -EBUSY;
    }
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    atlL_modules_path(L);
    lua_setfield(L, -2, "path");
    lua_pushboolean(L, 1); /* the address tells the copies apart */
    lua_rawsetp(L, -2, halves);
    lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY_KEY);
    return 0;
}

static const struct atlL_embedded *find_embedded(const char *name)
{
    for (const struct atlL_embedded *e = atlL_embedded; e->name != NULL; e++)
        if (strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

/* Upvalues: the VM, the half. */
static int load_c(lua_State *L)
{
    const struct half *half = lua_touserdata(L, lua_upvalueindex(2));
    return half->open(L, ATLL_VM(L));
}

/* Upvalue: the embedded file. Arguments of a loader: name, place. */
static int load_lua(lua_State *L)
{
    const struct atlL_embedded *e = lua_touserdata(L, lua_upvalueindex(1));
    luaL_checkstack(L, 4, NULL);
    lua_settop(L, 2);
    /* "@atools/group.lua", as tracebacks show files */
    luaL_gsub(L, e->name, ".", "/");
    const char *chunk = lua_pushfstring(L, "@%s.lua", lua_tostring(L, -1));
    if (luaL_loadbufferx(L, e->source, e->length, chunk, "t") != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

static void preload_c(lua_State *L, struct atlL_vm *vm, const struct half *half)
{
    lua_pushlightuserdata(L, vm);
    lua_pushlightuserdata(L, (void *)(uintptr_t)half);
    lua_pushcclosure(L, load_c, 2);
    lua_pushvalue(L, -1);
    lua_pushfstring(L, "%s.core", half->name);
    lua_insert(L, -2);
    lua_rawset(L, -4);
    if (find_embedded(half->name) == NULL)
        lua_setfield(L, -2, half->name);
    else
        lua_pop(L, 1);
}

void atlL_modules_install(lua_State *L, struct atlL_vm *vm)
{
    luaL_checkstack(L, 6, NULL);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
        preload_c(L, vm, &halves[i]);
    for (const struct atlL_embedded *e = atlL_embedded; e->name != NULL; e++) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)e);
        lua_pushcclosure(L, load_lua, 1);
        lua_setfield(L, -2, e->name);
    }
    lua_pushcfunction(L, luaopen_atools_native);
    lua_setfield(L, -2, "atools.native");
    lua_pop(L, 1);
}

int luaopen_atools_native(lua_State *L)
{
    if (atlL_modules_claim(L) < 0) {
        atlL_modules_path(L);
        return luaL_error(L,
                          "atools is open in this Lua state already, from %s; "
                          "%s is a second copy: load one only",
                          lua_tostring(L, -2), lua_tostring(L, -1));
    }
    struct atl_error why;
    int result = atlL_open(L, NULL, &why);
    if (result < 0 &&
        result != -EBUSY) /* busy: this copy is open, all is well */
        return luaL_error(L, "%s", why.text);
    lua_pushboolean(L, 1);
    return 1;
}
