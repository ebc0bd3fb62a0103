/* SPDX-License-Identifier: MIT */
/*
 * Listeners. With handlers (or serve's function) each accepted connection gets
 * a box that lives until its on_close; without, connections are accepted as
 * tasks ask for them.
 */
#include "listener.h"

#include <errno.h>
#include <string.h>

#include "conn.h"

struct listener {
    struct atlL_box box;
    struct atl_listener *listener; /* owns; NULL when closed */
    struct handlers *handlers;     /* borrows: user value 2 */
    struct atlL_link takers;       /* struct taker: tasks in accept */
    size_t waiting;                /* how many */
    bool closed;                   /* on_close may still be due */
    struct atl_addr local;         /* kept after closing, as is: */
    struct atl_listener_stats stats;
};

/* A task in accept; on the stack of its call, above the box it will return. */
struct taker {
    struct atlL_wait wait;
    struct atlL_link link;
    struct listener *l; /* peer: argument 1 */
    struct conn *c;     /* peer: the box below */
};

static struct taker *first(const struct listener *l)
{
    if (atlL_link_empty(&l->takers))
        return NULL;
    return (struct taker *)(void *)((char *)l->takers.next -
                                    offsetof(struct taker, link));
}

static int push_accepted(lua_State *L, void *arg)
{
    struct taker *t = arg;
    (void)t;
    lua_pushvalue(L, -2); /* below the taker */
    return 1;
}

static int push_closed(lua_State *L, void *arg)
{
    (void)arg;
    return atlL_fail(L, ATL_ECLOSED, NULL);
}

struct accepted {
    struct listener *l;
    struct atl_stream *s;
};

static int accept_protected(lua_State *L)
{
    struct accepted *a = lua_touserdata(L, 1);
    luaL_checkstack(L, 6, NULL);
    atlL_box_push(L, &a->l->box);
    lua_getiuservalue(L, -1, 2);
    struct conn *c = conn_new(L, a->l->box.vm, -1);
    atlL_box_anchor(L, -1);
    conn_attach(c, a->s);
    return 0;
}

static void take(struct listener *l, struct atl_stream *s)
{
    struct taker *t = first(l);
    if (t == NULL) { /* never more than were asked for */
        atl_stream_abort(s);
        return;
    }
    atlL_link_remove(&t->link);
    l->waiting--;
    conn_attach(t->c, s);
    atlL_wake_now(&t->wait, push_accepted, t);
}

static void on_accept(struct atl_listener *listener, struct atl_stream *s)
{
    struct listener *l = atl_listener_data(listener);
    if (l == NULL) {
        atl_stream_close(s);
    } else if (l->handlers->present == 0) {
        take(l, s);
    } else {
        struct accepted a = {l, s};
        if (!atlL_protected(l->box.vm, accept_protected, &a))
            atl_stream_abort(s);
    }
}

static void on_close(struct atl_listener *listener)
{
    struct listener *l = atl_listener_data(listener);
    struct taker *t;
    if (l == NULL)
        return;
    atl_listener_stats(listener, &l->stats);
    l->listener = NULL;
    l->closed = true; /* by itself, when its socket broke */
    while ((t = first(l)) != NULL) {
        atlL_link_remove(&t->link);
        atlL_wake(&t->wait, push_closed, NULL);
    }
    atlL_box_release(&l->box);
}

static const struct atl_listener_handlers callbacks = {on_accept, on_close};

static int listener_gc(lua_State *L)
{
    struct listener *l = lua_touserdata(L, 1);
    l->closed = true;
    if (l->listener == NULL)
        return 0;
    struct atl_listener *listener = l->listener;
    if (lua_gettop(L) == 1) { /* collected: nobody is to be told */
        atl_listener_set_data(listener, NULL);
        l->listener = NULL;
    }
    atl_listener_close(listener);
    return 0;
}

/* Handlers' userdata at the top of the stack; pushes the listener, or nil,
   message, code. */
static int open_listener(lua_State *L, struct atlL_vm *vm,
                         const struct atl_endpoint *at, struct handlers *h)
{
    struct atl_loop *loop = atlL_vm_loop(L, vm);
    struct atl_error why;
    int handlers = lua_gettop(L);
    h->listener.stream_handlers = &conn_handlers;
    struct listener *l = atlL_box_new(L, vm, &listener_class, sizeof(*l));
    atlL_link_init(&l->takers);
    l->handlers = h;
    lua_pushvalue(L, handlers);
    lua_setiuservalue(L, -2, 2);
    atlL_box_anchor(L, -1);
    if (atl_listener_open(&l->listener, loop, at, &h->listener, &callbacks, l,
                          &why) < 0) {
        l->listener = NULL;
        l->closed = true;
        atlL_box_release(&l->box);
        return atlL_fail_error(L, &why);
    }
    atl_listener_local(l->listener, &l->local);
    return 1;
}

int listener_listen(lua_State *L)
{
    struct atl_endpoint at;
    atlL_check_endpoint(L, 1, &at);
    lua_settop(L, 2);
    struct handlers *h = handlers_read(L, 2, FOR_LISTEN);
    return open_listener(L, ATLL_VM(L), &at, h);
}

/* address, function | address, options, function */
int listener_serve(lua_State *L)
{
    struct atl_endpoint at;
    int fn = lua_isfunction(L, 2) ? 2 : 3;
    atlL_check_endpoint(L, 1, &at);
    luaL_checktype(L, fn, LUA_TFUNCTION);
    lua_settop(L, 3);
    if (fn == 2) {
        lua_pushnil(L);
        lua_insert(L, 2);
        lua_settop(L, 3);
    }
    struct handlers *h = handlers_read(L, 2, FOR_SERVE);
    lua_pushvalue(L, 3);
    handlers_set_task(L, 4);
    return open_listener(L, ATLL_VM(L), &at, h);
}

