/* SPDX-License-Identifier: MIT */
/*
 * Tasks that wait for a connection's output. Writers come first, in the order
 * they came; each queues its bytes when its turn has come, so that nothing
 * gets between the parts of one write. Those that wait for an empty queue are
 * served when no writer is left.
 */
#include <string.h>

#include "conn.h"

#define HIGH_DEFAULT ((size_t)1 << 20)

/* On the stack of the waiting call, at the top. */
struct writer {
    struct atlL_wait wait;
    struct atlL_link link;
    struct conn *c; /* peer: argument 1 */
    enum conn_wait_kind kind;
};

static struct writer *writer_of(struct atlL_link *l)
{
    return (struct writer *)(void *)((char *)l - offsetof(struct writer, link));
}

/* Whose turn is next, or NULL. */
static struct writer *first(const struct conn *c)
{
    struct atlL_link *l = c->writers.next;
    while (l != &c->writers && writer_of(l)->kind == WAIT_FLUSH)
        l = l->next;
    if (l == &c->writers)
        l = l->next;
    return l == &c->writers ? NULL : writer_of(l);
}

size_t conn_high(const struct conn *c)
{
    size_t high = c->handlers->stream.high;
    return high ? high : HIGH_DEFAULT;
}

static size_t level_of(const struct writer *w)
{
    return w->kind == WAIT_FLUSH ? 0 : conn_high(w->c) - 1;
}

bool conn_must_wait(const struct conn *c)
{
    const struct writer *w = first(c);
    return atl_stream_queued(c->stream) >= conn_high(c) ||
           (w != NULL && w->kind != WAIT_FLUSH);
}

static void ask(struct conn *c)
{
    const struct writer *w = first(c);
    if (c->stream != NULL && atl_stream_state(c->stream) != ATL_STREAM_CLOSED)
        atl_stream_notify(c->stream, w ? level_of(w) : SIZE_MAX);
}

/* In the task: arguments 2 .. top - 1, the writer at the top. */
static int push_done(lua_State *L, void *arg)
{
    struct writer *w = arg;
    struct conn *c = w->c;
    int r = 0;
    if (conn_stream(L, c) == NULL)
        return 3;
    if (w->kind == WAIT_WRITE)
        r = conn_write_pieces(L, c, lua_gettop(L) - 1, ATL_WRITE_ANY);
    else if (w->kind == WAIT_FRAME)
        r = conn_write_framed(L, c, ATL_WRITE_ANY);
    return conn_push_written(L, c, r);
}

void conn_on_level(struct atl_stream *s)
{
    struct conn *c = atl_stream_data(s);
    struct writer *w;
    /* Each one may close the connection, even drop its box. */
    while (c != NULL && (w = first(c)) != NULL &&
           atl_stream_state(s) != ATL_STREAM_CLOSED &&
           atl_stream_queued(s) <= level_of(w)) {
        atlL_link_remove(&w->link);
        atlL_wake_now(&w->wait, push_done, w);
        c = atl_stream_data(s);
    }
    if (c != NULL)
        ask(c);
}

/* Readers of a dead connection still get what lies in memory; they are told
   by the stream. Once it is gone everybody is. */
void conn_fail_waits(struct conn *c)
{
    struct writer *w;
    while ((w = first(c)) != NULL) {
        atlL_link_remove(&w->link);
        atlL_wake(&w->wait, conn_push_gone, c);
    }
    if (c->stream == NULL && c->reader != NULL && !c->relaying) {
        struct atlL_wait *wait = c->reader;
        c->reader = NULL;
        atlL_wake(wait, conn_push_gone, c);
    }
}

static void cancel(struct atlL_wait *wait, void *arg)
{
    struct writer *w = arg;
    (void)wait;
    atlL_link_remove(&w->link);
    ask(w->c);
}

int conn_wait(lua_State *L, struct conn *c, enum conn_wait_kind kind)
{
    static const char *const what[] = {"write", "write_frame", "flush"};
    atlL_wait_check(L);
    struct writer *w = lua_newuserdatauv(L, sizeof(*w), 0);
    memset(w, 0, sizeof(*w));
    w->c = c;
    w->kind = kind;
    atlL_link_append(&c->writers, &w->link);
    ask(c);
    return atlL_wait_start(L, &w->wait, what[kind], c->timeout_ns, cancel, w);
}
