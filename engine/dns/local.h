/* SPDX-License-Identifier: MIT */
/* Names that need no network. */
#ifndef ATL_DNS_LOCAL_H
#define ATL_DNS_LOCAL_H

#include "atools/dns.h"
#include "loop/loop.h"

/* The first address, port zero, of a literal, "localhost" or a name of the
   hosts file; at once. ATL_ENOTFOUND. */
int atl__resolve_local(struct atl_addr *out, struct atl_loop *loop,
                       const char *name);

#endif
