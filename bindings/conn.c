/* SPDX-License-Identifier: MIT */
/*
 * Connections: their life and their handlers. Handlers run one at a time; one
 * that waits holds the input until it ended, and on_close comes after it. When
 * the stream is gone, what can still be asked of the connection is kept aside.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

#define PATIENCE_NS (30 * ATL_SECOND)

struct call {
    struct conn *c;
    enum handler which;
    const void *bytes;
    size_t length;
    struct buffer *buffer; /* shown to this call */
};

static bool has(const struct conn *c, enum handler which)
{
    return c->handlers != NULL && handlers_have(c->handlers, which);
}

static void push_reason(lua_State *L, const struct conn *c)
{
    const struct atl_error *e = c->past ? &c->past->error : NULL;
    if (e != NULL && e->code != 0) {
        lua_pushstring(L, e->text);
        lua_pushstring(L, atl_error_name(e->code));
    } else if (c->by_peer) {
        lua_pushstring(L, atl_error_text(ATL_EOF));
        lua_pushstring(L, atl_error_name(ATL_EOF));
    } else {
        lua_pushnil(L);
        lua_pushnil(L);
    }
}

/* Function, connection, arguments. */
static int fill(lua_State *L, void *arg)
{
    struct call *call = arg;
    struct conn *c = call->c;
    atlL_box_push(L, &c->box);
    int at = lua_gettop(L);
    lua_getiuservalue(L, at, 2);
    lua_getiuservalue(L, at + 1, call->which);
    lua_insert(L, at);
    switch (call->which) {
    case HANDLER_DATA:
        if (c->handlers->buffers) {
            lua_getiuservalue(L, at + 2, HANDLER_BUFFER);
            call->buffer = lua_touserdata(L, -1);
            call->buffer->data = call->bytes;
            call->buffer->length = call->length;
        } else {
            lua_pushlstring(L, call->bytes, call->length);
        }
        lua_replace(L, at + 2);
        return 2;
    case HANDLER_CLOSE:
        lua_pop(L, 1);
        push_reason(L, c);
        return 3;
    default:
        lua_pop(L, 1);
        return 1;
    }
}

static void run(struct conn *c, struct call *call)
{
    enum atlL_outcome outcome = atlL_enter(c->box.vm, &c->owner, fill, call);
    if (call->buffer != NULL)
        call->buffer->data = NULL;
    if (c->stream == NULL)
        return;
    if (outcome == ATLL_WAITING)
        atl_stream_hold(c->stream, ATL_HOLD_WORK);
    else if (outcome == ATLL_FAILED)
        atl_stream_close(c->stream);
}

static void run_simple(struct conn *c, enum handler which)
{
    struct call call = {.c = c, .which = which};
    run(c, &call);
}

/* The stream is gone and no handler is at work: on_close, then let go. */
static void conn_ended(struct conn *c)
{
    c->close_pending = false;
    if (c->past != NULL)
        atl_timer_stop(&c->past->patience);
    if (has(c, HANDLER_CLOSE)) {
        run_simple(c, HANDLER_CLOSE);
        if (c->owner.task != NULL)
            return; /* it waits; `finished` lets go */
    }
    atlL_box_release(&c->box);
}

static void finished(struct atlL_owner *owner, struct atlL_task *task, bool ok)
{
    struct conn *c =
        (struct conn *)(void *)((char *)owner - offsetof(struct conn, owner));
    (void)task;
    if (c->stream == NULL) {
        if (c->close_pending)
            conn_ended(c);
        else
            atlL_box_release(&c->box);
        return;
    }
    if (!ok || has(c, HANDLER_TASK)) {
        atl_stream_close(c->stream);
        return;
    }
    atl_stream_unhold(c->stream, ATL_HOLD_WORK);
    if (c->drain_pending) {
        c->drain_pending = false;
        run_simple(c, HANDLER_DRAIN);
    }
}

static void push_on_error(lua_State *L, struct atlL_owner *owner)
{
    struct conn *c =
        (struct conn *)(void *)((char *)owner - offsetof(struct conn, owner));
    if (c->box.anchor == 0) {
        lua_pushnil(L);
        lua_pushnil(L);
        return;
    }
    atlL_box_push(L, &c->box);
    lua_getiuservalue(L, -1, 2);
    lua_getiuservalue(L, -1, HANDLER_ERROR);
    lua_replace(L, -2);
    lua_insert(L, -2);
}

