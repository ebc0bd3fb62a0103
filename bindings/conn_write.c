/* SPDX-License-Identifier: MIT */
/*
 * Writing. write waits, in order, until the queue is below its high mark, then
 * queues everything; enqueue never waits and refuses over the hard cap. All
 * arguments are looked at before the first byte is queued.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "conn.h"

#define SMALL 4096 /* gathered on the C stack */
/* From here on a string that would be queued is not copied; from the second
   size on none is. */
#define REFERENCED_QUEUED 16384
#define REFERENCED 65536

/* --- arguments ------------------------------------------------------------ */

/* Bytes of argument `i`; raises on what cannot be written. */
static const char *piece(lua_State *L, int i, size_t *length)
{
    int type = lua_type(L, i);
    if (type == LUA_TSTRING || type == LUA_TNUMBER)
        return lua_tolstring(L, i, length);
    const struct buffer *b = buffer_test(L, i);
    if (b == NULL)
        luaL_typeerror(L, i, "string, number or buffer");
    *length = b->length;
    return b->data;
}

static void check_pieces(lua_State *L, int last)
{
    size_t length;
    for (int i = 2; i <= last; i++)
        piece(L, i, &length);
}

/* All of them in one place, while that is small; the rest is looked at only.
   How many bytes they are. */
static size_t gather_pieces(lua_State *L, int last, char *all)
{
    size_t total = 0, length;
    for (int i = 2; i <= last; i++) {
        const char *bytes = piece(L, i, &length);
        if (length <= SMALL && total + length <= SMALL)
            memcpy(all + total, bytes, length);
        total += length;
    }
    return total;
}

/* A buffer lives until its handler waits: its bytes are kept. */
static void keep_buffers(lua_State *L, int last)
{
    for (int i = 2; i <= last; i++) {
        if (lua_type(L, i) == LUA_TUSERDATA) {
            luaL_tolstring(L, i, NULL);
            lua_replace(L, i);
        }
    }
}

/* --- strings that are not copied ------------------------------------------ */

/* What the engine gives back; outlives the Lua state when the loop does. */
struct loan {
    struct held *held; /* peer; NULL once the string is gone */
};

/* User value 1: a string the engine reads from until it was sent. */
struct held {
    struct atlL_box box;
    struct loan *loan;         /* peer; NULL once given back */
    struct atl_stream *stream; /* peer while there is a loan */
};

/* Only lua_close finalises one that is still lent: it is anchored. The string
   dies with the state, so what is left of it cannot be sent. */
static int held_gc(lua_State *L)
{
    struct held *h = lua_touserdata(L, 1);
    if (h->loan == NULL)
        return 0;
    h->loan->held = NULL;
    h->loan = NULL;
    atl_stream_abort(h->stream);
    return 0;
}

static const luaL_Reg held_methods[] = {{NULL, NULL}};
static const struct atlL_class held_class = {"string being sent", held_methods,
                                             held_gc, false};

static void give_back(void *ctx)
{
    struct loan *loan = ctx;
    struct held *h = loan->held;
    free(loan);
    if (h == NULL)
        return;
    h->loan = NULL;
    atlL_box_release(&h->box);
}

static int write_referenced(lua_State *L, struct conn *c, int i, unsigned flags)
{
    size_t length;
    const char *bytes = lua_tolstring(L, i, &length);
    luaL_checkstack(L, 6, NULL);
    struct held *h = atlL_box_new(L, c->box.vm, &held_class, sizeof(*h));
    lua_pushvalue(L, i);
    lua_setiuservalue(L, -2, 1);
    atlL_box_anchor(L, -1);
    struct loan *loan = malloc(sizeof(*loan));
    int r = -ENOMEM;
    if (loan != NULL) {
        struct atl_ref ref = {bytes, length, give_back, loan};
        loan->held = h;
        h->loan = loan;
        h->stream = c->stream;
        r = atl_stream_write_ref(c->stream, &ref, flags);
        if (r < 0)
            give_back(loan);
    } else {
        atlL_box_release(&h->box);
    }
    lua_pop(L, 1);
    return r;
}

static int write_string(lua_State *L, struct conn *c, int i, unsigned flags)
{
    size_t length;
    const char *bytes = lua_tolstring(L, i, &length);
    if (length >= REFERENCED ||
        (length >= REFERENCED_QUEUED && atl_stream_queued(c->stream) > 0))
        return write_referenced(L, c, i, flags);
    return atl_stream_write(c->stream, bytes, length, flags);
}

