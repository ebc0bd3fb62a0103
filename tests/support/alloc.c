/* SPDX-License-Identifier: MIT */
/* Each block carries its size before itself, hidden from the engine. */
#include "alloc.h"

#include <stdlib.h>
#include <string.h>

#include "atools/base.h"
#include "check.h"

#define HEAD _Alignof(max_align_t)

static long left = ALLOC_ALWAYS, failures;

static size_t size_of(const void *p)
{
    size_t size;
    memcpy(&size, (const char *)p - HEAD, sizeof(size));
    return size;
}

static void *checked(void *ctx, void *p, size_t old_size, size_t new_size)
{
    char *q = NULL;
    (void)ctx;
    CHECK_EQ_INT(p != NULL ? size_of(p) : 0, old_size);
    if (new_size > 0) {
        if (left == 0) {
            failures++;
            return NULL;
        }
        if (left != ALLOC_ALWAYS)
            left--;
        q = malloc(HEAD + new_size);
        if (q == NULL)
            return NULL;
        memcpy(q, &new_size, sizeof(new_size));
        q += HEAD;
        memset(q, 0xa5, new_size);
        if (p != NULL)
            memcpy(q, p, old_size < new_size ? old_size : new_size);
    }
    if (p != NULL)
        free((char *)p - HEAD);
    return q;
}

void alloc_watch(void)
{
    alloc_fail_after(ALLOC_ALWAYS);
    atl_allocator_set(checked, NULL);
}

void alloc_fail_after(long n)
{
    left = n;
    failures = 0;
}

long alloc_failures(void)
{
    return failures;
}
