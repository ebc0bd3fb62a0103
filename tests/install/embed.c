/* SPDX-License-Identifier: MIT */
/* A C host with Lua in it: the modules run on the host's own loop. */
#include <atools_lua.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

static const char script[] = "local atools = require 'atools'\n"
                             "atools.after(0.001, function() done = true end)";

int main(void)
{
    struct atl_loop *loop;
    struct atl_error why;
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    if (atl_loop_new(&loop, NULL, &why) < 0 || atlL_open(L, loop, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    if (luaL_dostring(L, script) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        return 1;
    }
    atl_loop_run(loop);
    lua_getglobal(L, "done");
    int done = lua_toboolean(L, -1);
    lua_close(L);
    atl_loop_free(&loop);
    return !done;
}
