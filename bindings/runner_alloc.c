/* SPDX-License-Identifier: MIT */
/*
 * Lua's allocator in the runner. A server makes and drops a large string for
 * each large message; handing these blocks back and forth to malloc touches
 * memory that has left the cache. Blocks of 8 to 128 KiB are kept in lists by
 * size, last in first out, up to a bound; all others are malloc's.
 */
#include "runner.h"

#include <stdlib.h>
#include <string.h>

#define STEP 4096u             /* sizes are rounded up to these */
#define SMALLEST (2 * STEP)    /* smaller ones are malloc's */
#define CLASSES 33u            /* up to 132 KiB */
#define KEPT ((size_t)4 << 20) /* bytes in all lists together */

struct block {
    struct block *next;
};

static struct block *lists[CLASSES + 1];
static size_t kept;

/* 0: malloc's. */
static size_t class_of(size_t size)
{
    size_t class = (size + STEP - 1) / STEP;
    return size > SMALLEST && class <= CLASSES ? class : 0;
}

static void *take(size_t class)
{
    struct block *b = lists[class];
    if (b == NULL)
        return malloc(class * STEP);
    lists[class] = b->next;
    kept -= class * STEP;
    return b;
}

static void give(void *p, size_t class)
{
    struct block *b = p;
    if (kept + class * STEP > KEPT) {
        free(p);
        return;
    }
    b->next = lists[class];
    lists[class] = b;
    kept += class * STEP;
}

void *runner_alloc(void *ctx, void *p, size_t osize, size_t nsize)
{
    size_t from = p != NULL ? class_of(osize) : 0, to = class_of(nsize);
    (void)ctx;
    if (nsize == 0) {
        if (from != 0)
            give(p, from);
        else
            free(p);
        return NULL;
    }
    if (p == NULL)
        return to != 0 ? take(to) : malloc(nsize);
    if (from == to)
        return from != 0 ? p : realloc(p, nsize);
    void *q = to != 0 ? take(to) : malloc(nsize);
    if (q == NULL)
        return NULL; /* Lua copes, also where it shrinks (since 5.4) */
    memcpy(q, p, osize < nsize ? osize : nsize);
    if (from != 0)
        give(p, from);
    else
        free(p);
    return q;
}
