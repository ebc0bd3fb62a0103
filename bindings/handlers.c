/* SPDX-License-Identifier: MIT */
/* Handler tables and their options, from Lua to C, once. */
#include "handlers.h"

#include <string.h>

#include "buffer.h"

static const char *const names[] = {NULL,     "on_open",  "on_data", "on_drain",
                                    "on_end", "on_close", "on_error"};

#define HANDLER_OPTIONS                                                        \
    {"on_open", 'f'}, {"on_data", 'f'}, {"on_drain", 'f'}, {"on_end", 'f'},    \
        {"on_close", 'f'}, {"on_error", 'f'},                                  \
    {                                                                          \
        "buffers", 'b'                                                         \
    }
#define STREAM_OPTIONS                                                         \
    {"frame", 'v'}, {"max_frame", 'i'}, {"idle_timeout", 'd'},                 \
        {"write_timeout", 'd'}, {"linger", 'd'}, {"high", 'i'}, {"low", 'i'},  \
        {"cap", 'i'}, {"nodelay", 'b'}, {"keepalive", 'b'},                    \
    {                                                                          \
        "tls", 'v'                                                             \
    }
#define LISTENER_OPTIONS                                                       \
    {"max_connections", 'i'}, {"backlog", 'i'}, {"reuse_port", 'b'},           \
        {"v6only", 'b'},                                                       \
    {                                                                          \
        "on_full", 's'                                                         \
    }

static const struct atlL_option listen_options[] = {
    HANDLER_OPTIONS, STREAM_OPTIONS, LISTENER_OPTIONS, {NULL, 0}};
static const struct atlL_option connect_options[] = {HANDLER_OPTIONS,
                                                     STREAM_OPTIONS,
                                                     {"timeout", 'd'},
                                                     {"bind", 'v'},
                                                     {NULL, 0}};
static const struct atlL_option serve_options[] = {
    {"on_error", 'f'}, STREAM_OPTIONS, LISTENER_OPTIONS, {NULL, 0}};

static void length_frame(lua_State *L, int arg, struct atl_frame *out)
{
    static const char *const words[] = {"u16be", "u32be",  "u16le", "u32le",
                                        "i16be", "varint", NULL};
    static const enum atl_frame_kind kinds[] = {
        ATL_FRAME_U16BE, ATL_FRAME_U32BE, ATL_FRAME_U16LE,
        ATL_FRAME_U32LE, ATL_FRAME_I16BE, ATL_FRAME_VARINT};
    lua_getfield(L, arg, "length");
    out->kind = kinds[luaL_checkoption(L, lua_gettop(L), NULL, words)];
    lua_pop(L, 1);
    atlL_option_boolean(L, arg, "inclusive", &out->inclusive);
}

static void frame_table(lua_State *L, int arg, struct atl_frame *out)
{
    static const struct atlL_option known[] = {{"delimiter", 's'},
                                               {"length", 's'},
                                               {"inclusive", 'b'},
                                               {"fixed", 'i'},
                                               {NULL, 0}};
    atlL_options_check(L, arg, known, "frame");
    if (lua_getfield(L, arg, "delimiter") != LUA_TNIL) {
        size_t n;
        const char *text = lua_tolstring(L, -1, &n);
        if (n == 0 || n > ATL_DELIMITER_MAX)
            luaL_error(L, "a delimiter has 1 to %d bytes", ATL_DELIMITER_MAX);
        out->kind = ATL_FRAME_DELIMITER;
        out->delimiter_length = (uint8_t)n;
        memcpy(out->delimiter, text, n);
    } else if (lua_getfield(L, arg, "length") != LUA_TNIL) {
        lua_pop(L, 1);
        length_frame(L, arg, out);
    } else {
        lua_pop(L, 1);
        out->kind = ATL_FRAME_FIXED;
        if (!atlL_option_size(L, arg, "fixed", &out->size))
            luaL_error(L, "a frame table needs delimiter, length or fixed");
    }
    lua_settop(L, arg);
}

void handlers_frame(lua_State *L, int arg, size_t max, struct atl_frame *out)
{
    struct atl_frame f = {.max = max};
    struct atl_error why;
    int top = lua_gettop(L);
    luaL_checkstack(L, 8, NULL);
    lua_pushvalue(L, arg);
    arg = top + 1;
    if (lua_type(L, arg) == LUA_TSTRING) {
        static const char *const words[] = {"line", "netstring", NULL};
        f.kind = luaL_checkoption(L, arg, NULL, words) == 0
                     ? ATL_FRAME_LINE
                     : ATL_FRAME_NETSTRING;
    } else if (lua_istable(L, arg)) {
        frame_table(L, arg, &f);
    } else {
        luaL_error(L, "frame must be \"line\", \"netstring\" or a table");
    }
    if (atl_frame_check(&f, &why) < 0)
        luaL_error(L, "%s", why.text);
    lua_settop(L, top);
    *out = f;
}

