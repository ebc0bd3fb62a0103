/* SPDX-License-Identifier: MIT */
/* Names: asocket.resolve. */
#include <errno.h>
#include <string.h>

#include "listener.h"

/* On the stack of the waiting call. */
struct look_up {
    struct atlL_wait wait;
    struct atl_resolve *resolve; /* peer until answered */
};

struct answer {
    const struct atl_addr *addrs;
    size_t count;
    const struct atl_error *why;
};

static int push_answer(lua_State *L, void *arg)
{
    const struct answer *a = arg;
    char host[128];
    if (a->count == 0)
        return atlL_fail_error(L, a->why);
    lua_createtable(L, (int)a->count, 0);
    for (size_t i = 0; i < a->count; i++) {
        lua_pushstring(L, atl_addr_host(&a->addrs[i], host, sizeof(host)));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void on_answer(void *data, const struct atl_addr *addrs, size_t count,
                      const struct atl_error *why)
{
    struct look_up *u = data;
    struct answer a = {addrs, count, why};
    u->resolve = NULL;
    atlL_wake_now(&u->wait, push_answer, &a);
}

static void cancel(struct atlL_wait *wait, void *arg)
{
    struct look_up *u = arg;
    (void)wait;
    if (u->resolve != NULL)
        atl_resolve_close(&u->resolve);
}

/* name [, { family =, timeout = }] */
int name_resolve(lua_State *L)
{
    static const struct atlL_option known[] = {
        {"family", 's'}, {"timeout", 'd'}, {NULL, 0}};
    static const char *const families[] = {"any", "ipv4", "ipv6", NULL};
    struct atl_loop *loop = atlL_vm_loop(L, ATLL_VM(L));
    const char *name = luaL_checkstring(L, 1);
    int64_t ns = ATL_NEVER;
    int family = ATL_ANY;
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        atlL_options_check(L, 2, known, "resolve");
        lua_getfield(L, 2, "family");
        family = luaL_checkoption(L, 3, "any", families);
        atlL_option_seconds(L, 2, "timeout", &ns);
    }
    atlL_wait_check(L);
    struct look_up *u = lua_newuserdatauv(L, sizeof(*u), 0);
    memset(u, 0, sizeof(*u));
    int r = atl_resolve_open(&u->resolve, loop, name, (enum atl_family)family,
                             on_answer, u);
    if (r == -EINVAL)
        return luaL_argerror(L, 1, "not a possible host name");
    if (r < 0)
        return atlL_fail(L, r, NULL);
    return atlL_wait_start(L, &u->wait, "resolve", ns, cancel, u);
}
