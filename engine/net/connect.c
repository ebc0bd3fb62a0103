/* SPDX-License-Identifier: MIT */
/*
 * Connecting: a look-up, then a race. Attempts start 250 ms apart, in the
 * order the addresses came in, and the next one at once when one fails; none
 * is given up for being slow (RFC 8305), the first to be established wins.
 * Each attempt has a descriptor of its own; the winner's becomes the stream's.
 */
#include "net/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define RACE_NS (250 * ATL_MILLISECOND)

struct attempt {
    struct atl_io io;
    struct stream_connect *connect; /* peer */
    const struct atl_addr *to;      /* borrows from connect->addrs */
    struct attempt *next;           /* owns */
};

struct stream_connect {
    struct atl_stream *s; /* peer */
    struct atl_endpoint to;
    struct atl_addr bind;        /* length 0: none */
    struct atl_resolve *resolve; /* owns; while looking up */
    struct atl_addr *addrs;      /* owns */
    size_t count, tried;
    struct attempt *attempts; /* owns; those under way */
    struct atl_timer race;
    int first_code; /* of the first address that failed */
    size_t first;   /* which it was */
};

static void try_next(struct stream_connect *c);

/* --- failing ------------------------------------------------------------- */

void atl__connect_failed(struct atl_stream *s, int code, const char *text)
{
    char line[sizeof(((struct atl_error *)NULL)->text)], to[320];
    const struct stream_connect *c = s->rare->connect;
    atl_endpoint_format(&c->to, to, sizeof(to));
    snprintf(line, sizeof(line), "connect to %.120s: %s", to,
             text != NULL ? text : atl_error_text(code));
    atl__stream_end(s, END_HARD, code, line);
}

/* All addresses failed: the first one's reason is told, since that is the
   address the caller or the resolver preferred. */
static void all_failed(struct stream_connect *c)
{
    char text[200], at[128];
    if (c->count == 1) {
        atl__connect_failed(c->s, c->first_code, NULL);
        return;
    }
    atl_addr_host(&c->addrs[c->first], at, sizeof(at));
    snprintf(text, sizeof(text), "%s (%s; %zu addresses tried)",
             atl_error_text(c->first_code), at, c->count);
    atl__connect_failed(c->s, c->first_code, text);
}

static void attempt_drop(struct attempt *a)
{
    struct stream_connect *c = a->connect;
    struct attempt **link = &c->attempts;
    while (*link != a)
        link = &(*link)->next;
    *link = a->next;
    atl__io_close(&a->io, c->s->object.loop);
    atl__free(a, sizeof(*a));
}

static void note_failure(struct stream_connect *c, const struct atl_addr *to,
                         int code)
{
    if (c->first_code != 0 && c->first < (size_t)(to - c->addrs))
        return;
    c->first_code = code;
    c->first = (size_t)(to - c->addrs);
}

void atl__connect_cancel(struct atl_stream *s)
{
    struct stream_connect *c = s->rare != NULL ? s->rare->connect : NULL;
    if (c == NULL)
        return;
    s->rare->connect = NULL;
    if (c->resolve != NULL)
        atl_resolve_close(&c->resolve);
    atl_timer_stop(&c->race);
    while (c->attempts != NULL)
        attempt_drop(c->attempts);
    if (c->addrs != NULL)
        atl__free(c->addrs, c->count * sizeof(*c->addrs));
    atl__free(c, sizeof(*c));
}

/* --- the race ------------------------------------------------------------ */

static void won(struct attempt *a)
{
    struct stream_connect *c = a->connect;
    struct atl_stream *s = c->s;
    struct atl_loop *loop = s->object.loop;
    struct atl_addr peer = *a->to;
    struct atl_error why;
    int fd = atl__io_release(&a->io, loop);
    a->io.fd = -1;
    s->state = ATL_STREAM_OPEN;
    atl__connect_cancel(s);
    int r = atl__stream_attach(s, fd, true, &why);
    if (r < 0) {
        atl__os_close(stream_os(s), fd);
        atl__stream_end(s, END_HARD, r, why.text);
        return;
    }
    atl__loop_counters(loop)->connected++;
    atl__stream_set_peer(s, &peer);
    atl__sockopt_presets(stream_os(s), fd, s->config);
    if (s->output.length > 0 || s->shut)
        atl__stream_work(s, WORK_FLUSH);
    /* Not at once: it may be atl_connect that we are in. */
    atl__stream_work(s, WORK_OPEN);
    atl__stream_interest(s);
}

