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

#define SMALL 4096       /* gathered on the C stack */
#define REFERENCED 65536 /* from here on a string is not copied */
#define HIGH_DEFAULT ((size_t)1 << 20)

/* A task that waits for the queue to fall; on the stack of its call. */
struct writer {
    struct atlL_wait wait;
    struct atlL_link link;
    struct conn *c; /* peer: argument 1 */
    size_t level;
};

static size_t high_of(const struct conn *c)
{
    size_t high = c->handlers ? c->handlers->stream.high : 0;
    return high ? high : HIGH_DEFAULT;
}

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

static size_t check_pieces(lua_State *L, int last)
{
    size_t total = 0, length;
    for (int i = 2; i <= last; i++) {
        piece(L, i, &length);
        total += length;
    }
    return total;
}

/* A string the engine reads from until it has been sent. */
struct held {
    struct atlL_vm *vm;
    lua_State *main;
    int ref;
};

static void release(void *ctx)
{
    struct held *h = ctx;
    if (!atlL_vm_closing(h->vm))
        luaL_unref(h->main, LUA_REGISTRYINDEX, h->ref);
    free(h);
}

static int write_referenced(lua_State *L, struct conn *c, int i, unsigned flags)
{
    size_t length;
    const char *bytes = lua_tolstring(L, i, &length);
    lua_pushvalue(L, i);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX); /* raises: nothing held yet */
    struct held *h = malloc(sizeof(*h));
    int r = -ENOMEM;
    if (h != NULL) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
        *h = (struct held){c->box.vm, lua_tothread(L, -1), ref};
        lua_pop(L, 1);
        struct atl_ref r_ = {bytes, length, release, h};
        r = atl_stream_write_ref(c->stream, &r_, flags);
    }
    if (r < 0) {
        luaL_unref(L, LUA_REGISTRYINDEX, ref);
        free(h);
    }
    return r;
}

/* Pieces 2 .. last as one write. */
static int write_pieces(lua_State *L, struct conn *c, int last, unsigned flags)
{
    size_t length, total = 0;
    if (last == 2) {
        const char *bytes = piece(L, 2, &length);
        if (length >= REFERENCED && lua_type(L, 2) == LUA_TSTRING)
            return write_referenced(L, c, 2, flags);
        return atl_stream_write(c->stream, bytes, length, flags);
    }
    if (check_pieces(L, last) <= SMALL) {
        char all[SMALL];
        for (int i = 2; i <= last; i++) {
            const char *bytes = piece(L, i, &length);
            memcpy(all + total, bytes, length);
            total += length;
        }
        return atl_stream_write(c->stream, all, total, flags);
    }
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 2; i <= last; i++) {
        const char *bytes = piece(L, i, &length);
        luaL_addlstring(&b, bytes, length);
    }
    luaL_pushresult(&b);
    const char *bytes = lua_tolstring(L, -1, &length);
    int r = length >= REFERENCED
                ? write_referenced(L, c, lua_gettop(L), flags)
                : atl_stream_write(c->stream, bytes, length, flags);
    lua_pop(L, 1);
    return r;
}

static int push_written(lua_State *L, struct conn *c, int r)
{
    if (r < 0 && r != -ENOBUFS && c->past != NULL && c->past->error.code == r)
        return atlL_fail_error(L, &c->past->error);
    if (r < 0)
        return atlL_fail(L, r, NULL);
    lua_pushboolean(L, 1);
    return 1;
}

/* --- waiting for the queue ------------------------------------------------ */

static struct writer *first(struct conn *c)
{
    if (atlL_link_empty(&c->writers))
        return NULL;
    return (struct writer *)(void *)((char *)c->writers.next -
                                     offsetof(struct writer, link));
}

static void ask(struct conn *c)
{
    struct writer *w = first(c);
    atl_stream_notify(c->stream, w ? w->level : SIZE_MAX);
}

/* In the task: arguments 2 .. top - 1, the writer at the top. */
static int push_delayed_write(lua_State *L, void *arg)
{
    struct writer *w = arg;
    if (conn_stream(L, w->c) == NULL)
        return 3;
    return push_written(
        L, w->c, write_pieces(L, w->c, lua_gettop(L) - 1, ATL_WRITE_ANY));
}

static int push_flushed(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushboolean(L, 1);
    return 1;
}

