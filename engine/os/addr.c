/* SPDX-License-Identifier: MIT */
/* The part of addresses that needs the system: zones are interface names. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"
#include "parse/addr.h"

int atl_addr_numeric(struct atl_addr *out, const char *host, uint16_t port)
{
    struct atl_addr a;
    const char *zone;
    int r = atl__addr_parse(&a, host, port, &zone);
    if (r < 0)
        return r;
    if (zone != NULL) {
        a.sa.in6.sin6_scope_id = atl__os_interface(zone);
        if (a.sa.in6.sin6_scope_id == 0)
            return -EINVAL;
    }
    *out = a;
    return 0;
}

static void format_unix(const struct atl_addr *addr, char *buf, size_t size)
{
    const struct sockaddr_un *un = &addr->sa.un;
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t length = addr->length > start ? addr->length - start : 0;
    if (length == 0) /* unnamed */
        return;
    if (un->sun_path[0] == '\0') /* abstract: the length counts */
        snprintf(buf, size, "@%.*s", (int)length - 1, un->sun_path + 1);
    else
        snprintf(buf, size, "%.*s", (int)length, un->sun_path);
}

const char *atl_addr_host(const struct atl_addr *addr, char *buf, size_t size)
{
    if (size == 0)
        return "";
    buf[0] = '\0';
    switch (addr->sa.any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &addr->sa.in.sin_addr, buf, (socklen_t)size);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &addr->sa.in6.sin6_addr, buf, (socklen_t)size);
        if (addr->sa.in6.sin6_scope_id != 0) {
            char zone[32];
            unsigned number = addr->sa.in6.sin6_scope_id;
            size_t n = strlen(buf);
            if (*atl__os_interface_name(number, zone, sizeof(zone)) == '\0')
                snprintf(zone, sizeof(zone), "%u", number);
            snprintf(buf + n, size - n, "%%%s", zone);
        }
        break;
    case AF_UNIX:
        format_unix(addr, buf, size);
        break;
    default:
        break;
    }
    return buf;
}
