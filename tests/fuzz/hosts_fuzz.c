/* SPDX-License-Identifier: MIT */
/* The hosts file: the input is a name, a NUL and the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parse/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
        if (addr.sa.any.sa_family != AF_INET &&
            addr.sa.any.sa_family != AF_INET6)
            abort();
        before = at;
    }
    return 0;
}
