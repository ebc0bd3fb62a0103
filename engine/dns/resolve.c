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
#define NAME_MAX_BYTES 253 /* of a name in the DNS, without the final dot */

struct atl_resolve {
    struct atl_object object;
    struct atl_post post;
    atl_resolve_fn *fn;
    void *data; /* borrows */
    enum atl_family family;
    char name[NAME_MAX_BYTES + 1];
    struct atl_addr addrs[ADDRS_MAX];
    size_t count;
    bool passed_over; /* there were addresses of the other family */
};

static void add(struct atl_resolve *r, const struct atl_addr *a)
{
    int family = a->sa.any.sa_family;
    if ((r->family == ATL_IPV4 && family != AF_INET) ||
        (r->family == ATL_IPV6 && family != AF_INET6)) {
        r->passed_over = true;
        return;
    }
    for (size_t i = 0; i < r->count; i++)
        if (r->addrs[i].length == a->length &&
            memcmp(&r->addrs[i].sa, &a->sa, a->length) == 0)
            return;
    if (r->count < ADDRS_MAX)
        r->addrs[r->count++] = *a;
}

static int add_text(struct atl_resolve *r, const char *host)
{
    struct atl_addr a;
    int code = atl_addr_numeric(&a, host, 0);
    if (code == 0)
        add(r, &a);
    return code;
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

struct hosts {
    char *text; /* owns */
    size_t length, room;
};

static int hosts_grow(struct hosts *h)
{
    size_t wanted = h->room ? h->room * 2 : 4096;
    char *grown = atl__resize(h->text, h->room, wanted);
    if (grown == NULL)
        return -ENOMEM;
    h->text = grown;
    h->room = wanted;
    return 0;
}

static int hosts_fill(struct hosts *h, const struct atl_os *os, int fd)
{
    while (h->length < HOSTS_MAX) {
        if (h->length == h->room && hosts_grow(h) < 0)
            return -ENOMEM;
        ssize_t n =
            atl__os_read(os, fd, h->text + h->length, h->room - h->length);
        if (n <= 0)
            return (int)n;
        h->length += (size_t)n;
    }
    /* Half a name would be another name: what is cut ends with a line. */
    while (h->length > 0 && h->text[h->length - 1] != '\n')
        h->length--;
    return 0;
}

/* Read anew each time: it is short, and people edit it. */
static int hosts_read(struct hosts *h, const struct atl_os *os)
{
    int fd = atl__os_open_read(os, HOSTS_PATH);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int r = hosts_fill(h, os, fd);
    atl__os_close(os, fd);
    return r;
}

static int search_hosts(struct atl_resolve *r)
{
    struct hosts h = {NULL, 0, 0};
    struct atl_addr a;
    size_t at = 0;
    int code = hosts_read(&h, atl__loop_os(r->object.loop));
    while (code == 0 && atl__hosts_next(h.text, h.length, &at, r->name, &a))
        add(r, &a);
    atl__free(h.text, h.room);
    return code;
}

static int look_up(struct atl_resolve *r, struct atl_error *why)
{
    static const char *const wanted[] = {"", "IPv4 ", "IPv6 "};
    int code = 0;
    if (add_text(r, r->name) < 0) {
        if (is_localhost(r->name)) {
            /* Most servers on this machine listen on IPv4 alone. */
            add_text(r, "127.0.0.1");
            add_text(r, "::1");
        } else {
            code = search_hosts(r);
        }
    }
    if (code < 0)
        return atl_fail(why, ATL_EDNS, "looking up %s: reading %s: %s", r->name,
                        HOSTS_PATH, atl_error_text(code));
    if (r->count > 0)
        return 0;
    if (r->passed_over)
        return atl_fail(why, ATL_ENOTFOUND, "%s has no %saddress", r->name,
                        wanted[r->family]);
    return atl_fail(why, ATL_ENOTFOUND, "no such name: %s", r->name);
}

static int take_name(struct atl_resolve *r, const char *name)
{
    size_t length = strnlen(name, NAME_MAX_BYTES + 2);
    /* A final dot marks a complete name; nothing here completes names. */
    if (length > 1 && name[length - 1] == '.')
        length--;
    if (length == 0 || length > NAME_MAX_BYTES)
        return -EINVAL;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] <= 0x20 || name[i] == 0x7f)
            return -EINVAL;
    memcpy(r->name, name, length);
    return 0;
}

int atl__resolve_local(struct atl_addr *out, struct atl_loop *loop,
                       const char *name)
{
    struct atl_resolve *r = atl__zalloc(sizeof(*r));
    if (r == NULL)
        return -ENOMEM;
    r->object.loop = loop;
    int code = take_name(r, name);
    if (code == 0)
        code = look_up(r, NULL);
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
    struct atl_resolve *r = atl__zalloc(sizeof(*r));
    if (r == NULL)
        return -ENOMEM;
    int code = take_name(r, name);
    if (code < 0) {
        atl__free(r, sizeof(*r));
        return code;
    }
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