static void read_stream_options(lua_State *L, int arg, struct handlers *h)
{
    struct atl_stream_options *o = &h->stream;
    size_t max = 0;
    if (lua_getfield(L, arg, "tls") != LUA_TNIL)
        luaL_error(L, "TLS is not part of this build");
    atlL_option_size(L, arg, "max_frame", &max);
    if (lua_getfield(L, arg, "frame") != LUA_TNIL) {
        handlers_frame(L, lua_gettop(L), max, &h->frame);
        h->framed = true;
        o->frame = &h->frame;
    }
    lua_pop(L, 2);
    atlL_option_seconds(L, arg, "idle_timeout", &o->idle_ns);
    atlL_option_seconds(L, arg, "write_timeout", &o->stall_ns);
    atlL_option_seconds(L, arg, "linger", &o->linger_ns);
    atlL_option_size(L, arg, "high", &o->high);
    atlL_option_size(L, arg, "low", &o->low);
    atlL_option_size(L, arg, "cap", &o->cap);
    atlL_option_switch(L, arg, "nodelay", &o->nodelay);
    atlL_option_switch(L, arg, "keepalive", &o->keepalive);
}

static void read_listener_options(lua_State *L, int arg, struct handlers *h)
{
    struct atl_listener_options *o = &h->listener;
    size_t backlog = 0;
    if (atlL_option_size(L, arg, "backlog", &backlog))
        o->backlog = backlog > INT32_MAX ? INT32_MAX : (int)backlog;
    atlL_option_size(L, arg, "max_connections", &o->max_connections);
    atlL_option_switch(L, arg, "reuse_port", &o->reuse_port);
    atlL_option_switch(L, arg, "v6only", &o->v6only);
    if (lua_getfield(L, arg, "on_full") != LUA_TNIL) {
        static const char *const words[] = {"wait", "refuse", NULL};
        if (luaL_checkoption(L, lua_gettop(L), NULL, words) == 1)
            o->refuse = ATL_ON;
    }
    lua_pop(L, 1);
}

static void read_functions(lua_State *L, int arg, int self, struct handlers *h)
{
    for (int i = HANDLER_OPEN; i <= HANDLER_ERROR; i++) {
        if (lua_getfield(L, arg, names[i]) == LUA_TFUNCTION) {
            h->present |= 1u << i;
            lua_setiuservalue(L, self, i);
        } else {
            lua_pop(L, 1);
        }
    }
    atlL_option_boolean(L, arg, "buffers", &h->buffers);
    if (h->buffers) {
        buffer_new(L);
        lua_setiuservalue(L, self, HANDLER_BUFFER);
    }
}

struct handlers *handlers_read(lua_State *L, int arg, enum handlers_use use)
{
    static const struct atlL_option *const known[] = {
        listen_options, connect_options, serve_options};
    static const char *const what[] = {"listen", "connect", "serve"};
    bool given = !lua_isnoneornil(L, arg); /* the box may take that place */
    if (given)
        atlL_options_check(L, arg, known[use], what[use]);
    luaL_checkstack(L, 10, NULL);
    struct handlers *h = lua_newuserdatauv(L, sizeof(*h), HANDLER_COUNT);
    int self = lua_gettop(L);
    memset(h, 0, sizeof(*h));
    h->timeout_ns = ATL_NEVER;
    if (!given)
        return h;
    read_functions(L, arg, self, h);
    read_stream_options(L, arg, h);
    if (use == FOR_CONNECT)
        atlL_option_seconds(L, arg, "timeout", &h->stream.connect_ns);
    else
        read_listener_options(L, arg, h);
    return h;
}

void handlers_swap(lua_State *L, int to, int from)
{
    struct handlers *a = lua_touserdata(L, to);
    const struct handlers *b = lua_touserdata(L, from);
    for (int i = HANDLER_OPEN; i <= HANDLER_COUNT; i++) {
        lua_getiuservalue(L, from, i);
        lua_setiuservalue(L, to, i);
    }
    a->present = b->present;
    a->buffers = b->buffers;
}
