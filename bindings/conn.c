/* SPDX-License-Identifier: MIT */
/*
 * Connections: how they come to be, how they end, and what stays. When the
 * stream is gone, what can still be asked of the connection is kept aside, so
 * that a live one need not carry it.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (30 * ATL_SECOND)

/* --- what stays ----------------------------------------------------------- */

static void on_impatient(struct atl_timer *timer)
{
    struct conn *c = timer->data;
    if (c->owner.task != NULL)
        atlL_task_cancel(c->owner.task, -ECANCELED, "the connection is gone");
}

static struct conn_past *past_of(struct conn *c)
{
    if (c->past != NULL)
        return c->past;
    c->past = calloc(1, sizeof(*c->past));
    if (c->past == NULL)
        return NULL;
    struct atl_loop *loop = atl_stream_loop(c->stream);
    atl_timer_init(&c->past->patience, loop, on_impatient, c);
    atl_timer_keep_alive(&c->past->patience, false);
    return c->past;
}

void conn_keep_error(struct conn *c, const struct atl_error *why)
{
    struct conn_past *p = past_of(c);
    if (p != NULL && why != NULL)
        p->error = *why;
}

void conn_keep_past(struct conn *c, const struct atl_error *why)
{
    struct atl_stream *s = c->stream;
    conn_keep_error(c, why);
    struct conn_past *p = c->past;
    if (p == NULL)
        return;
    p->has_peer = atl_stream_peer(s, &p->peer) == 0;
    p->has_local = atl_stream_local(s, &p->local) == 0;
    atl_stream_stats(s, &p->stats);
    int64_t now = atl_loop_now(atl_stream_loop(s));
    p->stats.opened_ns = now - p->stats.opened_ns;
    p->stats.idle_ns = now - p->stats.idle_ns;
}

void conn_lose_patience(struct conn *c)
{
    if (c->owner.task != NULL && c->past != NULL &&
        !atl_timer_active(&c->past->patience))
        atl_timer_start(&c->past->patience, PATIENCE_NS, 0);
}

const struct atl_error *conn_words(const struct conn *c, int code)
{
    const struct atl_error *e = c->past ? &c->past->error : NULL;
    return e != NULL && e->code == code ? e : NULL;
}

int conn_push_closed(lua_State *L, const struct conn *c)
{
    const struct atl_error *e = c->past ? &c->past->error : NULL;
    if (c->cause == 0 && e != NULL && e->code != 0)
        return atlL_fail_error(L, e);
    return atlL_fail(L, c->cause == ATL_EOF ? ATL_EOF : ATL_ECLOSED, NULL);
}

int conn_push_gone(lua_State *L, void *arg)
{
    return conn_push_closed(L, arg);
}

/* --- boxes ---------------------------------------------------------------- */

/* Of a stream whose box was collected: it ends by itself. */
static const struct atl_stream_handlers no_handlers;

struct conn *conn_new(lua_State *L, struct atlL_vm *vm, int handlers)
{
    handlers = lua_absindex(L, handlers);
    struct conn *c = atlL_box_new(L, vm, &conn_class, sizeof(*c));
    c->owner.type = &conn_owner_type;
    c->timeout_ns = ATL_NEVER;
    atlL_link_init(&c->writers);
    c->handlers = lua_touserdata(L, handlers);
    lua_pushvalue(L, handlers);
    lua_setiuservalue(L, -2, 2);
    return c;
}

void conn_attach(struct conn *c, struct atl_stream *s)
{
    c->stream = s;
    c->handlers->open++;
    atl_stream_set_data(s, c);
    atl_stream_set_handlers(s, &conn_handlers);
}

void conn_detach(struct conn *c)
{
    c->handlers->open--;
    c->stream = NULL;
}

struct conn *conn_check(lua_State *L, int arg)
{
    return atlL_box_check(L, arg, &conn_class);
}