/* --- writing -------------------------------------------------------------- */

int conn_write_pieces(lua_State *L, struct conn *c, int last, unsigned flags)
{
    size_t length;
    char all[SMALL];
    if (last == 2) {
        if (lua_type(L, 2) == LUA_TSTRING)
            return write_string(L, c, 2, flags);
        const char *bytes = piece(L, 2, &length);
        return atl_stream_write(c->stream, bytes, length, flags);
    }
    length = gather_pieces(L, last, all);
    if (length <= SMALL)
        return atl_stream_write(c->stream, all, length, flags);
    /* One string of all: what is queued by several calls could not be taken
       back when the last of them fails. */
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 2; i <= last; i++) {
        const char *bytes = piece(L, i, &length);
        luaL_addlstring(&b, bytes, length);
    }
    luaL_pushresult(&b);
    int r = write_string(L, c, lua_gettop(L), flags);
    lua_pop(L, 1);
    return r;
}

int conn_write_framed(lua_State *L, struct conn *c, unsigned flags)
{
    size_t length;
    const char *bytes = piece(L, 2, &length);
    return atl_stream_write_frame(c->stream, bytes, length, flags);
}

int conn_push_written(lua_State *L, const struct conn *c, int result)
{
    if (result < 0) {
        const struct atl_error *why = conn_words(c, result);
        return why ? atlL_fail_error(L, why) : atlL_fail(L, result, NULL);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* --- methods -------------------------------------------------------------- */

static int l_write(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    int last = lua_gettop(L);
    /* A write that goes through looks at its arguments itself, all of them
       before the first byte is queued. */
    if (c->stream != NULL && last > 1 && !conn_must_wait(c))
        return conn_push_written(L, c,
                                 conn_write_pieces(L, c, last, ATL_WRITE_ANY));
    check_pieces(L, last);
    if (conn_stream(L, c) == NULL)
        return 3;
    if (last == 1)
        return conn_push_written(L, c, 0);
    if (!atlL_can_wait(L))
        return conn_push_written(L, c, conn_write_pieces(L, c, last, 0));
    keep_buffers(L, last);
    return conn_wait(L, c, WAIT_WRITE);
}

static int l_enqueue(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    int last = lua_gettop(L);
    check_pieces(L, last);
    if (conn_stream(L, c) == NULL)
        return 3;
    int r = last > 1 ? conn_write_pieces(L, c, last, 0) : 0;
    int n = conn_push_written(L, c, r);
    if (r < 0)
        return n;
    lua_pushinteger(L, (lua_Integer)atl_stream_queued(c->stream));
    return 2;
}

static int l_write_frame(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    lua_settop(L, 2);
    check_pieces(L, 2);
    if (conn_stream(L, c) == NULL)
        return 3;
    if (!conn_must_wait(c))
        return conn_push_written(L, c, conn_write_framed(L, c, ATL_WRITE_ANY));
    if (!atlL_can_wait(L))
        return conn_push_written(L, c, conn_write_framed(L, c, 0));
    keep_buffers(L, 2);
    return conn_wait(L, c, WAIT_FRAME);
}

static int l_flush(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    lua_settop(L, 1);
    if (conn_stream(L, c) == NULL)
        return 3;
    if (atl_stream_state(c->stream) == ATL_STREAM_DEAD)
        return conn_push_closed(L, c);
    if (atl_stream_queued(c->stream) == 0)
        return conn_push_written(L, c, 0);
    return conn_wait(L, c, WAIT_FLUSH);
}

static int l_shutdown(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    if (conn_stream(L, c) == NULL)
        return 3;
    return conn_push_written(L, c, atl_stream_shutdown(c->stream));
}

static int l_queued(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    size_t n = c->stream ? atl_stream_queued(c->stream) : 0;
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

const luaL_Reg conn_write_methods[] = {
    {"write", l_write},
    {"enqueue", l_enqueue},
    {"write_frame", l_write_frame},
    {"flush", l_flush},
    {"shutdown", l_shutdown},
    {"queued", l_queued},
    {NULL, NULL},
};

void conn_open_writing(lua_State *L, struct atlL_vm *vm)
{
    atlL_class_make(L, vm, &held_class);
}