/* The end of one's own connection is how serve tasks usually end. */
static bool is_quiet(struct atlL_owner *owner, const char *code)
{
    static const char *const codes[] = {"EOF",   "ECLOSED",      "ECONNRESET",
                                        "EPIPE", "ECONNABORTED", "ETIMEDOUT"};
    (void)owner;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(codes[i], code) == 0)
            return true;
    return strcmp(code, "ECANCELED") == 0;
}

static const struct atlL_owner_type owner_type = {
    "asocket.connection", finished, push_on_error, is_quiet};

void conn_serve(struct conn *c)
{
    struct call call = {.c = c, .which = HANDLER_TASK};
    run(c, &call);
    if (c->stream != NULL && c->owner.task == NULL)
        atl_stream_close(c->stream);
    else if (c->stream != NULL)
        atl_stream_unhold(c->stream, ATL_HOLD_WORK);
}

/* --- what the stream calls ------------------------------------------------ */

static int push_opened(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushvalue(L, -1); /* connect keeps the box at its top */
    return 1;
}

static void on_open(struct atl_stream *s)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL)
        return;
    bool connecting = !c->opened; /* an adopted one may be read already */
    c->opened = true;
    if (c->reader != NULL && connecting) {
        struct atlL_wait *wait = c->reader;
        c->reader = NULL;
        atlL_wake_now(wait, push_opened, NULL);
    } else if (has(c, HANDLER_TASK)) {
        conn_serve(c);
    } else if (has(c, HANDLER_OPEN)) {
        run_simple(c, HANDLER_OPEN);
    }
}

static void on_data(struct atl_stream *s, const void *bytes, size_t length)
{
    struct conn *c = atl_stream_data(s);
    struct call call = {
        .c = c, .which = HANDLER_DATA, .bytes = bytes, .length = length};
    if (c != NULL && has(c, HANDLER_DATA))
        run(c, &call);
}

static void on_drain(struct atl_stream *s)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL || !has(c, HANDLER_DRAIN))
        return;
    if (c->owner.task != NULL)
        c->drain_pending = true;
    else
        run_simple(c, HANDLER_DRAIN);
}

static void on_end(struct atl_stream *s)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL || !has(c, HANDLER_DATA))
        return; /* readers see the end themselves */
    if (has(c, HANDLER_END)) {
        run_simple(c, HANDLER_END);
        return;
    }
    c->by_peer = true;
    atl_stream_close(s);
}

static void on_impatient(struct atl_timer *timer)
{
    struct conn *c = timer->data;
    if (c->owner.task != NULL)
        atlL_task_cancel(c->owner.task, -ECANCELED, "the connection is gone");
}

static void make_past(struct conn *c)
{
    if (c->past != NULL)
        return;
    c->past = calloc(1, sizeof(*c->past));
    if (c->past == NULL)
        return;
    struct atl_loop *loop = atl_stream_loop(c->stream);
    atl_timer_init(&c->past->patience, loop, on_impatient, c);
    atl_timer_keep_alive(&c->past->patience, false);
}

/* A handler that waits for something else than its dead connection. */
static void start_patience(struct conn *c)
{
    if (c->owner.task != NULL && c->past != NULL &&
        !atl_timer_active(&c->past->patience))
        atl_timer_start(&c->past->patience, PATIENCE_NS, 0);
}

static void on_dead(struct atl_stream *s, const struct atl_error *why)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL)
        return;
    make_past(c);
    if (c->past != NULL)
        c->past->error = *why;
    start_patience(c);
    conn_fail_waits(c);
}

static void keep_past(struct conn *c, const struct atl_error *why)
{
    struct atl_stream *s = c->stream;
    make_past(c);
    struct conn_past *p = c->past;
    if (p == NULL)
        return;
    p->has_peer = atl_stream_peer(s, &p->peer) == 0;
    p->has_local = atl_stream_local(s, &p->local) == 0;
    atl_stream_stats(s, &p->stats);
    if (why != NULL)
        p->error = *why;
}

