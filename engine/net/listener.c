/* SPDX-License-Identifier: MIT */
/*
 * Listeners: binding with errors a person can act on, and accepting. What can
 * be set on the listening socket once (TCP_NODELAY, keepalive) is inherited by
 * the accepted ones, and accept tells the peer's address: a new connection
 * costs one system call.
 */
#include "net/listener.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "dns/local.h"

#define ACCEPTS_PER_EVENT 64

static struct atl_listener *listener_of(struct atl_object *o)
{
    return ATL_CONTAINER(o, struct atl_listener, object);
}

/* --- accepting ----------------------------------------------------------- */

static bool welcome(struct atl_listener *l, int fd, const struct atl_addr *peer)
{
    struct atl_loop *loop = l->object.loop;
    struct atl_stream *s;
    int r = atl__stream_new(&s, loop, l->config, l->family);
    if (r == 0 && (r = atl__stream_attach(s, fd, true, NULL)) < 0)
        atl__stream_discard(s);
    if (r < 0) {
        atl__os_close(listener_os(l), fd);
        return atl__admit_failed(l, r);
    }
    atl__stream_set_peer(s, peer);
    if (l->stream_handlers != NULL)
        s->handlers = l->stream_handlers;
    l->accepted++;
    atl__loop_counters(loop)->accepted++;
    if (l->wanted != SIZE_MAX)
        l->wanted--;
    atl__governor_accepted(loop, fd);
    if (l->handlers->on_accept != NULL) {
        atl__object_enter(&l->object);
        l->handlers->on_accept(l, s);
        atl__object_leave(&l->object);
    }
    atl__stream_opened(s);
    /* Each new stream is a unit of work of its own. */
    struct atl_gather *g = atl__loop_gather(loop);
    if (g->owner != NULL)
        g->flush(g->owner);
    return true;
}

static bool accept_one(struct atl_listener *l)
{
    const struct atl_os *os = listener_os(l);
    struct atl_addr peer = {.length = sizeof(peer.sa)};
    int fd = atl__os_accept(os, l->io.fd, &peer.sa.any, &peer.length);
    if (fd < 0)
        return atl__admit_failed(l, fd);
    if (!atl__admit_full(l))
        return welcome(l, fd, &peer);
    atl__os_close(os, fd);
    l->refused++;
    atl__loop_counters(l->object.loop)->accept_refused++;
    return true;
}

static void on_io(struct atl_io *io, unsigned ready)
{
    struct atl_listener *l = ATL_CONTAINER(io, struct atl_listener, io);
    /* The backend has no memory to watch it: the governor tries again. */
    if (ready == ATL_IO_DEAD && io->told != io->want)
        atl__governor_failed(l->object.loop, -ENOMEM);
    for (int i = 0; i < ACCEPTS_PER_EVENT && atl__admit_open(l); i++)
        if (!accept_one(l))
            break;
    atl__admit_interest(l);
}

/* --- binding ------------------------------------------------------------- */

/* Where to listen; `family` decides for "all addresses". */
static int place(struct atl_addr *out, struct atl_loop *loop,
                 const struct atl_endpoint *at, int family)
{
    if (at->host[0] == '\0')
        return atl_addr_numeric(out, family == AF_INET6 ? "::" : "0.0.0.0",
                                at->port);
    int r = atl__resolve_local(out, loop, at->host);
    if (r < 0)
        return r;
    if (out->sa.any.sa_family == AF_INET6)
        out->sa.in6.sin6_port = htons(at->port);
    else
        out->sa.in.sin_port = htons(at->port);
    return 0;
}

static int set_flag(const struct atl_os *os, int fd, int level, int name,
                    int value)
{
    return os->calls->setsockopt(os->self, fd, level, name, &value,
                                 sizeof(value));
}

