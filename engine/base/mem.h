/* SPDX-License-Identifier: MIT */
/*
 * The allocator choke point: every block of the engine comes from here, with
 * its size told back when it is freed, so that no header is spent on counting
 * and a test can make any allocation fail.
 */
#ifndef ATL_BASE_MEM_H
#define ATL_BASE_MEM_H

#include "atools/base.h"

/* NULL when there is no memory. The size must not be 0. */
void *atl__alloc(size_t size);
void *atl__zalloc(size_t size); /* zeroed */
/* NULL leaves `p` as it was. */
void *atl__resize(void *p, size_t old_size, size_t new_size);
void atl__free(void *p, size_t size); /* NULL is fine */

#endif
