/* SPDX-License-Identifier: MIT */
/* pipe: the engine copies from one connection to another, the task waits. */
#include <errno.h>
#include <string.h>

#include "conn.h"

/* On the stack of the waiting call, at the top. */
struct pipe {
    struct atlL_wait wait;
    struct conn *from;       /* peer: argument 1 */
    struct atl_relay *relay; /* owns while at work */
    uint64_t copied;
    int result;
    struct atl_error why;
};

static int push_piped(lua_State *L, void *arg)
{
    const struct pipe *p = arg;
    if (p->result < 0) {
        atlL_fail(L, p->result, p->why.text);
        lua_pushinteger(L, (lua_Integer)p->copied);
        return 4;
    }
    lua_pushinteger(L, (lua_Integer)p->copied);
    return 1;
}

static void over(struct pipe *p)
{
    p->from->reader = NULL;
    p->from->relaying = false;
}

static void on_relayed(void *data, int result, uint64_t copied,
                       const struct atl_error *why)
{
    struct pipe *p = data;
    over(p);
    p->relay = NULL;
    p->copied = copied;
    p->result = result;
    if (result == -ECANCELED) /* one of the two was closed here */
        p->result = atl_fail(&p->why, ATL_ECLOSED, NULL);
    else if (why != NULL)
        p->why = *why;
    atlL_wake_now(&p->wait, push_piped, p);
}

static void cancel_pipe(struct atlL_wait *wait, void *arg)
{
    struct pipe *p = arg;
    (void)wait;
    over(p);
    p->copied = p->relay ? atl_relay_close(&p->relay) : p->copied;
}

static int l_pipe(lua_State *L)
{
    struct conn *from = conn_check(L, 1), *to = conn_check(L, 2);
    uint64_t length = (uint64_t)ATL_NEVER;
    if (!lua_isnoneornil(L, 3)) {
        lua_Integer n = luaL_checkinteger(L, 3);
        luaL_argcheck(L, n >= 0, 3, "a length must not be negative");
        length = (uint64_t)n;
    }
    lua_settop(L, 2);
    struct atl_stream *a = conn_stream(L, from);
    struct atl_stream *b = a ? conn_stream(L, to) : NULL;
    if (b == NULL) {
        lua_pushinteger(L, 0);
        return 4;
    }
    conn_check_reader(L, from);
    atlL_wait_check(L);
    struct pipe *p = lua_newuserdatauv(L, sizeof(*p), 0);
    memset(p, 0, sizeof(*p));
    p->from = from;
    int r = atl_relay_open(&p->relay, a, b, length, on_relayed, p);
    if (r < 0) {
        atlL_fail(L, r, NULL);
        lua_pushinteger(L, 0);
        return 4;
    }
    from->reader = &p->wait;
    from->relaying = true;
    return atlL_wait_start(L, &p->wait, "pipe", ATL_NEVER, cancel_pipe, p);
}

const luaL_Reg conn_relay_methods[] = {
    {"pipe", l_pipe},
    {NULL, NULL},
};