/* --- methods -------------------------------------------------------------- */

static struct listener *check(lua_State *L)
{
    return atlL_box_check(L, 1, &listener_class);
}

static void cancel_accept(struct atlL_wait *wait, void *arg)
{
    struct taker *t = arg;
    (void)wait;
    atlL_link_remove(&t->link);
    t->l->waiting--;
    if (t->l->listener != NULL)
        atl_listener_want(t->l->listener, t->l->waiting);
}

static int l_accept(lua_State *L)
{
    struct listener *l = check(L);
    int64_t ns = atlL_check_seconds(L, 2, ATL_NEVER);
    lua_settop(L, 1);
    if (l->handlers->present != 0)
        return luaL_error(L, "accept is for listeners without handlers");
    if (l->closed)
        return push_closed(L, NULL);
    atlL_wait_check(L);
    lua_getiuservalue(L, 1, 2);
    struct conn *c = conn_new(L, l->box.vm, -1);
    struct taker *t = lua_newuserdatauv(L, sizeof(*t), 0);
    memset(t, 0, sizeof(*t));
    t->l = l;
    t->c = c;
    atlL_link_append(&l->takers, &t->link);
    atl_listener_want(l->listener, ++l->waiting);
    return atlL_wait_start(L, &t->wait, "accept", ns, cancel_accept, t);
}

static int l_local_address(lua_State *L)
{
    return atlL_push_addr(L, &check(L)->local);
}

static int l_close(lua_State *L)
{
    struct listener *l = check(L);
    l->closed = true;
    if (l->listener != NULL)
        atl_listener_close(l->listener);
    return 0;
}

static int l_pause(lua_State *L)
{
    struct listener *l = check(L);
    if (l->listener != NULL)
        atl_listener_pause(l->listener);
    return 0;
}

static int l_resume(lua_State *L)
{
    struct listener *l = check(L);
    if (l->listener != NULL)
        atl_listener_resume(l->listener);
    return 0;
}

static int l_connections(lua_State *L)
{
    struct listener *l = check(L);
    lua_pushinteger(L, (lua_Integer)l->handlers->open);
    return 1;
}

static int l_stats(lua_State *L)
{
    struct listener *l = check(L);
    struct atl_listener_stats s = l->stats;
    if (l->listener != NULL)
        atl_listener_stats(l->listener, &s);
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {{"accepted", s.accepted},
               {"refused", s.refused},
               {"errors", s.errors},
               {"pauses", s.pauses},
               {"connections", l->handlers->open}};
    lua_createtable(L, 0, 7);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        lua_pushinteger(L, (lua_Integer)all[i].value);
        lua_setfield(L, -2, all[i].name);
    }
    lua_pushboolean(L, s.paused);
    lua_setfield(L, -2, "paused");
    lua_pushboolean(L, s.starved);
    lua_setfield(L, -2, "starved");
    return 1;
}

/* What connections get from now on, the open ones too. */
static int l_set_handlers(lua_State *L)
{
    struct listener *l = check(L);
    struct atl_error why;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (l->closed)
        return push_closed(L, NULL);
    if (l->handlers->present == 0 || handlers_have(l->handlers, HANDLER_TASK))
        return luaL_error(L, "only a listener with handlers can swap them");
    struct handlers *h = handlers_read(L, 2, FOR_LISTEN);
    luaL_argcheck(L,
                  handlers_have(h, HANDLER_DATA) ==
                      handlers_have(l->handlers, HANDLER_DATA),
                  2, "on_data must be in both tables or in neither");
    if (atl_listener_configure(l->listener, &h->stream, &conn_handlers, &why) <
        0)
        return atlL_fail_error(L, &why);
    lua_getiuservalue(L, 1, 2);
    handlers_swap(L, 4, 3);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_tostring(lua_State *L)
{
    struct listener *l = check(L);
    char text[320];
    atl_addr_format(&l->local, text, sizeof(text));
    lua_pushfstring(L, "asocket.listener (%s, %s)", text,
                    l->closed ? "closed" : "open");
    return 1;
}

static const luaL_Reg methods[] = {
    {"accept", l_accept},       {"local_address", l_local_address},
    {"close", l_close},         {"pause", l_pause},
    {"resume", l_resume},       {"connections", l_connections},
    {"stats", l_stats},         {"set_handlers", l_set_handlers},
    {"__tostring", l_tostring}, {NULL, NULL},
};

const struct atlL_class listener_class = {"asocket.listener", methods,
                                          listener_gc, true};

/* Arguments: address, handlers. The module is loaded as a script would: its
   classes are made then. */
static int embed_listen(lua_State *L)
{
    if (lua_getglobal(L, "require") != LUA_TFUNCTION)
        return luaL_error(L, "the package library is not open");
    lua_pushliteral(L, "asocket");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "listen");
    lua_insert(L, 1);
    lua_settop(L, 3);
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        return lua_error(L);
    return 0;
}

int atlL_listen(lua_State *L, const char *address, struct atl_error *why)
{
    if (!lua_checkstack(L, 4))
        return atl_fail(why, -ENOMEM, NULL);
    lua_pushcfunction(L, embed_listen);
    lua_pushstring(L, address);
    lua_rotate(L, -3, 2);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK)
        return 0;
    const char *text = lua_tostring(L, -1);
    atl_fail(why, -EINVAL, "%s", text ? text : "error without text");
    lua_pop(L, 1);
    return -EINVAL;
}
