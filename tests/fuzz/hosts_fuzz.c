/* SPDX-License-Identifier: MIT */
/* The hosts file: the input is a name, a NUL and the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "parse/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(const char *text, size_t length, const char *name)
{
    size_t n = strlen(name);
    for (; length >= n; text++, length--)
        if (strncasecmp(text, name, n) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
    if (end == NULL)
        return 0;
    const char *name = (const char *)data, *text = (const char *)end + 1;
    size_t length = size - (size_t)(end + 1 - data), at = 0, before = 0;
    struct atl_addr addr;

    while (atl__hosts_next(text, length, &at, name, &addr)) {
        if (at <= before || at > length)
            abort(); /* no progress, or out of the file */
        if (!holds(text + before, at - before, name))
            abort(); /* another name's address */
        if (addr.sa.any.sa_family != AF_INET &&
            addr.sa.any.sa_family != AF_INET6)
            abort();
        before = at;
    }
    return 0;
}
