/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses: a value that holds any family the engine knows, and its
 * text forms.
 */
#ifndef ATOOLS_ADDR_H
#define ATOOLS_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct atl_addr {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } sa;
};

/* A host and port as written, before any name is looked up. host is "" for
   "all addresses" (listening) or "this machine" (connecting). */
struct atl_endpoint {
    char host[256]; /* no brackets; a zone stays: "fe80::1%eth0"; NUL ended */
    uint16_t port;
    bool is_unix; /* then host is the path; "@name" is abstract */
};

/*
 * Splits "127.0.0.1:7000", "[::1]:7000", ":7000", "*:7000", "name:7000" or
 * "unix:/path", "unix:@abstract". -EINVAL with words in *why: a missing or bad
 * port, an IPv6 address without brackets, control bytes, a name too long.
 */
ATL_API int atl_endpoint_parse(struct atl_endpoint *out, const char *text,
                               size_t length, struct atl_error *why);

/* "host:port", IPv6 in brackets; "unix:path". Returns the length without NUL;
   the text is cut when `size` is smaller. 320 bytes are always enough. */
ATL_API size_t atl_endpoint_format(const struct atl_endpoint *endpoint,
                                   char *buf, size_t size);

/* A numeric IPv4 or IPv6 address (zone allowed) and a port, without any
   look-up. -EINVAL when `host` is a name. */
ATL_API int atl_addr_numeric(struct atl_addr *out, const char *host,
                             uint16_t port);

/* The host part alone ("127.0.0.1", "::1", "fe80::1%eth0", the path of a unix
   socket, "" when unnamed). `buf` of 128 bytes is always enough. */
ATL_API const char *atl_addr_host(const struct atl_addr *addr, char *buf,
                                  size_t size);
/* 0: none. */
ATL_API int atl_addr_port(const struct atl_addr *addr);
/* "ipv4", "ipv6", "unix". */
ATL_API const char *atl_addr_family(const struct atl_addr *addr);

/* What atl_endpoint_parse reads: "127.0.0.1:7000", "[::1]:7000", ... */
ATL_API size_t atl_addr_format(const struct atl_addr *addr, char *buf,
                               size_t size);

/* Numeric addresses of this machine's interfaces that are up; at most `size`
   are filled, the number of all is returned, or negative. */
ATL_API int atl_local_addresses(struct atl_addr *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