/* With nobody listening, a port the kernel chose for us may be the very one
   we connect to: a socket talking to itself. */
static bool is_self(const struct atl_os *os, int fd, const struct atl_addr *to)
{
    struct atl_addr here = {.length = sizeof(here.sa)};
    char a[128], b[128];
    if (os->calls->getsockname(os->self, fd, &here.sa.any, &here.length) < 0)
        return false;
    return atl_addr_port(&here) == atl_addr_port(to) &&
           strcmp(atl_addr_host(&here, a, sizeof(a)),
                  atl_addr_host(to, b, sizeof(b))) == 0;
}

static void lost(struct attempt *a, int code)
{
    struct stream_connect *c = a->connect;
    note_failure(c, a->to, code);
    attempt_drop(a);
    try_next(c);
}

static void on_attempt(struct atl_io *io, unsigned ready)
{
    struct attempt *a = ATL_CONTAINER(io, struct attempt, io);
    const struct atl_os *os = stream_os(a->connect->s);
    int code = 0;
    socklen_t n = sizeof(code);
    int r = os->calls->getsockopt(os->self, io->fd, SOL_SOCKET, SO_ERROR, &code,
                                  &n);
    if (r == 0)
        r = -code;
    if (r == 0 && !(ready & ATL_IO_WRITE))
        r = -EIO; /* reported dead without a reason: it cannot be watched */
    if (r == 0 && is_self(os, io->fd, a->to))
        r = -ECONNREFUSED;
    if (r < 0)
        lost(a, r);
    else
        won(a);
}

/* A socket on its way: 1 connected, 0 in progress, or a negative code. */
static int start(const struct stream_connect *c, const struct atl_addr *to,
                 int *fd)
{
    const struct atl_os *os = stream_os(c->s);
    int r = os->calls->socket(os->self, to->sa.any.sa_family, SOCK_STREAM, 0);
    if (r < 0)
        return r;
    *fd = r;
    r = 0;
    if (c->bind.length > 0)
        r = os->calls->bind(os->self, *fd, &c->bind.sa.any, c->bind.length);
    if (r == 0)
        r = atl__os_connect(os, *fd, &to->sa.any, to->length);
    if (r == 0)
        return 1;
    if (r == -EINPROGRESS)
        return 0;
    atl__os_close(os, *fd);
    return r;
}

/* 0 when under way or done, else why it is not. */
static int attempt(struct stream_connect *c, const struct atl_addr *to)
{
    struct atl_loop *loop = c->s->object.loop;
    struct attempt *a = atl__zalloc(sizeof(*a));
    int fd;
    if (a == NULL)
        return -ENOMEM;
    int r = start(c, to, &fd);
    if (r < 0)
        goto fail_start;
    bool connected = r == 1;
    r = atl__io_open(&a->io, loop, fd, on_attempt, NULL);
    if (r < 0)
        goto fail_io;
    a->connect = c;
    a->to = to;
    a->next = c->attempts;
    c->attempts = a;
    if (connected)
        won(a);
    else
        atl__io_want(&a->io, loop, ATL_IO_WRITE);
    return 0;
fail_io:
    atl__os_close(stream_os(c->s), fd);
fail_start:
    atl__free(a, sizeof(*a));
    return r;
}

/* Starts the next attempt that does not fail on the spot. */
static void try_next(struct stream_connect *c)
{
    struct atl_stream *s = c->s;
    while (c->tried < c->count) {
        const struct atl_addr *to = &c->addrs[c->tried++];
        bool last = c->tried == c->count;
        int r = attempt(c, to);
        if (r < 0) {
            note_failure(c, to, r);
            continue;
        }
        /* The attempt may have won, and `c` be gone. */
        if (!last && s->rare->connect == c)
            (void)atl_timer_start(&c->race, RACE_NS, 0);
        return;
    }
    if (c->attempts == NULL)
        all_failed(c);
}

