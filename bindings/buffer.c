/* SPDX-License-Identifier: MIT */
/* The buffer object: reading it makes strings, writing it makes none. */
#include "buffer.h"

#include <string.h>

static const struct atlL_class buffer_class;

void buffer_new(lua_State *L)
{
    atlL_box_new(L, atlL_vm_get(L), &buffer_class, sizeof(struct buffer));
}

static const struct buffer *live(lua_State *L, const struct buffer *b)
{
    if (b->data == NULL)
        luaL_error(L, "this buffer is valid only until its handler returns "
                      "or waits");
    return b;
}

const struct buffer *buffer_test(lua_State *L, int arg)
{
    const struct buffer *b = atlL_box_test(L, arg, &buffer_class);
    return b ? live(L, b) : NULL;
}

static const struct buffer *check(lua_State *L)
{
    return live(L, atlL_box_check(L, 1, &buffer_class));
}

static int l_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check(L)->length);
    return 1;
}

static int l_tostring(lua_State *L)
{
    const struct buffer *b = check(L);
    lua_pushlstring(L, b->data, b->length);
    return 1;
}

/* Calls string.<name> on the whole: for what needs Lua's pattern matcher. */
static int as_string(lua_State *L, const char *name)
{
    const struct buffer *b = check(L);
    lua_pushlstring(L, b->data, b->length);
    lua_replace(L, 1);
    lua_getfield(L, 1, name);
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static size_t position(lua_Integer i, size_t length, size_t least)
{
    if (i < 0)
        i = 0 - (lua_Unsigned)i > length ? 0 : (lua_Integer)length + i + 1;
    if (i < (lua_Integer)least)
        return least;
    return (size_t)i > length + 1 ? length + 1 : (size_t)i;
}

static const char *search(const struct buffer *b, size_t from, const char *what,
                          size_t length)
{
    const char *at = b->data + from, *end = b->data + b->length;
    if (length == 0)
        return at;
    while ((size_t)(end - at) >= length) {
        at = memchr(at, what[0], (size_t)(end - at) - (length - 1));
        if (at == NULL || memcmp(at, what, length) == 0)
            return at;
        at++;
    }
    return NULL;
}

/* As string.find; plain text is looked for where it lies. */
static int l_find(lua_State *L)
{
    const struct buffer *b = check(L);
    size_t length;
    const char *what = luaL_checklstring(L, 2, &length);
    lua_Integer start = luaL_optinteger(L, 3, 1);
    size_t from = position(start, b->length, 1);
    if (!lua_toboolean(L, 4) && strpbrk(what, "^$*+?.([%-") != NULL)
        return as_string(L, "find");
    if (strlen(what) != length && !lua_toboolean(L, 4))
        return as_string(L, "find"); /* specials may be behind a zero */
    const char *at = start > (lua_Integer)b->length + 1
                         ? NULL
                         : search(b, from - 1, what, length);
    if (at == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - b->data + 1);
    lua_pushinteger(L, (lua_Integer)((size_t)(at - b->data) + length));
    return 2;
}

static int l_byte(lua_State *L)
{
    return as_string(L, "byte");
}

static int l_sub(lua_State *L)
{
    const struct buffer *b = check(L);
    size_t from = position(luaL_optinteger(L, 2, 1), b->length, 1);
    size_t to = position(luaL_optinteger(L, 3, -1), b->length, 0);
    if (to > b->length)
        to = b->length;
    if (from > to)
        lua_pushliteral(L, "");
    else
        lua_pushlstring(L, b->data + from - 1, to - from + 1);
    return 1;
}

static const luaL_Reg methods[] = {
    {"sub", l_sub},   {"find", l_find},           {"byte", l_byte},
    {"__len", l_len}, {"__tostring", l_tostring}, {NULL, NULL},
};

static const struct atlL_class buffer_class = {"asocket.buffer", methods, NULL,
                                               false};

void buffer_open(lua_State *L, struct atlL_vm *vm)
{
    atlL_class_make(L, vm, &buffer_class);
}
