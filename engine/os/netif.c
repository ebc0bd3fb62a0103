/* SPDX-License-Identifier: MIT */
/* This machine's network interfaces: their numbers, names and addresses. */
#include "os/os.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

unsigned atl__os_interface(const char *name)
{
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (*name >= '0' && *name <= '9' && *end == '\0' && number <= UINT32_MAX)
        return (unsigned)number;
    return if_nametoindex(name);
}

const char *atl__os_interface_name(unsigned number, char *buf, size_t size)
{
    char name[IF_NAMESIZE];
    if (size == 0)
        return "";
    buf[0] = '\0';
    if (if_indextoname(number, name) != NULL && strlen(name) < size)
        memcpy(buf, name, strlen(name) + 1);
    return buf;
}

int atl_local_addresses(struct atl_addr *out, size_t size)
{
    struct ifaddrs *all;
    int count = 0;
    if (getifaddrs(&all) == -1)
        return -errno;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr == NULL || !(i->ifa_flags & IFF_UP))
            continue;
        int family = i->ifa_addr->sa_family;
        if (family != AF_INET && family != AF_INET6)
            continue;
        if ((size_t)count < size) {
            struct atl_addr *a = &out[count];
            memset(a, 0, sizeof(*a));
            a->length =
                family == AF_INET ? sizeof(a->sa.in) : sizeof(a->sa.in6);
            memcpy(&a->sa, i->ifa_addr, a->length);
        }
        count++;
    }
    freeifaddrs(all);
    return count;
}
