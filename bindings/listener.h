/* SPDX-License-Identifier: MIT */
/* Listeners, and the other ways connections come about. */
#ifndef ATL_BINDINGS_LISTENER_H
#define ATL_BINDINGS_LISTENER_H

#include "kit.h"

extern const struct atlL_class listener_class;
int listener_listen(lua_State *L);
int listener_serve(lua_State *L);

int connect_connect(lua_State *L);
int connect_pair(lua_State *L);
int connect_adopt(lua_State *L);
int connect_stdin(lua_State *L);

int limit_set_max_files(lua_State *L);
int limit_get_max_files(lua_State *L);

int name_resolve(lua_State *L);

#endif
