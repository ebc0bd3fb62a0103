/* SPDX-License-Identifier: MIT */
/*
 * Handler tables, read once: what on_data and the others are, and the options
 * beside them. One userdata, shared by all connections of a listener; its user
 * values are the functions, in the order of enum handler.
 */
#ifndef ATL_BINDINGS_HANDLERS_H
#define ATL_BINDINGS_HANDLERS_H

#include "kit.h"

enum handler {
    HANDLER_OPEN = 1,
    HANDLER_DATA,
    HANDLER_DRAIN,
    HANDLER_END,
    HANDLER_CLOSE,
    HANDLER_ERROR,
    HANDLER_TASK,   /* serve's function */
    HANDLER_BUFFER, /* the reused buffer object */
    HANDLER_COUNT = HANDLER_BUFFER
};

struct handlers {
    unsigned present; /* bit n: handler n is there */
    bool buffers;
    bool framed;
    struct atl_frame frame;
    size_t max_frame;                 /* also of lines read; 0: the default */
    size_t max_read;                  /* of one read */
    size_t open;                      /* connections that use these */
    struct atl_stream_options stream; /* frame points to the one above */
    struct atl_listener_options listener;
};

static inline bool handlers_have(const struct handlers *h, enum handler which)
{
    return h->present & (1u << which);
}

/* Where a table stands, which decides what it may hold. */
enum handlers_use {
    FOR_LISTEN,
    FOR_CONNECT,
    FOR_ADOPT,
    FOR_PAIR,
    FOR_SERVE,
    FOR_SWAP
};
/* Reads the table at `arg` (none and nil: no handlers). Raises on anything
   wrong. [-0, +1, e] the userdata. */
struct handlers *handlers_read(lua_State *L, int arg, enum handlers_use use);
/* The task of serve, from the top of the stack. [-1, +0, -] */
void handlers_set_task(lua_State *L, int self);
/* Takes over functions and stream options of the userdata at `from`. */
void handlers_swap(lua_State *L, int to, int from);
/* Takes over the marks and limits that `h` leaves to their defaults. */
void handlers_inherit(struct handlers *h, const struct handlers *from);
/* "line", {length = "u16be"}, ... [-0, +0, e] */
void handlers_frame(lua_State *L, int arg, size_t max, struct atl_frame *out);

#endif
