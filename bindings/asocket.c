/* SPDX-License-Identifier: MIT */
/* The C half of module asocket ("asocket.core"). */
#include <errno.h>
#include <string.h>

#include "buffer.h"
#include "conn.h"
#include "listener.h"

/* host [, port] -> text */
static int l_address(lua_State *L)
{
    struct atl_endpoint e;
    char text[320];
    size_t length;
    memset(&e, 0, sizeof(e));
    const char *host = luaL_checklstring(L, 1, &length);
    lua_Integer port = luaL_checkinteger(L, 2);
    luaL_argcheck(L, length < sizeof(e.host) && strlen(host) == length, 1,
                  "bad host");
    luaL_argcheck(L, port >= 0 && port < 65536, 2,
                  "the port must be from 0 to 65535");
    memcpy(e.host, host, length);
    e.port = (uint16_t)port;
    lua_pushlstring(L, text, atl_endpoint_format(&e, text, sizeof(text)));
    return 1;
}

static int l_parse_address(lua_State *L)
{
    struct atl_endpoint e;
    struct atl_error why;
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    if (atl_endpoint_parse(&e, text, length, &why) < 0)
        return atlL_fail_error(L, &why);
    lua_pushstring(L, e.host);
    if (e.is_unix)
        lua_pushnil(L);
    else
        lua_pushinteger(L, e.port);
    return 2;
}

static int l_local_addresses(lua_State *L)
{
    struct atl_addr all[64];
    char host[128];
    int n = atl_local_addresses(all, 64);
    if (n < 0)
        return atlL_fail(L, n, NULL);
    lua_newtable(L);
    for (int i = 0; i < n && i < 64; i++) {
        lua_pushstring(L, atl_addr_host(&all[i], host, sizeof(host)));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* Every listener and every connection that has handlers, for stopping. */
static int l_objects(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    lua_newtable(L);
    lua_newtable(L);
    int listeners = 0, conns = 0;
    for (uint32_t i = 1; atlL_box_at(L, vm, i); i++) {
        if (atlL_box_test(L, -1, &listener_class))
            lua_rawseti(L, -3, ++listeners);
        else if (atlL_box_test(L, -1, &conn_class))
            lua_rawseti(L, -2, ++conns);
        else
            lua_pop(L, 1);
    }
    return 2;
}

/* Ends a connection that has nothing to do: true when it did. */
static int l_close_if_idle(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    bool reading = c->owner.task == NULL || c->reader != NULL;
    bool idle = c->stream != NULL && reading && !c->relaying &&
                atl_stream_queued(c->stream) == 0;
    if (idle)
        conn_close(c, ATL_ECLOSED);
    lua_pushboolean(L, idle);
    return 1;
}

/* What io's functions return as their third result, by name. */
static int l_errno_name(lua_State *L)
{
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n > 0 && n < 4096, 1, "no such error");
    lua_pushstring(L, atl_error_name(-(int)n));
    return 1;
}

static int l_methods(lua_State *L)
{
    atlL_class_methods(L, &conn_class);
    return 1;
}

int atlL_open_asocket(lua_State *L, struct atlL_vm *vm)
{
    static const luaL_Reg functions[] = {
        {"listen", listener_listen},
        {"serve", listener_serve},
        {"connect", connect_connect},
        {"pair", connect_pair},
        {"adopt", connect_adopt},
        {"stdin", connect_stdin},
        {"resolve", name_resolve},
        {"address", l_address},
        {"parse_address", l_parse_address},
        {"local_addresses", l_local_addresses},
        {"setMaxFiles", limit_set_max_files},
        {"getMaxFiles", limit_get_max_files},
        {"objects", l_objects},
        {"close_if_idle", l_close_if_idle},
        {"errno_name", l_errno_name},
        {"methods", l_methods},
        {NULL, NULL},
    };
    buffer_open(L, vm);
    conn_open_class(L, vm);
    atlL_class_make(L, vm, &listener_class);
    lua_newtable(L);
    lua_pushlightuserdata(L, vm);
    luaL_setfuncs(L, functions, 1);
    return 1;
}
