/* SPDX-License-Identifier: MIT */
/* The hosts file: an address, then names, up to a "#" or the line's end. */
#include "parse/hosts.h"

#include <string.h>
#include <strings.h>

#include "parse/addr.h"

struct word {
    const char *start;
    size_t length;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool next_word(const char **p, const char *end, struct word *out)
{
    while (*p < end && is_space(**p))
        (*p)++;
    out->start = *p;
    while (*p < end && !is_space(**p) && **p != '#')
        (*p)++;
    out->length = (size_t)(*p - out->start);
    return out->length > 0;
}

static bool line_has(const char *p, const char *end, const char *name,
                     struct atl_addr *out)
{
    char host[64];
    const char *zone;
    struct word address, word;
    size_t length = strlen(name);
    if (!next_word(&p, end, &address) || address.length >= sizeof(host))
        return false;
    while (next_word(&p, end, &word)) {
        if (word.length != length || strncasecmp(word.start, name, length) != 0)
            continue;
        memcpy(host, address.start, address.length);
        host[address.length] = '\0';
        return atl__addr_parse(out, host, 0, &zone) == 0 && zone == NULL;
    }
    return false;
}

bool atl__hosts_next(const char *text, size_t length, size_t *at,
                     const char *name, struct atl_addr *out)
{
    while (*at < length) {
        const char *line = text + *at;
        const char *end = memchr(line, '\n', length - *at);
        const char *stop = end ? end : text + length;
        *at = (size_t)(stop - text) + (end != NULL);
        if (line_has(line, stop, name, out))
            return true;
    }
    return false;
}
