/* SPDX-License-Identifier: MIT */
/* Connections made here: by address or name, as a pair, from a descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "listener.h"

/* The handler form returns at once. */
static bool is_handler_form(const struct handlers *h)
{
    return handlers_have(h, HANDLER_OPEN) || handlers_have(h, HANDLER_DATA);
}

/* Anchored while it may be told something. */
static struct conn *make(lua_State *L, struct atlL_vm *vm, int handlers)
{
    const struct handlers *h = lua_touserdata(L, handlers);
    struct conn *c = conn_new(L, vm, handlers);
    if (h->present != 0)
        atlL_box_anchor(L, -1);
    return c;
}

static struct atl_stream_setup setup_of(const struct handlers *h)
{
    return (struct atl_stream_setup){.handlers = &conn_handlers,
                                     .options = &h->stream};
}

static void read_bind(lua_State *L, int arg, struct atl_addr *out)
{
    struct atl_endpoint e;
    atlL_check_endpoint(L, arg, &e);
    if (atl_addr_numeric(out, e.host[0] ? e.host : "0.0.0.0", e.port) < 0)
        luaL_error(L, "bind takes a numeric address");
}

/* `connecting` stays: nobody was told of it, nobody is told of its end. */
static void cancel_connect(struct atlL_wait *wait, void *arg)
{
    struct conn *c = arg;
    (void)wait;
    c->reader = NULL;
    conn_close(c, ATL_ECLOSED);
}

/* address [, options] */
int connect_connect(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    struct atl_loop *loop = atlL_vm_loop(L, vm);
    struct atl_endpoint to;
    struct atl_stream *stream;
    struct atl_error why;
    struct atl_addr bind;
    atlL_check_endpoint(L, 1, &to);
    lua_settop(L, 2);
    struct handlers *h = handlers_read(L, 2, FOR_CONNECT);
    bool waits = !is_handler_form(h);
    if (waits)
        atlL_wait_check(L);
    struct atl_stream_setup s = setup_of(h);
    if (lua_istable(L, 2) && lua_getfield(L, 2, "bind") != LUA_TNIL) {
        read_bind(L, lua_gettop(L), &bind);
        s.bind = &bind;
    }
    lua_settop(L, 3);
    struct conn *c = make(L, vm, 3);
    if (atl_connect(&stream, loop, &to, &s, &why) < 0) {
        atlL_box_release(&c->box);
        return atlL_fail_error(L, &why);
    }
    conn_attach(c, stream);
    if (!waits)
        return 1;
    c->reader = atlL_wait_own(vm);
    c->connecting = true;
    return atlL_wait_start(L, c->reader, "connect", ATL_NEVER, cancel_connect,
                           c);
}

/* [options] */
int connect_pair(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    struct atl_loop *loop = atlL_vm_loop(L, vm);
    struct atl_stream *ends[2];
    struct atl_error why;
    lua_settop(L, 1);
    struct handlers *h = handlers_read(L, 1, FOR_PAIR);
    struct atl_stream_setup s = setup_of(h);
    struct conn *a = conn_new(L, vm, 2), *b = conn_new(L, vm, 2);
    if (atl_stream_pair(ends, loop, &s, &why) < 0)
        return atlL_fail_error(L, &why);
    conn_attach(a, ends[0]);
    conn_attach(b, ends[1]);
    return 2;
}

/* fd [, options] */
int connect_adopt(lua_State *L)
{
    struct atlL_vm *vm = ATLL_VM(L);
    struct atl_loop *loop = atlL_vm_loop(L, vm);
    struct atl_stream *stream;
    struct atl_error why;
    lua_Integer fd = luaL_checkinteger(L, 1);
    luaL_argcheck(L, fd >= 0 && fd <= INT32_MAX, 1, "not a descriptor");
    lua_settop(L, 2);
    struct handlers *h = handlers_read(L, 2, FOR_ADOPT);
    struct atl_stream_setup s = setup_of(h);
    struct conn *c = make(L, vm, 3);
    if (atl_stream_adopt(&stream, loop, (int)fd, &s, &why) < 0) {
        atlL_box_release(&c->box);
        return atlL_fail_error(L, &why);
    }
    conn_attach(c, stream);
    return 1;
}

/*
 * Standard input by a descriptor of its own. A terminal is opened again: being
 * non-blocking belongs to the open file, which a terminal's input shares with
 * its output and with the shell, and what is printed would get lost.
 */
int connect_stdin(lua_State *L)
{
    char name[256];
    int fd = -1;
    if (isatty(STDIN_FILENO) &&
        ttyname_r(STDIN_FILENO, name, sizeof(name)) == 0)
        fd = open(name, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd == -1)
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd == -1)
        return atlL_fail(L, -errno, NULL);
    lua_settop(L, 0);
    lua_pushinteger(L, fd);
    int results = connect_adopt(L);
    if (results != 1)
        close(fd);
    return results;
}
