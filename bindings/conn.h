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
    struct atl_stream_stats stats; /* times: how long, not since when */
    struct atl_error error;        /* why it died; code 0: it did not */
    struct atl_timer patience;     /* a handler still at work */
};

/* User value 1: the user's fields; user value 2: the handlers' userdata. */
struct conn {
    struct atlL_box box;
    struct atlL_owner owner;   /* the handler or serve task at work */
    struct atl_stream *stream; /* owns; NULL before and after */
    struct handlers *handlers; /* borrows: user value 2 */
    struct conn_past *past;    /* owns; NULL while the stream is there */
    struct atlL_wait *reader;  /* peer: read, connect or pipe, or NULL */
    struct atlL_link writers;  /* tasks that wait for the queue, conn_wait.c */
    int64_t timeout_ns;        /* of each read, write and flush */
    int16_t cause;             /* ended here by: 0 not, ATL_ECLOSED, ATL_EOF,
                                  ATL_ESCRIPT */
    bool connecting;           /* `reader` is the task that waits in connect */
    bool relaying;      /* `reader` waits in pipe and is woken by the relay */
    bool close_pending; /* on_close waits for a handler */
    bool drain_pending; /* so does on_drain */
};

extern const struct atlL_class conn_class;

static inline bool conn_has(const struct conn *c, enum handler which)
{
    return handlers_have(c->handlers, which);
}

/* conn.c */
void conn_open_class(lua_State *L, struct atlL_vm *vm);
/* [-0, +1, m] A closed connection; `handlers`: stack index of the userdata. */
struct conn *conn_new(lua_State *L, struct atlL_vm *vm, int handlers);
/* Gives it its stream. Anchors nothing. */
void conn_attach(struct conn *c, struct atl_stream *s);
/* The stream goes its own way from here on. */
void conn_detach(struct conn *c);
struct conn *conn_check(lua_State *L, int arg);
/* Closes it, for this cause unless there was one already. */
void conn_close(struct conn *c, int cause);
/* Open, or nil, message, code pushed and NULL returned. */
struct atl_stream *conn_stream(lua_State *L, struct conn *c);
/* [-0, +3, m] why it is closed */
int conn_push_closed(lua_State *L, const struct conn *c);
/* The same for a wait on the connection that ends; `arg`: the connection. */
int conn_push_gone(lua_State *L, void *arg);
/* Keeps why it dies, or (NULL) only makes room for that. */
void conn_keep_error(struct conn *c, const struct atl_error *why);
/* Keeps what can be asked of it without a stream. */
void conn_keep_past(struct conn *c, const struct atl_error *why);
/* A handler that waits for something else than its dead connection is
   cancelled some time from now. */
void conn_lose_patience(struct conn *c);
/* Why it died, when that was `code`; else NULL. */
const struct atl_error *conn_words(const struct conn *c, int code);

/* conn_events.c */
extern const struct atl_stream_handlers conn_handlers;
extern const struct atlL_owner_type conn_owner_type;

/* conn_read.c */
void conn_on_read(struct atl_stream *s, int result, const void *bytes,
                  size_t length);
/* Raises when the running task must not read from it. [-0, +0, e] */
void conn_check_reader(lua_State *L, const struct conn *c);

/* conn_write.c */
/* Arguments 2 .. last as one write: 0, or why not. [-0, +0, m] */
int conn_write_pieces(lua_State *L, struct conn *c, int last, unsigned flags);
/* Argument 2 with its framing around it. */
int conn_write_framed(lua_State *L, struct conn *c, unsigned flags);
void conn_open_writing(lua_State *L, struct atlL_vm *vm);
/* [-0, +(1|3), m] true, or nil, message, code */
int conn_push_written(lua_State *L, const struct conn *c, int result);

/* conn_wait.c: tasks that wait until output is gone */
enum conn_wait_kind { WAIT_WRITE, WAIT_FRAME, WAIT_FLUSH };
size_t conn_high(const struct conn *c);
/* Whether a write has to queue behind others. */
bool conn_must_wait(const struct conn *c);
/* The last thing a method does; a write happens when its turn has come. */
int conn_wait(lua_State *L, struct conn *c, enum conn_wait_kind kind);
void conn_on_level(struct atl_stream *s);
/* Wakes everybody who waits for the connection: it is gone. */
void conn_fail_waits(struct conn *c);

/* methods, by file */
extern const luaL_Reg conn_life_methods[], conn_read_methods[],
    conn_write_methods[], conn_relay_methods[], conn_info_methods[];

#endif
