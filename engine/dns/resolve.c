/* SPDX-License-Identifier: MIT */
/*
 * Look-ups. Whatever the source, the answer comes from the ready queue, so
 * that callers see one behaviour: a look-up never answers inside the call that
 * asked for it.
 */
#include "dns/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "parse/hosts.h"

#define HOSTS_PATH "/etc/hosts"
#define HOSTS_MAX 1048576
#define ADDRS_MAX 32

struct atl_resolve {
    struct atl_object object;
    struct atl_post post;
    atl_resolve_fn *fn;
    void *data; /* borrows */
    enum atl_family family;
    char name[256];
    struct atl_addr addrs[ADDRS_MAX];
    size_t count;
};

static void add(struct atl_resolve *r, const struct atl_addr *a)
{
    int family = a->sa.any.sa_family;
    if (r->count == ADDRS_MAX || (r->family == ATL_IPV4 && family != AF_INET) ||
        (r->family == ATL_IPV6 && family != AF_INET6))
        return;
    for (size_t i = 0; i < r->count; i++)
        if (r->addrs[i].length == a->length &&
            memcmp(&r->addrs[i].sa, &a->sa, a->length) == 0)
            return;
    r->addrs[r->count++] = *a;
}

static void add_text(struct atl_resolve *r, const char *host)
{
    struct atl_addr a;
    if (atl_addr_numeric(&a, host, 0) == 0)
        add(r, &a);
}

/* RFC 6761, 6.3: "localhost" and all names below it are this machine. */
static bool is_localhost(const char *name)
{
    static const char word[] = "localhost";
    size_t n = strlen(name), length = sizeof(word) - 1;
    if (n < length || strcasecmp(name + n - length, word) != 0)
        return false;
    return n == length || name[n - length - 1] == '.';
}

/* The whole file in one block of HOSTS_MAX bytes at most; its length. */
static ssize_t read_hosts(const struct atl_os *os, char **out, size_t *room)
{
    int fd = atl__os_open_read(os, HOSTS_PATH);
    size_t length = 0;
    ssize_t n = 0;
    if (fd < 0)
        return fd;
    *out = NULL;
    *room = 0;
    while (*room < HOSTS_MAX) {
        if (length == *room) {
            size_t wanted = *room ? *room * 2 : 4096;
            char *grown = atl__resize(*out, *room, wanted);
            if (grown == NULL) {
                n = -ENOMEM;
                break;
            }
            *out = grown;
            *room = wanted;
        }
        n = atl__os_read(os, fd, *out + length, *room - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    atl__os_close(os, fd);
    if (n < 0) {
        atl__free(*out, *room);
        return n;
    }
    return (ssize_t)length;
}

static int search_hosts(struct atl_resolve *r)
{
    char *text;
    size_t room, at = 0;
    struct atl_addr a;
    ssize_t length = read_hosts(atl__loop_os(r->object.loop), &text, &room);
    if (length < 0)
        return length == -ENOENT ? 0 : (int)length;
    while (atl__hosts_next(text, (size_t)length, &at, r->name, &a))
        add(r, &a);
    atl__free(text, room);
    return 0;
}

static int look_up(struct atl_resolve *r, struct atl_error *why)
{
    add_text(r, r->name);
    if (r->count > 0)
        return 0;
    if (is_localhost(r->name)) {
        add_text(r, "127.0.0.1");
        add_text(r, "::1");
        return 0;
    }
    int code = search_hosts(r);
    if (code < 0)
        return atl_fail(why, ATL_EDNS, "reading " HOSTS_PATH ": %s",
                        atl_error_text(code));
    if (r->count == 0)
        return atl_fail(why, ATL_ENOTFOUND, "no such name: %s", r->name);
    return 0;
}

int atl__resolve_local(struct atl_addr *out, struct atl_loop *loop,
                       const char *name)
{
    struct atl_resolve *r = atl__zalloc(sizeof(*r));
    if (r == NULL)
        return -ENOMEM;
    r->object.loop = loop;
    memcpy(r->name, name, strnlen(name, sizeof(r->name) - 1));
    int code = look_up(r, NULL);
    if (code == 0)
        *out = r->addrs[0];
    atl__free(r, sizeof(*r));
    return code;
}

static void answer(struct atl_post *post)
{
    struct atl_resolve *r = ATL_CONTAINER(post, struct atl_resolve, post);
    struct atl_error why;
    bool failed = look_up(r, &why) < 0;
    atl__object_close(&r->object);
    atl__object_enter(&r->object);
    r->fn(r->data, r->addrs, failed ? 0 : r->count, failed ? &why : NULL);
    atl__object_leave(&r->object);
}

static void resolve_stop(struct atl_object *o)
{
    struct atl_resolve *r = ATL_CONTAINER(o, struct atl_resolve, object);
    atl_loop_undefer(o->loop, &r->post);
    atl__object_close(o);
}

static void resolve_closed(struct atl_object *o)
{
    (void)o;
}

static void resolve_free(struct atl_object *o)
{
    atl__free(o, sizeof(struct atl_resolve));
}

static const struct atl_object_kind resolve_kind = {
    ATL_KIND_RESOLVE, resolve_stop, resolve_closed, resolve_free};

int atl_resolve_open(struct atl_resolve **out, struct atl_loop *loop,
                     const char *name, enum atl_family family,
                     atl_resolve_fn *fn, void *data)
{
    size_t length = strlen(name);
    /* A final dot marks a complete name; nothing here completes names. */
    if (length > 1 && name[length - 1] == '.')
        length--;
    if (length == 0 || length > 253)
        return -EINVAL;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] <= 0x20 || name[i] == 0x7f)
            return -EINVAL;
    struct atl_resolve *r = atl__zalloc(sizeof(*r));
    if (r == NULL)
        return -ENOMEM;
    memcpy(r->name, name, length);
    r->fn = fn;
    r->data = data;
    r->family = family;
    r->post.fn = answer;
    atl__object_init(&r->object, loop, &resolve_kind, true);
    atl_loop_defer(loop, &r->post);
    *out = r;
    return 0;
}

void atl_resolve_close(struct atl_resolve **resolve)
{
    struct atl_resolve *r = *resolve;
    *resolve = NULL;
    if (r != NULL)
        resolve_stop(&r->object);
}