static void on_race(struct atl_timer *timer)
{
    try_next(timer->data);
}

static void race(struct stream_connect *c, const struct atl_addr *addrs,
                 size_t count)
{
    c->addrs = atl__alloc(count * sizeof(*addrs));
    if (c->addrs == NULL) {
        atl__connect_failed(c->s, -ENOMEM, NULL);
        return;
    }
    memcpy(c->addrs, addrs, count * sizeof(*addrs));
    c->count = count;
    for (size_t i = 0; i < count; i++) {
        struct atl_addr *a = &c->addrs[i];
        if (a->sa.any.sa_family == AF_INET6)
            a->sa.in6.sin6_port = htons(c->to.port);
        else
            a->sa.in.sin_port = htons(c->to.port);
    }
    try_next(c);
}

static void on_resolved(void *data, const struct atl_addr *addrs, size_t count,
                        const struct atl_error *why)
{
    struct stream_connect *c = data;
    c->resolve = NULL;
    if (count == 0)
        atl__connect_failed(c->s, why->code, why->text);
    else
        race(c, addrs, count);
}

/* --- starting ------------------------------------------------------------ */

static int connect_new(struct atl_stream *s, const struct atl_endpoint *to,
                       const struct atl_addr *bind)
{
    struct stream_rare *rare = atl__stream_rare(s);
    if (rare == NULL)
        return -ENOMEM;
    struct stream_connect *c = atl__zalloc(sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    c->s = s;
    c->to = *to;
    if (bind != NULL)
        c->bind = *bind;
    atl_timer_init(&c->race, s->object.loop, on_race, c);
    atl_timer_keep_alive(&c->race, false);
    rare->connect = c;
    return 0;
}

static int begin(struct atl_stream *s, const struct atl_endpoint *to)
{
    struct stream_connect *c = s->rare->connect;
    struct atl_addr addr;
    int r = atl__clock_due(s, s->config->connect_ns);
    if (r < 0)
        return r;
    if (to->host[0] != '\0' &&
        atl_addr_numeric(&addr, to->host, to->port) == 0) {
        race(c, &addr, 1);
        return 0;
    }
    enum atl_family family = ATL_ANY;
    if (c->bind.length > 0)
        family = c->bind.sa.any.sa_family == AF_INET6 ? ATL_IPV6 : ATL_IPV4;
    return atl_resolve_open(&c->resolve, s->object.loop,
                            to->host[0] != '\0' ? to->host : "localhost",
                            family, on_resolved, c);
}

int atl_connect(struct atl_stream **out, struct atl_loop *loop,
                const struct atl_endpoint *to,
                const struct atl_stream_setup *setup, struct atl_error *why)
{
    static const struct atl_stream_setup none;
    struct stream_config *config;
    struct atl_stream *s;
    char text[320];
    atl_endpoint_format(to, text, sizeof(text));
    if (setup == NULL)
        setup = &none;
    if (to->is_unix)
        return atl_fail(why, -EAFNOSUPPORT,
                        "connect to %.120s: unix sockets are not supported",
                        text);
    int r = atl__config_new(&config, setup->options, why);
    if (r < 0)
        return r;
    r = atl__stream_new(&s, loop, config, NULL);
    atl__config_unref(config);
    if (r < 0)
        return atl_fail(why, r, NULL);
    if (setup->handlers != NULL)
        s->handlers = setup->handlers;
    s->data = setup->data;
    r = connect_new(s, to, setup->bind);
    if (r == 0)
        r = begin(s, to);
    if (r < 0) {
        atl__connect_cancel(s);
        atl__stream_discard(s);
        return atl_fail(why, r, "connect to %.120s: %s", text,
                        atl_error_text(r));
    }
    *out = s;
    return 0;
}
