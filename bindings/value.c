/* SPDX-License-Identifier: MIT */
/* Values between C and Lua: failures, error objects, seconds, addresses. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "vm.h"

#define ERROR_META "atools.error"

static const char scope_key; /* the deadline an error object belongs to */

int atlL_fail(lua_State *L, int code, const char *text)
{
    luaL_checkstack(L, 3, NULL);
    lua_pushnil(L);
    lua_pushstring(L, text ? text : atl_error_text(code));
    lua_pushstring(L, atl_error_name(code));
    return 3;
}

int atlL_fail_error(lua_State *L, const struct atl_error *why)
{
    return atlL_fail(L, why->code, why->text);
}

static int error_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "message");
    luaL_tolstring(L, -1, NULL);
    return 1;
}

void atlL_value_open(lua_State *L)
{
    luaL_newmetatable(L, ERROR_META);
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}

static int to_text(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

const char *atlL_text_push(lua_State *L, int index)
{
    int type = lua_type(L, index);
    index = lua_absindex(L, index);
    luaL_checkstack(L, 4, NULL);
    if (type == LUA_TSTRING || type == LUA_TNUMBER)
        return luaL_tolstring(L, index, NULL);
    if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushcfunction(L, to_text); /* which may raise */
        lua_pushvalue(L, index);
        if (lua_pcall(L, 1, 1, 0) == LUA_OK)
            return lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    return lua_pushfstring(L, "(error object is a %s value)",
                           lua_typename(L, type));
}

void atlL_error_push_scope(lua_State *L, int code, const char *text,
                           void *scope)
{
    luaL_checkstack(L, 4, NULL);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, text ? text : atl_error_text(code));
    lua_setfield(L, -2, "message");
    lua_pushstring(L, atl_error_name(code));
    lua_setfield(L, -2, "code");
    if (scope != NULL) {
        lua_pushlightuserdata(L, scope);
        lua_rawsetp(L, -2, &scope_key);
    }
    luaL_setmetatable(L, ERROR_META);
}

void atlL_error_push(lua_State *L, int code, const char *text)
{
    atlL_error_push_scope(L, code, text, NULL);
}

static bool is_error(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, ERROR_META);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

void *atlL_error_scope(lua_State *L, int index)
{
    if (!is_error(L, index))
        return NULL;
    lua_rawgetp(L, index, &scope_key);
    void *scope = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return scope;
}

/* The string stays alive in the error object. */
const char *atlL_error_code(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    if (!is_error(L, index))
        return NULL;
    lua_pushliteral(L, "code");
    lua_rawget(L, index);
    const char *code =
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return code;
}

int64_t atlL_check_seconds(lua_State *L, int arg, int64_t fallback)
{
    if (lua_isnoneornil(L, arg))
        return fallback;
    if (lua_isboolean(L, arg) && !lua_toboolean(L, arg))
        return ATL_NEVER;
    lua_Number s = luaL_checknumber(L, arg);
    luaL_argcheck(L, !isnan(s) && s >= 0, arg,
                  "seconds must not be negative or NaN");
    return s < 9e9 ? (int64_t)ceil(s * 1e9) : ATL_NEVER;
}

static void endpoint_from_table(lua_State *L, int arg, struct atl_endpoint *out)
{
    static const struct atlL_option known[] = {
        {"host", 's'}, {"port", 'i'}, {NULL, 0}};
    size_t length = 0;
    struct atl_endpoint e = {.port = 0};
    atlL_options_check(L, arg, known, "address");
    lua_getfield(L, arg, "host");
    const char *host = luaL_optlstring(L, -1, "", &length);
    luaL_argcheck(L, length < sizeof(e.host) && strlen(host) == length, arg,
                  "bad host");
    memcpy(e.host, host, length);
    size_t port = 65536;
    luaL_argcheck(L, atlL_option_size(L, arg, "port", &port) && port < 65536,
                  arg, "the port must be from 0 to 65535");
    e.port = (uint16_t)port;
    lua_pop(L, 1);
    *out = e;
}

void atlL_check_endpoint(lua_State *L, int arg, struct atl_endpoint *out)
{
    struct atl_error why;
    size_t length;
    if (lua_istable(L, arg)) {
        endpoint_from_table(L, arg, out);
        return;
    }
    const char *text = luaL_checklstring(L, arg, &length);
    if (atl_endpoint_parse(out, text, length, &why) < 0)
        luaL_argerror(L, arg, why.text);
}

int atlL_push_addr(lua_State *L, const struct atl_addr *addr)
{
    char host[160];
    const char *family = atl_addr_family(addr);
    luaL_checkstack(L, 3, NULL);
    lua_pushstring(L, atl_addr_host(addr, host, sizeof(host)));
    if (strcmp(family, "unix") == 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, atl_addr_port(addr));
    lua_pushstring(L, family);
    return 3;
}
