/* SPDX-License-Identifier: MIT */
/*
 * What happens to a connection, and the handlers that are told. Handlers run
 * one at a time; one that waits holds the input until it ended, and on_close
 * comes after it.
 */
#include "conn.h"

#include <string.h>

#include "buffer.h"

struct call {
    struct conn *c;
    enum handler which;
    const void *bytes;
    size_t length;
    struct buffer *buffer; /* shown to this call */
};

static struct conn *conn_of(struct atlL_owner *owner)
{
    return (struct conn *)(void *)((char *)owner -
                                   offsetof(struct conn, owner));
}

/* --- calling -------------------------------------------------------------- */

static void push_reason(lua_State *L, const struct conn *c)
{
    const struct atl_error *e = c->past ? &c->past->error : NULL;
    if (e != NULL && e->code != 0) {
        lua_pushstring(L, e->text);
        lua_pushstring(L, atl_error_name(e->code));
    } else if (c->cause == ATL_EOF || c->cause == ATL_ESCRIPT) {
        lua_pushstring(L, atl_error_text(c->cause));
        lua_pushstring(L, atl_error_name(c->cause));
    } else {
        lua_pushnil(L);
        lua_pushnil(L);
    }
}

static void push_data(lua_State *L, struct call *call, int handlers)
{
    if (!call->c->handlers->buffers) {
        lua_pushlstring(L, call->bytes, call->length);
        return;
    }
    lua_getiuservalue(L, handlers, HANDLER_BUFFER);
    call->buffer = lua_touserdata(L, -1);
    call->buffer->data = call->bytes;
    call->buffer->length = call->length;
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
        push_data(L, call, at + 2);
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

/* The next frame, if it lies in memory already. */
static int fill_again(lua_State *L, void *arg)
{
    struct call *call = arg;
    struct conn *c = call->c;
    struct atl_bytes frame;
    if (call->which != HANDLER_DATA || c->stream == NULL ||
        !conn_has(c, HANDLER_DATA) || atl_stream_next(c->stream, &frame) == 0)
        return -1;
    call->bytes = frame.data;
    call->length = frame.length;
    return fill(L, arg);
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
        conn_close(c, ATL_ESCRIPT);
}

static void run_simple(struct conn *c, enum handler which)
{
    struct call call = {.c = c, .which = which};
    run(c, &call);
}

/* The stream is gone and no handler is at work: on_close, then let go. */
static void ended(struct conn *c)
{
    c->close_pending = false;
    if (c->past != NULL)
        atl_timer_stop(&c->past->patience);
    if (conn_has(c, HANDLER_CLOSE) && !c->connecting) {
        run_simple(c, HANDLER_CLOSE);
        if (c->owner.task != NULL)
            return; /* it waits; `finished` lets go */
    }
    atlL_box_release(&c->box);
}

/* --- the owner of handlers that wait -------------------------------------- */

static void finished(struct atlL_owner *owner, struct atlL_task *task, bool ok)
{
    struct conn *c = conn_of(owner);
    (void)task;
    if (c->stream == NULL) {
        if (c->close_pending)
            ended(c);
        else
            atlL_box_release(&c->box);
        return;
    }
    if (!ok || conn_has(c, HANDLER_TASK)) {
        conn_close(c, ok ? ATL_ECLOSED : ATL_ESCRIPT);
        return;
    }
    if (c->drain_pending) {
        c->drain_pending = false;
        run_simple(c, HANDLER_DRAIN);
    }
    if (c->owner.task == NULL && c->stream != NULL)
        atl_stream_unhold(c->stream, ATL_HOLD_WORK);
}

static void push_on_error(lua_State *L, struct atlL_owner *owner)
{
    struct conn *c = conn_of(owner);
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

/* How a peer or the network ends a connection is nobody's mistake here. */
static bool is_quiet(struct atlL_owner *owner, const char *code)
{
    static const char *const codes[] = {
        "EOF",          "ECLOSED",     "ECONNRESET",   "EPIPE",
        "ECONNABORTED", "ETIMEDOUT",   "ECANCELED",    "EMSGSIZE",
        "EPROTO",       "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN"};
    struct conn *c = conn_of(owner);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i], code) != 0)
            continue;
        if (c->cause == 0)
            c->cause = i == 0 ? ATL_EOF : ATL_ECLOSED;
        return true;
    }
    return false;
}

const struct atlL_owner_type conn_owner_type = {
    "asocket.connection", finished, push_on_error, is_quiet, fill_again};

/* --- what the stream calls ------------------------------------------------ */

static int push_opened(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushvalue(L, -1); /* connect keeps the box at its top */
    return 1;
}

/* A serve task is the connection's reader: its input is not held. */
static void serve(struct conn *c)
{
    run_simple(c, HANDLER_TASK);
    if (c->stream == NULL)
        return;
    if (c->owner.task == NULL)
        conn_close(c, ATL_ECLOSED);
    else
        atl_stream_unhold(c->stream, ATL_HOLD_WORK);
}

static void on_open(struct atl_stream *s)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL)
        return;
    if (c->connecting) {
        struct atlL_wait *wait = c->reader;
        c->connecting = false;
        c->reader = NULL;
        atlL_wake_now(wait, push_opened, NULL);
    } else if (conn_has(c, HANDLER_TASK)) {
        serve(c);
    } else if (conn_has(c, HANDLER_OPEN)) {
        run_simple(c, HANDLER_OPEN);
    }
}

static void on_data(struct atl_stream *s, const void *bytes, size_t length)
{
    struct conn *c = atl_stream_data(s);
    struct call call = {
        .c = c, .which = HANDLER_DATA, .bytes = bytes, .length = length};
    if (c != NULL && conn_has(c, HANDLER_DATA))
        run(c, &call);
}

static void on_drain(struct atl_stream *s)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL || !conn_has(c, HANDLER_DRAIN))
        return;
    if (c->owner.task != NULL)
        c->drain_pending = true;
    else
        run_simple(c, HANDLER_DRAIN);
}

/* Tasks that read see the end themselves. */
static void on_end(struct atl_stream *s)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL)
        return;
    if (conn_has(c, HANDLER_END))
        run_simple(c, HANDLER_END);
    else if (conn_has(c, HANDLER_DATA))
        conn_close(c, ATL_EOF);
}

static void on_dead(struct atl_stream *s, const struct atl_error *why)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL)
        return;
    conn_keep_error(c, why);
    conn_lose_patience(c);
    conn_fail_waits(c);
}

static void on_close(struct atl_stream *s, const struct atl_error *why)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL)
        return;
    conn_keep_past(c, why);
    conn_detach(c);
    conn_fail_waits(c);
    if (c->owner.task == NULL) {
        ended(c);
        return;
    }
    c->close_pending = true;
    conn_lose_patience(c);
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
