/* SPDX-License-Identifier: MIT */
/* Connections: options, addresses and figures, also of those that ended. */
#include <errno.h>
#include <string.h>

#include "conn.h"

static int l_is_open(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    lua_pushboolean(L, c->stream != NULL &&
                           atl_stream_state(c->stream) == ATL_STREAM_OPEN);
    return 1;
}

static int l_set_frame(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    struct atl_frame frame;
    struct atl_error why;
    bool none = lua_isnil(L, 2);
    size_t max = c->handlers->max_frame;
    luaL_checkany(L, 2);
    if (!lua_isnoneornil(L, 3)) {
        lua_Integer n = luaL_checkinteger(L, 3);
        luaL_argcheck(L, n > 0, 3, "a maximum must be at least 1");
        max = (size_t)n;
    }
    if (!none)
        handlers_frame(L, 2, max, &frame);
    if (conn_stream(L, c) == NULL)
        return 3;
    if (atl_stream_set_frame(c->stream, none ? NULL : &frame, &why) < 0)
        return atlL_fail_error(L, &why);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_set_timeout(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    luaL_checkany(L, 2);
    c->timeout_ns = atlL_check_seconds(L, 2, ATL_NEVER);
    return 0;
}

static int option_failed(lua_State *L, const struct atl_error *why)
{
    return why->code == -EINVAL ? luaL_argerror(L, 2, why->text)
                                : atlL_fail_error(L, why);
}

static int l_set_option(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    const char *name = luaL_checkstring(L, 2);
    const char *type = atl_option_type(name);
    struct atl_error why;
    double value = 0; /* an unknown name is told first */
    if (type != NULL && type[0] == 'b') {
        luaL_checktype(L, 3, LUA_TBOOLEAN);
        value = lua_toboolean(L, 3);
    } else if (type != NULL) {
        value = luaL_checknumber(L, 3);
    }
    if (conn_stream(L, c) == NULL)
        return 3;
    if (atl_stream_set_option(c->stream, name, value, &why) < 0)
        return option_failed(L, &why);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_get_option(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    const char *name = luaL_checkstring(L, 2);
    struct atl_error why;
    double value;
    if (conn_stream(L, c) == NULL)
        return 3;
    if (atl_stream_get_option(c->stream, name, &value, &why) < 0)
        return option_failed(L, &why);
    const char *type = atl_option_type(name);
    if (type != NULL && type[0] == 'b')
        lua_pushboolean(L, value != 0);
    else if (value == (double)(lua_Integer)value)
        lua_pushinteger(L, (lua_Integer)value);
    else
        lua_pushnumber(L, value);
    return 1;
}

static int push_address(lua_State *L, bool there, const struct atl_addr *addr)
{
    return there ? atlL_push_addr(L, addr) : atlL_fail(L, -ENOTCONN, NULL);
}

static int l_peer_address(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    struct atl_addr a;
    if (c->stream != NULL)
        return push_address(L, atl_stream_peer(c->stream, &a) == 0, &a);
    return push_address(L, c->past && c->past->has_peer,
                        c->past ? &c->past->peer : NULL);
}

static int l_local_address(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    struct atl_addr a;
    if (c->stream != NULL)
        return push_address(L, atl_stream_local(c->stream, &a) == 0, &a);
    return push_address(L, c->past && c->past->has_local,
                        c->past ? &c->past->local : NULL);
}

static void field(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static int l_stats(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    struct atl_stream_stats s;
    memset(&s, 0, sizeof(s));
    if (c->stream != NULL) {
        int64_t now = atl_loop_now(atl_stream_loop(c->stream));
        atl_stream_stats(c->stream, &s);
        s.opened_ns = now - s.opened_ns;
        s.idle_ns = now - s.idle_ns;
    } else if (c->past != NULL) {
        s = c->past->stats;
    }
    lua_createtable(L, 0, 6);
    field(L, "bytes_in", (lua_Integer)s.bytes_in);
    field(L, "bytes_out", (lua_Integer)s.bytes_out);
    field(L, "queued", c->stream ? (lua_Integer)s.queued : 0);
    field(L, "buffered", c->stream ? (lua_Integer)s.buffered : 0);
    lua_pushnumber(L, (lua_Number)s.idle_ns / 1e9);
    lua_setfield(L, -2, "idle");
    lua_pushnumber(L, (lua_Number)s.opened_ns / 1e9);
    lua_setfield(L, -2, "age");
    return 1;
}

static int l_fd(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    lua_pushinteger(L, c->stream ? atl_stream_fd(c->stream) : -1);
    return 1;
}

static const char *state_name(const struct conn *c)
{
    if (c->stream == NULL)
        return "closed";
    switch (atl_stream_state(c->stream)) {
    case ATL_STREAM_CONNECTING:
        return "connecting";
    case ATL_STREAM_OPEN:
        return "open";
    default:
        return "closed";
    }
}

static int l_tostring(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    struct atl_addr a;
    char text[320] = "?";
    bool known = c->stream ? atl_stream_peer(c->stream, &a) == 0
                           : c->past && c->past->has_peer;
    if (known)
        atl_addr_format(c->stream ? &a : &c->past->peer, text, sizeof(text));
    lua_pushfstring(L, "asocket.connection (%s, %s)", text, state_name(c));
    return 1;
}

const luaL_Reg conn_info_methods[] = {
    {"is_open", l_is_open},
    {"set_frame", l_set_frame},
    {"set_timeout", l_set_timeout},
    {"set_option", l_set_option},
    {"get_option", l_get_option},
    {"peer_address", l_peer_address},
    {"local_address", l_local_address},
    {"stats", l_stats},
    {"fd", l_fd},
    {"__tostring", l_tostring},
    {NULL, NULL},
};
