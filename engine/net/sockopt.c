/* SPDX-License-Identifier: MIT */
/*
 * Socket options by name, from one table.
 */
#include "net/stream.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>

struct option {
    const char *name;
    char type[2]; /* as atl_option_type says it */
    int level, number;
    double scale; /* the kernel's units per ours */
};

#define LINGER (-1) /* has a struct of its own */

static const struct option options[] = {
    {"nodelay", "b", IPPROTO_TCP, TCP_NODELAY, 1},
    {"keepalive", "b", SOL_SOCKET, SO_KEEPALIVE, 1},
#ifdef TCP_KEEPIDLE
    {"keepalive_idle", "s", IPPROTO_TCP, TCP_KEEPIDLE, 1},
#endif
#ifdef TCP_KEEPINTVL
    {"keepalive_interval", "s", IPPROTO_TCP, TCP_KEEPINTVL, 1},
#endif
#ifdef TCP_KEEPCNT
    {"keepalive_count", "n", IPPROTO_TCP, TCP_KEEPCNT, 1},
#endif
#ifdef TCP_USER_TIMEOUT
    {"user_timeout", "s", IPPROTO_TCP, TCP_USER_TIMEOUT, 1000},
#endif
#ifdef TCP_QUICKACK
    {"quick_ack", "b", IPPROTO_TCP, TCP_QUICKACK, 1},
#endif
#ifdef TCP_NOTSENT_LOWAT
    {"unsent_low", "n", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1},
#endif
    {"max_segment", "n", IPPROTO_TCP, TCP_MAXSEG, 1},
    {"receive_buffer", "n", SOL_SOCKET, SO_RCVBUF, 1},
    {"send_buffer", "n", SOL_SOCKET, SO_SNDBUF, 1},
    {"tos", "n", IPPROTO_IP, IP_TOS, 1},
    {"ttl", "n", IPPROTO_IP, IP_TTL, 1},
#ifdef SO_PRIORITY
    {"priority", "n", SOL_SOCKET, SO_PRIORITY, 1},
#endif
    {"reuse_address", "b", SOL_SOCKET, SO_REUSEADDR, 1},
    {"linger", "s", SOL_SOCKET, LINGER, 1},
};
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

const char *atl_option_type(const char *name)
{
    const struct option *o = find(name);
    return o != NULL ? o->type : NULL;
}

static int unknown(const char *name, struct atl_error *why)
{
    char list[sizeof(why->text)] = "";
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (i > 0)
            strncat(list, " ", sizeof(list) - strlen(list) - 1);
        strncat(list, options[i].name, sizeof(list) - strlen(list) - 1);
    }
    return atl_fail(why, -EINVAL, "no option \"%.20s\"; known: %s", name, list);
}

/* IPv6 sockets keep the same under other names. */
static void by_family(const struct atl_stream *s, int *level, int *number)
{
    struct atl_addr a;
    if (*level == IPPROTO_IP && atl_stream_local(s, &a) == 0 &&
        a.sa.any.sa_family == AF_INET6) {
        *level = IPPROTO_IPV6;
        *number = *number == IP_TTL ? IPV6_UNICAST_HOPS : IPV6_TCLASS;
    }
}

static int failed(struct atl_error *why, int code, const char *name)
{
    return atl_fail(why, code, "option \"%s\": %s", name, atl_error_text(code));
}

int atl_stream_set_option(struct atl_stream *s, const char *name, double value,
                          struct atl_error *why)
{
    const struct atl_os *os = stream_os(s);
    const struct option *o = find(name);
    if (o == NULL)
        return unknown(name, why);
    if (s->io.token == 0 || s->state == ATL_STREAM_CLOSED)
        return atl_fail(why, ATL_ECLOSED, NULL);
    double least = o->number == LINGER ? -1 : 0;
    if (!(value >= least && value * o->scale <= INT_MAX))
        return atl_fail(why, -EINVAL, "option \"%s\": value out of range",
                        name);
    int number = (int)(value * o->scale), level = o->level, which = o->number;
    struct linger linger = {.l_onoff = number >= 0,
                            .l_linger = number >= 0 ? number : 0};
    int r;
    if (which == LINGER) {
        r = os->calls->setsockopt(os->self, s->io.fd, level, SO_LINGER, &linger,
                                  sizeof(linger));
    } else {
        by_family(s, &level, &which);
        r = os->calls->setsockopt(os->self, s->io.fd, level, which, &number,
                                  sizeof(number));
    }
    return r < 0 ? failed(why, r, name) : 0;
}

int atl_stream_get_option(struct atl_stream *s, const char *name, double *value,
                          struct atl_error *why)
{
    const struct atl_os *os = stream_os(s);
    const struct option *o = find(name);
    if (o == NULL)
        return unknown(name, why);
    if (s->io.token == 0 || s->state == ATL_STREAM_CLOSED)
        return atl_fail(why, ATL_ECLOSED, NULL);
    struct linger linger = {0, 0};
    int number = 0, level = o->level, which = o->number;
    socklen_t n = sizeof(number);
    int r;
    if (which == LINGER) {
        n = sizeof(linger);
        r = os->calls->getsockopt(os->self, s->io.fd, level, SO_LINGER, &linger,
                                  &n);
        number = linger.l_onoff ? linger.l_linger : -1;
    } else {
        by_family(s, &level, &which);
        r = os->calls->getsockopt(os->self, s->io.fd, level, which, &number,
                                  &n);
    }
    if (r < 0)
        return failed(why, r, name);
    if (o->type[0] == 'b')
        number = number != 0;
    *value = number / o->scale;
    return 0;
}

void atl__sockopt_presets(const struct atl_os *os, int fd,
                          const struct stream_config *config)
{
    int nodelay = config->nodelay, keepalive = config->keepalive;
    os->calls->setsockopt(os->self, fd, IPPROTO_TCP, TCP_NODELAY, &nodelay,
                          sizeof(nodelay));
    os->calls->setsockopt(os->self, fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive,
                          sizeof(keepalive));
}
