/* SPDX-License-Identifier: MIT */
/* The hosts file, line by line (hosts(5)). */
#ifndef ATL_PARSE_HOSTS_H
#define ATL_PARSE_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "atools/addr.h"

/*
 * Walks the lines that name `name` (case does not count): each call fills
 * *out with the next such line's address and moves *at behind it. false at the
 * end. Lines that make no sense are passed over. Start with *at 0.
 */
bool atl__hosts_next(const char *text, size_t length, size_t *at,
                     const char *name, struct atl_addr *out);

#endif