static int push_failed(lua_State *L, void *arg)
{
    return conn_push_closed(L, arg); /* its box is on the waiting stack */
}

void conn_on_level(struct atl_stream *s)
{
    struct conn *c = atl_stream_data(s);
    struct writer *w;
    while (c != NULL && c->stream != NULL && (w = first(c)) != NULL &&
           atl_stream_queued(s) <= w->level) {
        atlL_link_remove(&w->link);
        atlL_wake_now(&w->wait,
                      w->level > 0 ? push_delayed_write : push_flushed, w);
        c = atl_stream_data(s); /* the box may be gone */
    }
    if (c != NULL && c->stream != NULL &&
        atl_stream_state(s) != ATL_STREAM_CLOSED)
        ask(c);
}

/* Readers of a dead connection still get what lies in memory; they are told
   by the stream. Once it is gone everybody is. */
void conn_fail_waits(struct conn *c)
{
    struct writer *w;
    while ((w = first(c)) != NULL) {
        atlL_link_remove(&w->link);
        atlL_wake(&w->wait, push_failed, c);
    }
    if (c->stream == NULL && c->reader != NULL && !c->relaying) {
        struct atlL_wait *wait = c->reader;
        c->reader = NULL;
        atlL_wake(wait, push_failed, c);
    }
}

static void cancel_write(struct atlL_wait *wait, void *arg)
{
    struct writer *w = arg;
    (void)wait;
    atlL_link_remove(&w->link);
    if (w->c->stream != NULL &&
        atl_stream_state(w->c->stream) != ATL_STREAM_CLOSED)
        ask(w->c);
}

static int wait_for_level(lua_State *L, struct conn *c, size_t level,
                          const char *what)
{
    atlL_wait_check(L);
    struct writer *w = lua_newuserdatauv(L, sizeof(*w), 0);
    memset(w, 0, sizeof(*w));
    w->c = c;
    w->level = level;
    atlL_link_append(&c->writers, &w->link);
    ask(c);
    return atlL_wait_start(L, &w->wait, what, c->timeout_ns, cancel_write, w);
}

static int l_write(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    int last = lua_gettop(L);
    if (last != 2)
        check_pieces(L, last);
    else if (lua_type(L, 2) != LUA_TSTRING)
        check_pieces(L, last);
    struct atl_stream *s = conn_stream(L, c);
    if (s == NULL)
        return 3;
    if (last == 1) {
        lua_pushboolean(L, 1);
        return 1;
    }
    size_t high = high_of(c);
    if (atl_stream_queued(s) < high && atlL_link_empty(&c->writers))
        return push_written(L, c, write_pieces(L, c, last, ATL_WRITE_ANY));
    if (!atlL_can_wait(L))
        return push_written(L, c, write_pieces(L, c, last, 0));
    /* A buffer lives until its handler waits: its bytes are kept. */
    for (int i = 2; i <= last; i++) {
        if (lua_type(L, i) == LUA_TUSERDATA) {
            luaL_tolstring(L, i, NULL);
            lua_replace(L, i);
        }
    }
    return wait_for_level(L, c, high - 1, "write");
}

static int l_enqueue(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    int last = lua_gettop(L);
    check_pieces(L, last);
    if (conn_stream(L, c) == NULL)
        return 3;
    int r = last > 1 ? write_pieces(L, c, last, 0) : 0;
    if (r < 0)
        return push_written(L, c, r);
    lua_pushboolean(L, 1);
    lua_pushinteger(L, (lua_Integer)atl_stream_queued(c->stream));
    return 2;
}

static int l_write_frame(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    size_t length;
    lua_settop(L, 2);
    const char *bytes = piece(L, 2, &length);
    if (conn_stream(L, c) == NULL)
        return 3;
    return push_written(L, c,
                        atl_stream_write_frame(c->stream, bytes, length, 0));
}

static int l_flush(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    lua_settop(L, 1);
    if (conn_stream(L, c) == NULL)
        return 3;
    if (atl_stream_queued(c->stream) == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    return wait_for_level(L, c, 0, "flush");
}

static int l_shutdown(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    if (conn_stream(L, c) == NULL)
        return 3;
    return push_written(L, c, atl_stream_shutdown(c->stream));
}

static int l_queued(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    lua_pushinteger(L,
                    c->stream ? (lua_Integer)atl_stream_queued(c->stream) : 0);
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