static int bind_and_listen(const struct atl_os *os, int fd,
                           const struct atl_addr *a,
                           const struct atl_listener_options *o)
{
    int r = set_flag(os, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && a->sa.any.sa_family == AF_INET6)
        r = set_flag(os, fd, IPPROTO_IPV6, IPV6_V6ONLY, o->v6only == ATL_ON);
    if (r == 0 && o->reuse_port == ATL_ON)
        r = set_flag(os, fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0)
        r = os->calls->bind(os->self, fd, &a->sa.any, a->length);
    if (r == 0)
        r = os->calls->listen(os->self, fd, o->backlog > 0 ? o->backlog : 4096);
    return r;
}

/* A listening socket for one address, or a negative code. */
static int listen_at(const struct atl_os *os, const struct atl_addr *a,
                     const struct atl_listener_options *o)
{
    int fd = os->calls->socket(os->self, a->sa.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int r = bind_and_listen(os, fd, a, o);
    if (r == 0)
        return fd;
    atl__os_close(os, fd);
    return r;
}

static const char *remedy(int code, uint16_t port)
{
    if (code == -EADDRINUSE)
        return " (something listens there already: stop it or take another "
               "port)";
    if (code == -EACCES && port < 1024)
        return " (ports below 1024 need the capability CAP_NET_BIND_SERVICE)";
    if (code == -EADDRNOTAVAIL)
        return " (no interface of this machine has this address)";
    if (code == ATL_ENOTFOUND)
        return " (neither an address nor a name of the hosts file)";
    return "";
}

static int open_socket(struct atl_loop *loop, const struct atl_endpoint *at,
                       const struct atl_listener_options *o,
                       struct atl_error *why)
{
    const struct atl_os *os = atl__loop_os(loop);
    struct atl_addr a;
    char text[320];
    atl_endpoint_format(at, text, sizeof(text));
    if (at->is_unix)
        return atl_fail(why, -EAFNOSUPPORT,
                        "listen on %.120s: unix sockets are not supported",
                        text);
    int r = place(&a, loop, at, AF_INET6);
    if (r == 0)
        r = listen_at(os, &a, o);
    /* A machine without IPv6 still has all its IPv4 addresses. */
    if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && at->host[0] == '\0' &&
        o->v6only != ATL_ON && (r = place(&a, loop, at, AF_INET)) == 0)
        r = listen_at(os, &a, o);
    if (r < 0)
        return atl_fail(why, r, "listen on %.100s: %s%s", text,
                        atl_error_text(r), remedy(r, at->port));
    return r;
}

/* --- life ---------------------------------------------------------------- */

static void listener_free(struct atl_listener *l)
{
    if (l->config != NULL)
        atl__config_unref(l->config);
    l->family->listener = NULL;
    atl__family_unref(l->family);
    atl__free(l, sizeof(*l));
}

static void kind_close(struct atl_object *o)
{
    atl_listener_close(listener_of(o));
}

static void kind_closed(struct atl_object *o)
{
    struct atl_listener *l = listener_of(o);
    if (l->handlers->on_close == NULL)
        return;
    atl__object_enter(o);
    l->handlers->on_close(l);
    atl__object_leave(o);
}

static void kind_free(struct atl_object *o)
{
    listener_free(listener_of(o));
}

static const struct atl_object_kind listener_kind = {
    .kind = ATL_KIND_LISTENER,
    .close = kind_close,
    .closed = kind_closed,
    .free = kind_free,
};

static int options_check(const struct atl_listener_options *o,
                         struct atl_error *why)
{
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i] != 0)
            return atl_fail(why, -EINVAL, "reserved listener options are set");
    return 0;
}

static int listener_new(struct atl_listener **out,
                        const struct atl_listener_options *o,
                        struct atl_error *why)
{
    static const struct atl_listener_handlers none;
    int r = options_check(o, why);
    if (r < 0)
        return r;
    struct atl_listener *l = atl__zalloc(sizeof(*l));
    if (l == NULL)
        return atl_fail(why, -ENOMEM, NULL);
    l->family = atl__zalloc(sizeof(*l->family));
    if (l->family == NULL) {
        atl__free(l, sizeof(*l));
        return atl_fail(why, -ENOMEM, NULL);
    }
    l->family->refs = 1;
    l->handlers = &none;
    l->stream_handlers = o->stream_handlers;
    l->max_connections =
        o->max_connections != 0 ? o->max_connections : SIZE_MAX;
    l->wanted = o->on_demand == ATL_ON ? 0 : SIZE_MAX;
    l->refuse = o->refuse == ATL_ON;
    r = atl__config_new(&l->config, &o->stream, why);
    if (r < 0) {
        listener_free(l);
        return r;
    }
    *out = l;
    return 0;
}

