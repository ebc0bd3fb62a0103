/* SPDX-License-Identifier: MIT */
/*
 * The registry of modules: what require finds once the modules are open, and
 * that a Lua state holds one copy of this library only.
 */
#ifndef ATL_BINDINGS_MODULES_H
#define ATL_BINDINGS_MODULES_H

#include <lua.h>

#include "atools.h"

struct atlL_vm;

/*
 * Makes this copy of the library the one of L's state: the first thing that
 * opening does. 0, or -EBUSY when another copy is; its path is then left on
 * the stack. [-0, +(0|1), m]
 */
int atlL_modules_claim(lua_State *L);

/* Where this copy was loaded from. [-0, +1, m] */
void atlL_modules_path(lua_State *L);

/* Fills package.preload with the C halves and the embedded Lua halves. The C
   half of a module is "<name>.core"; it is also <name> itself when there is no
   Lua half of that name. [-0, +0, m] */
void atlL_modules_install(lua_State *L, struct atlL_vm *vm);

/* As a shared object: require "atools.native". */
ATL_API int luaopen_atools_native(lua_State *L);

#endif
