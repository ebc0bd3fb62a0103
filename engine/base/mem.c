/* SPDX-License-Identifier: MIT */
/*
 * The allocator: one replaceable function and one counter. The counter is
 * atomic because several loops may run in several threads; everything else
 * belongs to whoever called.
 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static void *alloc_libc(void *ctx, void *p, size_t osize, size_t nsize)
{
    (void)ctx;
    (void)osize;
    if (nsize == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, nsize);
}

static atl_alloc_fn *alloc_fn = alloc_libc;
static void *alloc_ctx;
static atomic_size_t used;

void *atl__resize(void *p, size_t old_size, size_t new_size)
{
    void *q = alloc_fn(alloc_ctx, p, old_size, new_size);
    if (q == NULL && new_size > 0)
        return NULL;
    atomic_fetch_add_explicit(&used, new_size - old_size, memory_order_relaxed);
    return q;
}

void *atl__alloc(size_t size)
{
    return atl__resize(NULL, 0, size);
}

void *atl__zalloc(size_t size)
{
    void *p = atl__resize(NULL, 0, size);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void atl__free(void *p, size_t size)
{
    if (p != NULL)
        atl__resize(p, size, 0);
}

void atl_allocator_set(atl_alloc_fn *fn, void *ctx)
{
    alloc_fn = fn ? fn : alloc_libc;
    alloc_ctx = fn ? ctx : NULL;
}

size_t atl_memory_used(void)
{
    return atomic_load_explicit(&used, memory_order_relaxed);
}
