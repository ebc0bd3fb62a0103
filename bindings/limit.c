/* SPDX-License-Identifier: MIT */
/* The limit of descriptors, under the names it has always had. */
#include <errno.h>

#include "listener.h"

static lua_Integer shown(size_t n)
{
    return n > (size_t)LUA_MAXINTEGER ? LUA_MAXINTEGER : (lua_Integer)n;
}

/* n [, { silent = boolean } | boolean] */
int limit_set_max_files(lua_State *L)
{
    static const struct atlL_option known[] = {{"silent", 'b'}, {NULL, 0}};
    luaL_checktype(L, 1, LUA_TNUMBER);
    int whole;
    lua_Integer want = lua_tointegerx(L, 1, &whole);
    luaL_argcheck(L, whole, 1, "the limit must be a whole number");
    luaL_argcheck(L, want > 0, 1, "the limit must be at least 1");
    bool silent = true;
    if (lua_istable(L, 2)) {
        atlL_options_check(L, 2, known, "setMaxFiles");
        atlL_option_boolean(L, 2, "silent", &silent);
    } else if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TBOOLEAN);
        silent = lua_toboolean(L, 2);
    }
    struct atl_error why;
    size_t got = 0;
    int r = atl_fdlimit_set((size_t)want, &got, &why);
    if (r < 0 && !silent)
        return luaL_error(L, "%s", why.text);
    if (r < 0)
        atl_log(ATL_LOG_WARNING, "%s", why.text);
    lua_pushinteger(L, shown(got));
    return 1;
}

int limit_get_max_files(lua_State *L)
{
    size_t soft, hard;
    int r = atl_fdlimit_get(&soft, &hard);
    if (r < 0)
        return atlL_fail(L, r, NULL);
    lua_pushinteger(L, shown(soft));
    lua_pushinteger(L, shown(hard));
    return 2;
}
