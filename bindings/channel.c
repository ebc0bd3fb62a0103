/* SPDX-License-Identifier: MIT */
/*
 * Channels: values handed from task to task, first in, first out. A value goes
 * straight from one task's stack to the other's: a waiting sender has it at a
 * known place, a waiting receiver keeps a place for it. Nothing is allocated
 * between taking a value and giving it, so none is lost for want of memory.
 */
#include "vm.h"

#include <string.h>

/* User value 2: the values in between, a ring of `capacity` places. */
struct channel {
    struct atlL_box box;
    struct atlL_link senders, receivers; /* struct party */
    lua_Integer capacity, head, count;
    bool closed;
};

/* Stack of a call that waits: channel, value (the receiver's is nil until it
   has come), party. */
enum { CHANNEL = 1, VALUE, PARTY };

struct party {
    struct atlL_wait wait;
    struct atlL_link link;
    lua_State *L; /* peer: whose stack this is on */
};

static const struct atlL_class channel_class;

static struct channel *check(lua_State *L)
{
    return atlL_box_check(L, 1, &channel_class);
}

static struct party *take_first(struct atlL_link *list)
{
    if (atlL_link_empty(list))
        return NULL;
    struct party *p = ATLL_CONTAINER(list->next, struct party, link);
    atlL_link_remove(&p->link);
    return p;
}

static int push_true(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushboolean(L, 1);
    return 1;
}

static int push_value(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushvalue(L, VALUE);
    return 1;
}

static int push_closed(lua_State *L, void *arg)
{
    (void)arg;
    return atlL_fail(L, ATL_ECLOSED, NULL);
}

static void cancelled(struct atlL_wait *wait, void *arg)
{
    struct party *p = arg;
    (void)wait;
    atlL_link_remove(&p->link);
}

/* Channel and value on the stack, nothing else. */
static int wait_among(lua_State *L, struct atlL_link *list, const char *what,
                      int64_t timeout_ns)
{
    atlL_wait_check(L);
    struct party *p = lua_newuserdatauv(L, sizeof(*p), 0);
    memset(p, 0, sizeof(*p));
    p->L = L;
    atlL_link_append(list, &p->link);
    return atlL_wait_start(L, &p->wait, what, timeout_ns, cancelled, p);
}

/* Place of the n-th value in the ring, which begins with 1. */
static lua_Integer place(const struct channel *c, lua_Integer n)
{
    lua_Integer i = c->head + n;
    return (i >= c->capacity ? i - c->capacity : i) + 1;
}

static int l_send(lua_State *L)
{
    struct channel *c = check(L);
    luaL_argcheck(L, !lua_isnoneornil(L, VALUE), VALUE, "nil cannot be sent");
    int64_t ns = atlL_check_seconds(L, 3, ATL_NEVER);
    lua_settop(L, VALUE);
    if (c->closed)
        return push_closed(L, NULL);
    struct party *receiver = take_first(&c->receivers);
    if (receiver != NULL) {
        lua_xmove(L, receiver->L, 1);
        lua_replace(receiver->L, VALUE);
        atlL_wake(&receiver->wait, push_value, NULL);
        return push_true(L, NULL);
    }
    if (c->count == c->capacity)
        return wait_among(L, &c->senders, "send", ns);
    lua_getiuservalue(L, CHANNEL, 2);
    lua_pushvalue(L, VALUE);
    lua_rawseti(L, -2, place(c, c->count));
    c->count++;
    return push_true(L, NULL);
}

/* Its value, at the top. */
static void take_from(lua_State *L, struct party *sender)
{
    lua_pushvalue(sender->L, VALUE);
    lua_xmove(sender->L, L, 1);
    atlL_wake(&sender->wait, push_true, NULL);
}

static int l_receive(lua_State *L)
{
    struct channel *c = check(L);
    int64_t ns = atlL_check_seconds(L, 2, ATL_NEVER);
    lua_settop(L, CHANNEL);
    if (c->count > 0) {
        lua_getiuservalue(L, CHANNEL, 2);
        lua_rawgeti(L, 2, place(c, 0));
        /* Senders wait only when the ring is full: then the place behind the
           last value is this one. */
        struct party *sender = take_first(&c->senders);
        if (sender != NULL)
            take_from(L, sender);
        else
            lua_pushnil(L);
        lua_rawseti(L, 2, place(c, 0));
        c->head = place(c, 0) % c->capacity;
        c->count -= sender == NULL;
        return 1;
    }
    struct party *sender = take_first(&c->senders);
    if (sender != NULL) {
        take_from(L, sender);
        return 1;
    }
    if (c->closed)
        return push_closed(L, NULL);
    lua_pushnil(L);
    return wait_among(L, &c->receivers, "receive", ns);
}

static int channel_close(lua_State *L)
{
    struct channel *c = lua_touserdata(L, 1);
    struct party *p;
    c->closed = true;
    if (c->senders.next == NULL) /* was never whole */
        return 0;
    while ((p = take_first(&c->senders)) != NULL)
        atlL_wake(&p->wait, push_closed, NULL);
    while ((p = take_first(&c->receivers)) != NULL)
        atlL_wake(&p->wait, push_closed, NULL);
    return 0;
}

static int l_close(lua_State *L)
{
    check(L);
    return channel_close(L);
}

/* Upvalue 2: the channel. */
static int next_value(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    return l_receive(L);
}

static int l_values(lua_State *L)
{
    check(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, next_value, 2);
    return 1;
}

static int l_tostring(lua_State *L)
{
    struct channel *c = check(L);
    lua_pushfstring(L, "atools.channel (%s, %I of %I)",
                    c->closed ? "closed" : "open", (LUAI_UACINT)c->count,
                    (LUAI_UACINT)c->capacity);
    return 1;
}

static const luaL_Reg methods[] = {
    {"send", l_send},     {"receive", l_receive},     {"close", l_close},
    {"values", l_values}, {"__tostring", l_tostring}, {NULL, NULL},
};

static const struct atlL_class channel_class = {"atools.channel", methods,
                                                channel_close, false};

void atlL_channel_open(lua_State *L, struct atlL_vm *vm)
{
    atlL_class_make(L, vm, &channel_class);
}

int atlL_channel_new(lua_State *L)
{
    lua_Integer capacity = luaL_optinteger(L, 1, 0);
    luaL_argcheck(L, capacity >= 0 && capacity <= INT32_MAX, 1,
                  "a capacity is a number from 0 to 2^31 - 1");
    struct channel *c = atlL_box_new(L, ATLL_VM(L), &channel_class, sizeof(*c));
    atlL_link_init(&c->senders);
    atlL_link_init(&c->receivers);
    c->capacity = capacity;
    lua_newtable(L);
    lua_setiuservalue(L, -2, 2);
    return 1;
}