struct atl_stream *conn_stream(lua_State *L, struct conn *c)
{
    if (c->stream == NULL || atl_stream_state(c->stream) == ATL_STREAM_CLOSED) {
        conn_push_closed(L, c);
        return NULL;
    }
    return c->stream;
}

void conn_close(struct conn *c, int cause)
{
    if (c->stream == NULL || atl_stream_state(c->stream) == ATL_STREAM_CLOSED)
        return;
    if (c->cause == 0)
        c->cause = (int16_t)cause;
    atl_stream_close(c->stream);
}

/* As __gc it has one argument, as __close two. A collected box leaves its
   stream to end by itself; a block that is left closes like any close. */
static int conn_gc(lua_State *L)
{
    struct conn *c = lua_touserdata(L, 1);
    conn_close(c, ATL_ECLOSED);
    if (lua_gettop(L) > 1)
        return 0;
    if (c->stream != NULL) {
        atl_stream_set_handlers(c->stream, &no_handlers);
        atl_stream_set_data(c->stream, NULL);
        conn_detach(c);
    }
    atlL_owner_detach(&c->owner);
    if (c->past != NULL)
        atl_timer_stop(&c->past->patience);
    free(c->past);
    c->past = NULL;
    return 0;
}

/* --- methods -------------------------------------------------------------- */

static int l_close(lua_State *L)
{
    conn_close(conn_check(L, 1), ATL_ECLOSED);
    return 0;
}

/* Also ends one that is closing already and still has output to send. */
static int l_abort(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    if (c->stream == NULL)
        return 0;
    if (c->cause == 0 && atl_stream_state(c->stream) != ATL_STREAM_CLOSED)
        c->cause = ATL_ECLOSED;
    atl_stream_abort(c->stream);
    return 0;
}

static int l_pause(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    if (c->stream != NULL)
        atl_stream_hold(c->stream, ATL_HOLD_USER);
    return 0;
}

static int l_resume(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    if (c->stream != NULL)
        atl_stream_unhold(c->stream, ATL_HOLD_USER);
    return 0;
}

/* The table's options that can still be set on an open stream. */
static int apply(struct conn *c, struct handlers *h, struct atl_error *why)
{
    if (h->framed) {
        int r = atl_stream_set_frame(c->stream, &h->frame, why);
        if (r < 0)
            return r;
    }
    if (h->stream.idle_ns != 0)
        atl_stream_set_idle(c->stream, h->stream.idle_ns);
    atl_stream_set_pull(c->stream, h->stream.pull == ATL_ON);
    return 0;
}

static int l_set_handlers(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    struct atl_error why;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct handlers *h = handlers_read(L, 2, FOR_SWAP);
    if (conn_stream(L, c) == NULL)
        return 3;
    if (conn_has(c, HANDLER_TASK))
        return luaL_error(L, "the connection belongs to the task serving it");
    if (c->reader != NULL && handlers_have(h, HANDLER_DATA) &&
        c->owner.task == NULL)
        return luaL_error(L, "a task is reading this connection");
    atlL_box_anchor(L, 1);
    if (apply(c, h, &why) < 0)
        return atlL_fail_error(L, &why);
    handlers_inherit(h, c->handlers);
    c->handlers->open--;
    h->open++;
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 1, 2);
    c->handlers = h;
    lua_pushboolean(L, 1);
    return 1;
}

const luaL_Reg conn_life_methods[] = {
    {"close", l_close},
    {"abort", l_abort},
    {"pause", l_pause},
    {"resume", l_resume},
    {"set_handlers", l_set_handlers},
    {NULL, NULL},
};

const struct atlL_class conn_class = {"asocket.connection", conn_life_methods,
                                      conn_gc, true};

void conn_open_class(lua_State *L, struct atlL_vm *vm)
{
    static const luaL_Reg *const more[] = {
        conn_read_methods, conn_write_methods, conn_relay_methods,
        conn_info_methods};
    atlL_class_make(L, vm, &conn_class);
    conn_open_writing(L, vm);
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        atlL_class_add(L, vm, &conn_class, more[i]);
}
