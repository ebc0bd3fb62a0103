/* SPDX-License-Identifier: MIT */
/* Option tables: every key is known or refused, every value has its type. */
#include <math.h>
#include <string.h>

#include "kit.h"

static int unknown(lua_State *L, const struct atlL_option *known,
                   const char *what, int key)
{
    luaL_Buffer b;
    luaL_tolstring(L, key, NULL);
    luaL_buffinit(L, &b);
    for (const struct atlL_option *o = known; o->name != NULL; o++) {
        if (o != known)
            luaL_addstring(&b, ", ");
        luaL_addstring(&b, o->name);
    }
    luaL_pushresult(&b);
    return luaL_error(L, "unknown %s option \"%s\" (known: %s)", what,
                      lua_tostring(L, -2), lua_tostring(L, -1));
}

static bool fits(lua_State *L, char type)
{
    int t = lua_type(L, -1), whole;
    lua_Integer n;
    switch (type) {
    case 'b':
        return t == LUA_TBOOLEAN;
    case 'n':
        return t == LUA_TNUMBER;
    case 'i': /* 1e5 is one, too */
        n = lua_tointegerx(L, -1, &whole);
        return t == LUA_TNUMBER && whole && n >= 0;
    case 'z':
        return (t == LUA_TBOOLEAN && !lua_toboolean(L, -1)) || fits(L, 'i');
    case 's':
        return t == LUA_TSTRING;
    case 'd':
        return (t == LUA_TBOOLEAN && !lua_toboolean(L, -1)) ||
               (t == LUA_TNUMBER && lua_tonumber(L, -1) >= 0);
    case 'f':
        return t == LUA_TFUNCTION;
    case 't':
        return t == LUA_TTABLE;
    default:
        return true;
    }
}

static const char *expected(char type)
{
    switch (type) {
    case 'b':
        return "a boolean";
    case 'n':
        return "a number";
    case 'i':
        return "an integer of at least 0";
    case 'z':
        return "an integer of at least 0, or false for no limit";
    case 's':
        return "a string";
    case 'd':
        return "seconds, or false for none";
    case 'f':
        return "a function";
    default:
        return "a table";
    }
}

void atlL_options_check(lua_State *L, int arg, const struct atlL_option *known,
                        const char *what)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    arg = lua_absindex(L, arg);
    luaL_checkstack(L, 6, NULL);
    lua_pushnil(L);
    while (lua_next(L, arg)) {
        const struct atlL_option *o = known;
        const char *key =
            lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        while (o->name != NULL && (key == NULL || strcmp(o->name, key) != 0))
            o++;
        if (o->name == NULL)
            unknown(L, known, what, lua_absindex(L, -2));
        if (!fits(L, o->type))
            luaL_error(L, "%s option \"%s\" must be %s", what, o->name,
                       expected(o->type));
        lua_pop(L, 1);
    }
}

bool atlL_option_boolean(lua_State *L, int arg, const char *key, bool *out)
{
    bool there = lua_getfield(L, arg, key) != LUA_TNIL;
    if (there)
        *out = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return there;
}

bool atlL_option_size(lua_State *L, int arg, const char *key, size_t *out)
{
    bool there = lua_getfield(L, arg, key) != LUA_TNIL;
    if (there) {
        if (!fits(L, 'z'))
            luaL_error(L, "option \"%s\" must be %s", key, expected('i'));
        *out = lua_isboolean(L, -1) ? SIZE_MAX : (size_t)lua_tointeger(L, -1);
    }
    lua_pop(L, 1);
    return there;
}

bool atlL_option_seconds(lua_State *L, int arg, const char *key, int64_t *out)
{
    bool there = lua_getfield(L, arg, key) != LUA_TNIL;
    if (there) {
        if (!fits(L, 'd'))
            luaL_error(L, "option \"%s\" must be %s", key, expected('d'));
        *out = atlL_check_seconds(L, lua_gettop(L), ATL_NEVER);
        if (*out == 0)
            *out = 1; /* 0 is "the default" in C: the shortest time instead */
    }
    lua_pop(L, 1);
    return there;
}

bool atlL_option_switch(lua_State *L, int arg, const char *key,
                        enum atl_switch *out)
{
    bool on;
    if (!atlL_option_boolean(L, arg, key, &on))
        return false;
    *out = on ? ATL_ON : ATL_OFF;
    return true;
}