int atl_listener_open(struct atl_listener **out, struct atl_loop *loop,
                      const struct atl_endpoint *at,
                      const struct atl_listener_options *options,
                      const struct atl_listener_handlers *handlers, void *data,
                      struct atl_error *why)
{
    static const struct atl_listener_options presets;
    const struct atl_listener_options *o = options ? options : &presets;
    const struct atl_os *os = atl__loop_os(loop);
    struct atl_listener *l = NULL;
    int r = listener_new(&l, o, why);
    if (r < 0)
        return r;
    int fd = r = open_socket(loop, at, o, why);
    if (r < 0)
        goto fail_socket;
    atl__sockopt_presets(os, fd, l->config);
    r = atl__io_open(&l->io, loop, fd, on_io, why);
    if (r < 0)
        goto fail_io;
    atl__object_init(&l->object, loop, &listener_kind, true);
    if (handlers != NULL)
        l->handlers = handlers;
    l->data = data;
    l->family->listener = l;
    if (l->refuse)
        atl__governor_restore_spare(loop);
    atl__admit_join(l);
    atl__admit_interest(l);
    *out = l;
    return 0;
fail_io:
    atl__os_close(os, fd);
fail_socket:
    listener_free(l);
    return r;
}

void atl_listener_close(struct atl_listener *l)
{
    if (l->closed)
        return;
    l->closed = true;
    atl__admit_leave(l);
    atl__io_close(&l->io, l->object.loop);
    l->io.fd = -1;
    atl__object_close(&l->object);
}

/* --- asking and setting -------------------------------------------------- */

void *atl_listener_data(const struct atl_listener *l)
{
    return l->data;
}

void atl_listener_set_data(struct atl_listener *l, void *data)
{
    l->data = data;
}

struct atl_loop *atl_listener_loop(const struct atl_listener *l)
{
    return l->object.loop;
}

int atl_listener_configure(struct atl_listener *l,
                           const struct atl_stream_options *options,
                           const struct atl_stream_handlers *handlers,
                           struct atl_error *why)
{
    struct stream_config *config;
    int r = atl__config_new(&config, options, why);
    if (r < 0)
        return r;
    atl__config_unref(l->config);
    l->config = config;
    l->stream_handlers = handlers;
    if (!l->closed)
        atl__sockopt_presets(listener_os(l), l->io.fd, config);
    return 0;
}

int atl_listener_local(const struct atl_listener *l, struct atl_addr *out)
{
    const struct atl_os *os = listener_os(l);
    struct atl_addr a = {.length = sizeof(a.sa)};
    if (l->closed)
        return ATL_ECLOSED;
    int r = os->calls->getsockname(os->self, l->io.fd, &a.sa.any, &a.length);
    if (r == 0)
        *out = a;
    return r;
}

int atl_listener_fd(const struct atl_listener *l)
{
    return l->closed ? -1 : l->io.fd;
}

void atl_listener_stats(const struct atl_listener *l,
                        struct atl_listener_stats *out)
{
    *out = (struct atl_listener_stats){
        .accepted = l->accepted,
        .refused = l->refused,
        .errors = l->errors,
        .pauses = l->pauses,
        .connections = l->family->connections,
        .paused = l->paused,
        .starved = !l->closed && atl__governor_paused(l->object.loop),
    };
}

struct atl_listener *atl_stream_listener(const struct atl_stream *s)
{
    return s->family != NULL ? s->family->listener : NULL;
}
