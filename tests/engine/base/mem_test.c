/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#include "alloc.h"
#include "check.h"

TEST(memory_in_use_is_counted_in_bytes)
{
    size_t before = atl_memory_used();
    char *p = atl__alloc(1000);
    CHECK(p != NULL);
    CHECK_EQ_INT(atl_memory_used() - before, 1000);
    p = atl__resize(p, 1000, 3000);
    CHECK(p != NULL);
    CHECK_EQ_INT(atl_memory_used() - before, 3000);
    p = atl__resize(p, 3000, 10);
    CHECK_EQ_INT(atl_memory_used() - before, 10);
    atl__free(p, 10);
    CHECK_EQ_INT(atl_memory_used(), before);
}

TEST(zeroed_memory_is_zero)
{
    static const char zero[256];
    alloc_watch(); /* hands out blocks that are not */
    char *p = atl__zalloc(sizeof(zero));
    CHECK_EQ_MEM(p, zero, sizeof(zero));
    atl__free(p, sizeof(zero));
}

TEST(freeing_nothing_is_fine)
{
    alloc_watch();
    atl__free(NULL, 0);
    atl__free(NULL, 100);
    CHECK_EQ_INT(atl_memory_used(), 0);
}

TEST(a_failed_allocation_is_not_counted)
{
    alloc_watch();
    char *p = atl__alloc(8);
    p[7] = 'x';
    alloc_fail_after(0);
    CHECK_EQ_PTR(atl__alloc(8), NULL);
    CHECK_EQ_PTR(atl__zalloc(8), NULL);
    CHECK_EQ_PTR(atl__resize(p, 8, 16), NULL);
    CHECK_EQ_INT(alloc_failures(), 3);
    CHECK_EQ_INT(atl_memory_used(), 8);
    CHECK_EQ_INT(p[7], 'x');
    atl__free(p, 8);
}

struct call {
    int count;
    size_t old_size, new_size;
};

static void *noted(void *ctx, void *p, size_t old_size, size_t new_size)
{
    struct call *call = ctx;
    call->count++;
    call->old_size = old_size;
    call->new_size = new_size;
    if (new_size > 0)
        return realloc(p, new_size);
    free(p);
    return NULL;
}

TEST(another_allocator_is_told_both_sizes)
{
    struct call call = {0};
    atl_allocator_set(noted, &call);
    char *p = atl__alloc(5);
    CHECK_EQ_INT(call.old_size, 0);
    CHECK_EQ_INT(call.new_size, 5);
    p = atl__resize(p, 5, 7);
    CHECK_EQ_INT(call.old_size, 5);
    CHECK_EQ_INT(call.new_size, 7);
    atl__free(p, 7);
    CHECK_EQ_INT(call.old_size, 7);
    CHECK_EQ_INT(call.new_size, 0);
    CHECK_EQ_INT(call.count, 3);
    atl_allocator_set(NULL, NULL);
    atl__free(atl__alloc(5), 5);
    CHECK_EQ_INT(call.count, 3);
}

static void *churn(void *arg)
{
    (void)arg;
    for (int i = 1; i < 20000; i++) {
        size_t size = (size_t)i % 100 + 1;
        atl__free(atl__alloc(size), size);
    }
    return NULL;
}

TEST(counting_holds_with_several_threads)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, churn, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ_INT(atl_memory_used(), 0);
}
