/* SPDX-License-Identifier: MIT */
/* Handler tables and their options, from Lua to C, once. */
#include "handlers.h"

#include <string.h>

#include "buffer.h"

static const char *const names[] = {NULL,     "on_open",  "on_data", "on_drain",
                                    "on_end", "on_close", "on_error"};

/* clang-format off */
#define HANDLER_OPTIONS \
    {"on_open", 'f'}, {"on_data", 'f'}, {"on_drain", 'f'}, {"on_end", 'f'}, \
    {"on_close", 'f'}, {"on_error", 'f'}, {"buffers", 'b'}
#define FRAME_OPTIONS \
    {"frame", 'v'}, {"max_frame", 'z'}, {"max_read", 'z'}, \
    {"idle_timeout", 'd'}
#define STREAM_OPTIONS \
    FRAME_OPTIONS, {"write_stall", 'd'}, {"linger", 'd'}, {"high", 'z'}, \
    {"low", 'z'}, {"cap", 'z'}, {"nodelay", 'b'}, {"keepalive", 'b'}, \
    {"tls", 'v'}
#define LISTENER_OPTIONS \
    {"max_connections", 'z'}, {"backlog", 'i'}, {"reuse_port", 'b'}, \
    {"v6only", 'b'}, {"on_full", 's'}
/* clang-format on */

static const struct atlL_option listen_options[] = {
    HANDLER_OPTIONS, STREAM_OPTIONS, LISTENER_OPTIONS, {NULL, 0}};
static const struct atlL_option connect_options[] = {HANDLER_OPTIONS,
                                                     STREAM_OPTIONS,
                                                     {"timeout", 'd'},
                                                     {"bind", 'v'},
                                                     {NULL, 0}};
static const struct atlL_option adopt_options[] = {
    HANDLER_OPTIONS, STREAM_OPTIONS, {NULL, 0}};
static const struct atlL_option pair_options[] = {STREAM_OPTIONS, {NULL, 0}};
static const struct atlL_option serve_options[] = {
    {"on_error", 'f'}, STREAM_OPTIONS, LISTENER_OPTIONS, {NULL, 0}};
static const struct atlL_option swap_options[] = {
    HANDLER_OPTIONS, FRAME_OPTIONS, {NULL, 0}};

/* Which of `words` is at the top of the stack. [-0, +0, e] */
static int word_option(lua_State *L, const char *key, const char *const *words)
{
    const char *word = lua_tostring(L, -1);
    luaL_Buffer b;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    luaL_buffinit(L, &b);
    for (int i = 0; words[i] != NULL; i++) {
        luaL_addstring(&b, i == 0 ? "\"" : ", \"");
        luaL_addstring(&b, words[i]);
        luaL_addchar(&b, '"');
    }
    luaL_pushresult(&b);
    return luaL_error(L, "option \"%s\" must be one of %s", key,
                      lua_tostring(L, -1));
}

static void length_frame(lua_State *L, int arg, struct atl_frame *out)
{
    static const char *const words[] = {"u16be", "u32be",  "u16le", "u32le",
                                        "i16be", "varint", NULL};
    static const enum atl_frame_kind kinds[] = {
        ATL_FRAME_U16BE, ATL_FRAME_U32BE, ATL_FRAME_U16LE,
        ATL_FRAME_U32LE, ATL_FRAME_I16BE, ATL_FRAME_VARINT};
    lua_getfield(L, arg, "length");
    out->kind = kinds[word_option(L, "length", words)];
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
        f.kind = word_option(L, "frame", words) == 0 ? ATL_FRAME_LINE
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

/* Zero means the default in C: the smallest that can be said, instead. */
static void read_mark(lua_State *L, int arg, const char *key, size_t *out)
{
    if (atlL_option_size(L, arg, key, out) && *out == 0)
        *out = 1;
}

static void read_frame(lua_State *L, int arg, struct handlers *h)
{
    read_mark(L, arg, "max_frame", &h->max_frame);
    read_mark(L, arg, "max_read", &h->max_read);
    if (lua_getfield(L, arg, "frame") != LUA_TNIL) {
        handlers_frame(L, lua_gettop(L), h->max_frame, &h->frame);
        h->framed = true;
    }
    lua_pop(L, 1);
}

static void read_stream_options(lua_State *L, int arg, struct handlers *h)
{
    struct atl_stream_options *o = &h->stream;
    lua_getfield(L, arg, "tls");
    if (lua_toboolean(L, -1))
        luaL_error(L, "option \"tls\": TLS is not built in");
    lua_pop(L, 1);
    atlL_option_seconds(L, arg, "idle_timeout", &o->idle_ns);
    atlL_option_seconds(L, arg, "write_stall", &o->stall_ns);
    atlL_option_seconds(L, arg, "linger", &o->linger_ns);
    read_mark(L, arg, "high", &o->high);
    read_mark(L, arg, "low", &o->low);
    read_mark(L, arg, "cap", &o->cap);
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
        if (word_option(L, "on_full", words) == 1)
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

/* What follows from what was read. */
static void complete(struct handlers *h)
{
    h->stream.frame = h->framed ? &h->frame : NULL;
    h->stream.pull = handlers_have(h, HANDLER_DATA) ? ATL_OFF : ATL_ON;
    h->listener.stream = h->stream;
    h->listener.on_demand = h->present == 0 ? ATL_ON : ATL_OFF;
}

struct handlers *handlers_read(lua_State *L, int arg, enum handlers_use use)
{
    static const struct atlL_option *const known[] = {
        listen_options, connect_options, adopt_options,
        pair_options,   serve_options,   swap_options};
    static const char *const what[] = {"listen", "connect", "adopt",
                                       "pair",   "serve",   "set_handlers"};
    bool given = !lua_isnoneornil(L, arg);
    if (given)
        atlL_options_check(L, arg, known[use], what[use]);
    luaL_checkstack(L, 10, NULL);
    struct handlers *h = lua_newuserdatauv(L, sizeof(*h), HANDLER_COUNT);
    int self = lua_gettop(L);
    memset(h, 0, sizeof(*h));
    if (given) {
        read_functions(L, arg, self, h);
        read_frame(L, arg, h);
        read_stream_options(L, arg, h);
        read_listener_options(L, arg, h);
        atlL_option_seconds(L, arg, "timeout", &h->stream.connect_ns);
    }
    complete(h);
    return h;
}

void handlers_set_task(lua_State *L, int self)
{
    struct handlers *h = lua_touserdata(L, self);
    lua_setiuservalue(L, self, HANDLER_TASK);
    h->present |= 1u << HANDLER_TASK;
    complete(h);
}

void handlers_swap(lua_State *L, int to, int from)
{
    struct handlers *a = lua_touserdata(L, to);
    const struct handlers *b = lua_touserdata(L, from);
    for (int i = HANDLER_OPEN; i <= HANDLER_COUNT; i++) {
        lua_getiuservalue(L, from, i);
        lua_setiuservalue(L, to, i);
    }
    size_t open = a->open;
    *a = *b;
    a->open = open;
    complete(a);
}

void handlers_inherit(struct handlers *h, const struct handlers *from)
{
    h->stream.high = from->stream.high;
    if (h->max_frame == 0)
        h->max_frame = from->max_frame;
    if (h->max_read == 0)
        h->max_read = from->max_read;
}
