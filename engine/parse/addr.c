/* SPDX-License-Identifier: MIT */
/*
 * Addresses as text. Splitting host and port is done once, here; whether the
 * host is a name is found out by trying to read it as a number.
 */
#include "atools/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parse/addr.h"

static int fail_text(struct atl_error *why, const char *text, size_t n,
                     const char *what)
{
    return atl_fail(why, -EINVAL, "bad address \"%.*s\": %s",
                    n > 100 ? 100 : (int)n, text, what);
}

static int parse_unix(struct atl_endpoint *out, const char *text, size_t n,
                      struct atl_error *why)
{
    struct sockaddr_un un;
    const char *path = text + 5;
    size_t length = n - 5;
    if (length == 0 || (length == 1 && path[0] == '@'))
        return fail_text(why, text, n, "a path is missing");
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
            return fail_text(why, "unix:", 5, "control characters in the path");
    if (length > sizeof(un.sun_path) - 1)
        return atl_fail(why, -ENAMETOOLONG,
                        "unix socket path of %zu bytes is too long (at most "
                        "%zu)",
                        length, sizeof(un.sun_path) - 1);
    struct atl_endpoint e = {.is_unix = true};
    memcpy(e.host, path, length);
    *out = e;
    return 0;
}

static int parse_port(const char *p, size_t n, uint16_t *out)
{
    unsigned long port = 0;
    if (n == 0 || n > 5)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -EINVAL;
        port = port * 10 + (unsigned long)(p[i] - '0');
    }
    if (port > 65535)
        return -EINVAL;
    *out = (uint16_t)port;
    return 0;
}

static bool is_clean(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] <= 0x20 || p[i] == 0x7f)
            return false;
    return true;
}

static bool is_ipv6(const char *p, size_t n)
{
    char host[sizeof(((struct atl_endpoint *)NULL)->host)];
    struct atl_addr addr;
    const char *zone;
    if (n >= sizeof(host))
        return false;
    memcpy(host, p, n);
    host[n] = '\0';
    return atl__addr_parse(&addr, host, 0, &zone) == 0 &&
           addr.sa.any.sa_family == AF_INET6;
}

int atl_endpoint_parse(struct atl_endpoint *out, const char *text, size_t n,
                       struct atl_error *why)
{
    struct atl_endpoint e = {.port = 0};
    const char *host = text, *colon = NULL;
    size_t host_length = 0;
    if (n >= 5 && memcmp(text, "unix:", 5) == 0)
        return parse_unix(out, text, n, why);
    if (!is_clean(text, n))
        return fail_text(why, "", 0, "spaces or control characters");
    if (n > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', n);
        if (close == NULL)
            return fail_text(why, text, n, "\"]\" is missing");
        host = text + 1;
        host_length = (size_t)(close - host);
        colon = close + 1;
        if (!is_ipv6(host, host_length))
            return fail_text(why, text, n,
                             "what is in brackets is not an IPv6 address");
    } else if (n > 0) {
        colon = memchr(text, ':', n);
        host_length = colon ? (size_t)(colon - text) : n;
        if (colon != NULL &&
            memchr(colon + 1, ':', n - host_length - 1) != NULL)
            return fail_text(why, text, n,
                             "IPv6 addresses are written in brackets, as in "
                             "[::1]:7000");
    }
    if (colon == NULL || colon >= text + n || *colon != ':')
        return fail_text(why, text, n, "a port is missing");
    if (parse_port(colon + 1, (size_t)(text + n - colon) - 1, &e.port) < 0)
        return fail_text(why, text, n, "the port is not a number up to 65535");
    if (host_length >= sizeof(e.host))
        return fail_text(why, text, n, "the host name is too long");
    if (host_length == 1 && host[0] == '*')
        host_length = 0;
    memcpy(e.host, host, host_length);
    *out = e;
    return 0;
}

static size_t bounded(int written, size_t size)
{
    size_t n = written < 0 ? 0 : (size_t)written;
    return n < size ? n : size > 0 ? size - 1 : 0;
}

size_t atl_endpoint_format(const struct atl_endpoint *e, char *buf, size_t size)
{
    if (e->is_unix)
        return bounded(snprintf(buf, size, "unix:%s", e->host), size);
    if (strchr(e->host, ':') != NULL)
        return bounded(snprintf(buf, size, "[%s]:%u", e->host, e->port), size);
    return bounded(snprintf(buf, size, "%s:%u", e->host, e->port), size);
}

int atl__addr_parse(struct atl_addr *out, const char *host, uint16_t port,
                    const char **zone)
{
    struct atl_addr a;
    memset(&a, 0, sizeof(a));
    *zone = NULL;
    if (inet_pton(AF_INET, host, &a.sa.in.sin_addr) == 1) {
        a.sa.in.sin_family = AF_INET;
        a.sa.in.sin_port = htons(port);
        a.length = sizeof(a.sa.in);
        *out = a;
        return 0;
    }
    char number[INET6_ADDRSTRLEN];
    const char *percent = strchr(host, '%');
    size_t length = percent ? (size_t)(percent - host) : strlen(host);
    if (length >= sizeof(number))
        return -EINVAL;
    memcpy(number, host, length);
    number[length] = '\0';
    if (inet_pton(AF_INET6, number, &a.sa.in6.sin6_addr) != 1)
        return -EINVAL;
    if (percent != NULL && percent[1] == '\0')
        return -EINVAL;
    a.sa.in6.sin6_family = AF_INET6;
    a.sa.in6.sin6_port = htons(port);
    a.length = sizeof(a.sa.in6);
    *zone = percent ? percent + 1 : NULL;
    *out = a;
    return 0;
}

int atl_addr_port(const struct atl_addr *addr)
{
    if (addr->sa.any.sa_family == AF_INET)
        return ntohs(addr->sa.in.sin_port);
    if (addr->sa.any.sa_family == AF_INET6)
        return ntohs(addr->sa.in6.sin6_port);
    return 0;
}

const char *atl_addr_family(const struct atl_addr *addr)
{
    switch (addr->sa.any.sa_family) {
    case AF_INET:
        return "ipv4";
    case AF_INET6:
        return "ipv6";
    default:
        return "unix";
    }
}

size_t atl_addr_format(const struct atl_addr *addr, char *buf, size_t size)
{
    char host[128];
    atl_addr_host(addr, host, sizeof(host));
    if (addr->sa.any.sa_family == AF_UNIX)
        return bounded(snprintf(buf, size, "unix:%s", host), size);
    if (addr->sa.any.sa_family == AF_INET6)
        return bounded(
            snprintf(buf, size, "[%s]:%d", host, atl_addr_port(addr)), size);
    return bounded(snprintf(buf, size, "%s:%d", host, atl_addr_port(addr)),
                   size);
}
