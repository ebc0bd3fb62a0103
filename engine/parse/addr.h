/* SPDX-License-Identifier: MIT */
/* Reading numeric addresses, without asking the system about zones. */
#ifndef ATL_PARSE_ADDR_H
#define ATL_PARSE_ADDR_H

#include "atools/addr.h"

/* -EINVAL: not a numeric address. *zone points at what follows "%" in `host`,
   or is NULL; its number is still to be filled in. */
int atl__addr_parse(struct atl_addr *out, const char *host, uint16_t port,
                    const char **zone);

#endif
