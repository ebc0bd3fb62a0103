/* SPDX-License-Identifier: MIT */
/*
 * Buffers: what on_data gets in place of a string when a listener says
 * `buffers = true`. One object shows the engine's bytes for the time of a
 * handler, so that moving bytes makes no string.
 */
#ifndef ATL_BINDINGS_BUFFER_H
#define ATL_BINDINGS_BUFFER_H

#include "kit.h"

struct buffer {
    struct atlL_box box;
    const char *data; /* borrows; NULL when the handler is over */
    size_t length;
};

void buffer_open(lua_State *L, struct atlL_vm *vm);
void buffer_new(lua_State *L);
/* NULL when it is no buffer; raises when it is over. */
const struct buffer *buffer_test(lua_State *L, int arg);

#endif
