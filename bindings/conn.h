/* SPDX-License-Identifier: MIT */
/* The connection object, for the files conn*.c and those that make some. */
#ifndef ATL_BINDINGS_CONN_H
#define ATL_BINDINGS_CONN_H

#include "handlers.h"
#include "kit.h"

/* What is left of a connection once its stream is gone. */
struct conn_past {
    struct atl_addr peer, local;
    bool has_peer, has_local;
    struct atl_stream_stats stats;
    struct atl_error error;    /* code 0: closed here */
    struct atl_timer patience; /* a handler still at work */
};

/* User value 1: the user's fields; user value 2: the handlers' userdata. */
struct conn {
    struct atlL_box box;
    struct atlL_owner owner;   /* the handler or serve task at work */
    struct atl_stream *stream; /* owns; NULL before and after */
    struct handlers *handlers; /* borrows: user value 2; NULL: tasks only */
    struct conn_past *past;    /* owns; NULL while the stream is there */
    struct atlL_wait *reader;  /* peer: read, connect or relay, or NULL */
    struct atlL_link writers;  /* struct atlL_link of waiting tasks */
    int64_t timeout_ns;        /* of each read, write and flush */
    bool opened;
    bool by_peer;       /* closed here because the peer had ended */
    bool close_pending; /* on_close waits for a handler */
    bool drain_pending; /* so does on_drain */
    bool relaying;
};

extern const struct atlL_class conn_class;
extern const struct atl_stream_handlers conn_handlers;

void conn_open_class(lua_State *L, struct atlL_vm *vm);
/* [-0, +1, m] A closed connection; `handlers` is the stack index of the
   userdata, or 0. */
struct conn *conn_new(lua_State *L, struct atlL_vm *vm, int handlers);
/* Gives it its stream. Anchors nothing. */
void conn_attach(struct conn *c, struct atl_stream *s);
struct conn *conn_check(lua_State *L, int arg);
/* Open, or nil, message, code pushed and NULL returned. */
struct atl_stream *conn_stream(lua_State *L, struct conn *c);
/* [-0, +3, m] why it is closed */
int conn_push_closed(lua_State *L, const struct conn *c);
/* Runs serve's function, once the connection is open. */
void conn_serve(struct conn *c);

/* methods, by file */
extern const luaL_Reg conn_read_methods[], conn_write_methods[],
    conn_info_methods[], conn_life_methods[];
void conn_on_read(struct atl_stream *s, int result, const void *bytes,
                  size_t length);
void conn_on_level(struct atl_stream *s);
/* Wakes everybody who waits for the connection: it is closed. */
void conn_fail_waits(struct conn *c);

#endif