static void on_close(struct atl_stream *s, const struct atl_error *why)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL)
        return;
    keep_past(c, why);
    c->stream = NULL;
    conn_fail_waits(c);
    if (c->owner.task != NULL) {
        c->close_pending = true;
        start_patience(c);
        return;
    }
    conn_ended(c);
}

const struct atl_stream_handlers conn_handlers = {
    .on_open = on_open,
    .on_data = on_data,
    .on_read = conn_on_read,
    .on_drain = on_drain,
    .on_level = conn_on_level,
    .on_end = on_end,
    .on_dead = on_dead,
    .on_close = on_close,
};

/* Of a stream whose box was collected: it ends by itself. */
static const struct atl_stream_handlers detached;

/* --- boxes ---------------------------------------------------------------- */

struct conn *conn_new(lua_State *L, struct atlL_vm *vm, int handlers)
{
    if (handlers != 0)
        handlers = lua_absindex(L, handlers);
    struct conn *c = atlL_box_new(L, vm, &conn_class, sizeof(*c));
    c->owner.type = &owner_type;
    c->timeout_ns = ATL_NEVER;
    atlL_link_init(&c->writers);
    if (handlers != 0) {
        c->handlers = lua_touserdata(L, handlers);
        lua_pushvalue(L, handlers);
        lua_setiuservalue(L, -2, 2);
    }
    return c;
}

void conn_attach(struct conn *c, struct atl_stream *s)
{
    c->stream = s;
    atl_stream_set_data(s, c);
    atl_stream_set_handlers(s, &conn_handlers);
}

struct conn *conn_check(lua_State *L, int arg)
{
    return atlL_box_check(L, arg, &conn_class);
}

int conn_push_closed(lua_State *L, const struct conn *c)
{
    const struct atl_error *e = c->past ? &c->past->error : NULL;
    if (e != NULL && e->code != 0)
        return atlL_fail_error(L, e);
    return atlL_fail(L, c->by_peer ? ATL_EOF : ATL_ECLOSED, NULL);
}

struct atl_stream *conn_stream(lua_State *L, struct conn *c)
{
    if (c->stream == NULL || atl_stream_state(c->stream) == ATL_STREAM_CLOSED) {
        conn_push_closed(L, c);
        return NULL;
    }
    return c->stream;
}

/* As __gc it has one argument, as __close two. A collected box leaves its
   stream to end by itself; a block that is left closes like any close. */
static int conn_gc(lua_State *L)
{
    struct conn *c = lua_touserdata(L, 1);
    bool collected = lua_gettop(L) == 1;
    if (c->stream != NULL) {
        atl_stream_close(c->stream);
        if (!collected)
            return 0;
        atl_stream_set_handlers(c->stream, &detached);
        atl_stream_set_data(c->stream, NULL);
        c->stream = NULL;
    }
    if (collected) {
        atlL_owner_detach(&c->owner);
        if (c->past != NULL && !atlL_vm_closing(c->box.vm))
            atl_timer_stop(&c->past->patience);
        free(c->past);
        c->past = NULL;
    }
    return 0;
}

static int l_close(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    if (c->stream != NULL)
        atl_stream_close(c->stream);
    return 0;
}

static int l_abort(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    if (c->stream != NULL)
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

static int l_set_handlers(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (has(c, HANDLER_TASK))
        return luaL_error(L, "the connection belongs to the task serving it");
    struct handlers *h = handlers_read(L, 2, FOR_CONNECT);
    if (c->stream == NULL)
        return conn_push_closed(L, c);
    if (c->reader != NULL && handlers_have(h, HANDLER_DATA))
        return luaL_error(L, "a task is reading this connection");
    atlL_box_anchor(L, 1);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 1, 2);
    c->handlers = h;
    if (h->framed)
        atl_stream_set_frame(c->stream, &h->frame, NULL);
    atl_stream_set_pull(c->stream, !handlers_have(h, HANDLER_DATA));
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
        conn_read_methods, conn_write_methods, conn_info_methods};
    atlL_class_make(L, vm, &conn_class);
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        atlL_class_add(L, vm, &conn_class, more[i]);
}
