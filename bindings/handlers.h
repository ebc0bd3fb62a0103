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
    struct atl_frame frame;
    bool framed;
    int64_t timeout_ns;
    struct atl_stream_options stream; /* frame points to the one above */
    struct atl_listener_options listener;
};

static inline bool handlers_have(const struct handlers *h, enum handler which)
{
    return h->present & (1u << which);
}

/* What a table may hold: of a listener, of a connection, or of connect. */
enum handlers_use { FOR_LISTEN, FOR_CONNECT, FOR_SERVE };
/* Reads the table at `arg` (none and nil: no handlers). Raises on anything
   wrong. [-0, +1, e] the userdata. */
struct handlers *handlers_read(lua_State *L, int arg, enum handlers_use use);
/* Takes over the functions and framing of the userdata at `from`. */
void handlers_swap(lua_State *L, int to, int from);
/* "line", {length = "u16be"}, ... [-0, +0, e] */
void handlers_frame(lua_State *L, int arg, size_t max, struct atl_frame *out);

#endif
