/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses. Literals need no look-up; "localhost" and names below it
 * are this machine (RFC 6761, 6.3); the rest comes from the hosts file.
 */
#ifndef ATOOLS_DNS_H
#define ATOOLS_DNS_H

#include "addr.h"
#include "loop.h"

#ifdef __cplusplus
extern "C" {
#endif

enum atl_family { ATL_ANY, ATL_IPV4, ATL_IPV6 };

struct atl_resolve;
/*
 * The answer, once, never from inside atl_resolve_open: `addrs` (borrowed for
 * the call) in the order to try them, ports zero; or count 0 and why.
 */
typedef void atl_resolve_fn(void *data, const struct atl_addr *addrs,
                            size_t count, const struct atl_error *why);

/* Starts a look-up; the handle frees itself after `fn` has run. -EINVAL: not a
   possible name. ATL_ENOTFOUND and ATL_EDNS come through `fn`. */
ATL_API int atl_resolve_open(struct atl_resolve **out, struct atl_loop *loop,
                             const char *name, enum atl_family family,
                             atl_resolve_fn *fn, void *data);
/* Gives up: `fn` will not run. Only before it ran. */
ATL_API void atl_resolve_close(struct atl_resolve **resolve);

#ifdef __cplusplus
}
#endif

#endif
