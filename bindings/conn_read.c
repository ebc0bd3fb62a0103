/* SPDX-License-Identifier: MIT */
/*
 * Reading. What lies in memory is returned at once; otherwise one request is
 * left with the stream, and its answer becomes a Lua string straight from the
 * engine's memory, in the waiting task.
 */
#include <errno.h>
#include <string.h>

#include "conn.h"

#define MAX_READ_DEFAULT ((size_t)16 << 20)

/* An answer on its way into the waiting task. */
struct answer {
    int result;
    const void *bytes;
    size_t length;
    const struct atl_error *why; /* words for the failure, or NULL */
};

static int push_answer(lua_State *L, void *arg)
{
    const struct answer *a = arg;
    if (a->result > 0) {
        lua_pushlstring(L, a->bytes, a->length);
        return 1;
    }
    atlL_fail(L, a->result, a->why ? a->why->text : NULL);
    lua_pushlstring(L, a->bytes ? a->bytes : "", a->length);
    return 4;
}

void conn_on_read(struct atl_stream *s, int result, const void *bytes,
                  size_t length)
{
    struct conn *c = atl_stream_data(s);
    if (c == NULL || c->reader == NULL)
        return;
    struct atlL_wait *wait = c->reader;
    struct answer answer = {result, bytes, length, conn_words(c, result)};
    c->reader = NULL;
    atlL_wake_now(wait, push_answer, &answer);
}

static void cancel_read(struct atlL_wait *wait, void *arg)
{
    struct conn *c = arg;
    (void)wait;
    c->reader = NULL;
    if (c->stream != NULL)
        atl_stream_read_cancel(c->stream);
}

void conn_check_reader(lua_State *L, const struct conn *c)
{
    if (c->reader != NULL)
        luaL_error(L, "another task is reading this connection");
    if (conn_has(c, HANDLER_DATA) &&
        (c->owner.task == NULL ||
         c->owner.task != atlL_task_current(c->box.vm)))
        luaL_error(L, "on_data reads this connection: only its running "
                      "handler may read");
}

static int start_read(lua_State *L, struct conn *c, const struct atl_read *want)
{
    struct atl_stream *s = conn_stream(L, c);
    struct atl_bytes bytes;
    if (s == NULL)
        return 3;
    conn_check_reader(L, c);
    int r = atl_stream_read(s, want, &bytes);
    if (r != 0) {
        struct answer answer = {r, bytes.data, bytes.length, conn_words(c, r)};
        return push_answer(L, &answer);
    }
    if (!atlL_can_wait(L)) {
        atl_stream_read_cancel(s);
        atlL_wait_check(L);
    }
    c->reader = atlL_wait_own(c->box.vm);
    return atlL_wait_start(L, c->reader, "read", c->timeout_ns, cancel_read, c);
}

static size_t max_read(const struct conn *c)
{
    return c->handlers->max_read ? c->handlers->max_read : MAX_READ_DEFAULT;
}

static int read_count(lua_State *L, struct conn *c, enum atl_read_kind kind)
{
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_argcheck(L, n >= 0, 2, "a count must not be negative");
    size_t max = max_read(c);
    if ((lua_Unsigned)n > max)
        return luaL_error(L, "%I bytes asked for, max_read is %I", n,
                          (lua_Integer)max);
    struct atl_read want = {.kind = kind, .size = (size_t)n};
    return start_read(L, c, &want);
}

static int l_read(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    if (lua_type(L, 2) == LUA_TNUMBER)
        return read_count(L, c, ATL_READ_EXACT);
    struct atl_frame line = {.kind = ATL_FRAME_LINE,
                             .max = c->handlers->max_frame};
    struct atl_read want = {.kind = ATL_READ_FRAME, .frame = &line};
    const char *format = luaL_optstring(L, 2, "l");
    if (*format == '*')
        format++;
    if (format[0] == '\0' || format[1] != '\0')
        return luaL_argerror(L, 2, "invalid format");
    switch (*format) {
    case 'l':
        break;
    case 'L':
        line.keep = true;
        break;
    case 'a':
        want = (struct atl_read){.kind = ATL_READ_ALL, .size = max_read(c)};
        break;
    default:
        return luaL_argerror(L, 2, "invalid format");
    }
    return start_read(L, c, &want);
}

static int l_read_some(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    lua_Integer n = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, n >= 0, 2, "a count must not be negative");
    struct atl_read want = {.kind = ATL_READ_SOME, .size = (size_t)n};
    return start_read(L, c, &want);
}

static int l_read_until(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    size_t length;
    const char *delimiter = luaL_checklstring(L, 2, &length);
    lua_Integer max =
        luaL_optinteger(L, 3, (lua_Integer)c->handlers->max_frame);
    luaL_argcheck(L, length > 0 && length <= ATL_DELIMITER_MAX, 2,
                  "a delimiter has 1 to 32 bytes");
    luaL_argcheck(L, max >= 0, 3, "a maximum must not be negative");
    struct atl_frame frame = {.kind = ATL_FRAME_DELIMITER,
                              .delimiter_length = (uint8_t)length,
                              .max = (size_t)max};
    memcpy(frame.delimiter, delimiter, length);
    struct atl_read want = {.kind = ATL_READ_FRAME, .frame = &frame};
    return start_read(L, c, &want);
}

static int l_read_frame(lua_State *L)
{
    struct conn *c = conn_check(L, 1);
    struct atl_read want = {.kind = ATL_READ_FRAME};
    int n = start_read(L, c, &want);
    /* The one misuse the stream itself finds. */
    if (n == 4 && strcmp(lua_tostring(L, -2), "EINVAL") == 0)
        return luaL_error(L, "the connection has no framing: set_frame first");
    return n;
}

static int l_peek(lua_State *L)
{
    return read_count(L, conn_check(L, 1), ATL_READ_PEEK);
}

const luaL_Reg conn_read_methods[] = {
    {"read", l_read},
    {"read_some", l_read_some},
    {"read_until", l_read_until},
    {"read_frame", l_read_frame},
    {"peek", l_peek},
    {NULL, NULL},
};
