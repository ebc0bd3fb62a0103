/* SPDX-License-Identifier: MIT */
#include "base/slot.h"

#include <errno.h>
#include <stdlib.h>

#include "alloc.h"
#include "check.h"

TEST(a_token_finds_its_object_until_it_is_given_back)
{
    struct atl_slots *slots;
    int a, b;
    uint64_t ta, tb;
    CHECK_OK(atl__slots_new(&slots));
    CHECK_OK(atl__slots_take(slots, &a, &ta));
    CHECK_OK(atl__slots_take(slots, &b, &tb));
    CHECK(ta != 0 && tb != 0 && ta != tb);
    CHECK_EQ_PTR(atl__slots_get(slots, ta), &a);
    CHECK_EQ_PTR(atl__slots_get(slots, tb), &b);
    atl__slots_give(slots, ta);
    CHECK_EQ_PTR(atl__slots_get(slots, ta), NULL);
    CHECK_EQ_PTR(atl__slots_get(slots, tb), &b);
    atl__slots_free(&slots);
    CHECK_EQ_PTR(slots, NULL);
    atl__slots_free(&slots);
}

TEST(invented_tokens_find_nothing)
{
    struct atl_slots *slots;
    int object;
    uint64_t token;
    CHECK_OK(atl__slots_new(&slots));
    CHECK_EQ_PTR(atl__slots_get(slots, 0), NULL);
    CHECK_EQ_PTR(atl__slots_get(slots, UINT64_MAX), NULL);
    CHECK_OK(atl__slots_take(slots, &object, &token));
    CHECK_EQ_PTR(atl__slots_get(slots, 0), NULL);
    CHECK_EQ_PTR(atl__slots_get(slots, UINT64_MAX), NULL);
    CHECK_EQ_PTR(atl__slots_get(slots, token + 1), NULL);
    CHECK_EQ_PTR(atl__slots_get(slots, token + (UINT64_C(1) << 32)), NULL);
    CHECK_EQ_PTR(atl__slots_get(slots, (uint32_t)token), NULL);
    atl__slots_free(&slots);
}

TEST(a_token_given_back_twice_ends_nothing_else)
{
    struct atl_slots *slots;
    int a;
    uint64_t first, token, seen[600];
    CHECK_OK(atl__slots_new(&slots));
    CHECK_OK(atl__slots_take(slots, &a, &first));
    atl__slots_give(slots, first);
    atl__slots_give(slots, first);
    /* Were the slot on the free list twice, it would be handed out twice. */
    for (int i = 0; i < 600; i++) {
        CHECK_OK(atl__slots_take(slots, &a, &token));
        for (int j = 0; j < i; j++)
            CHECK((uint32_t)seen[j] != (uint32_t)token);
        seen[i] = token;
    }
    atl__slots_free(&slots);
}

TEST(free_slots_wait_their_turn)
{
    struct atl_slots *slots;
    int object;
    uint64_t token, next;
    CHECK_OK(atl__slots_new(&slots));
    CHECK_OK(atl__slots_take(slots, &object, &token));
    uint32_t number = (uint32_t)token;
    atl__slots_give(slots, token);
    int between = 0;
    do {
        CHECK_OK(atl__slots_take(slots, &object, &next));
        atl__slots_give(slots, next);
        between++;
    } while ((uint32_t)next != number);
    CHECK_RANGE(between, 100, 1000000);
    CHECK_EQ_PTR(atl__slots_get(slots, token), NULL);
    atl__slots_free(&slots);
}

TEST(many_objects_keep_their_tokens_while_others_come_and_go)
{
    enum { COUNT = 5000, ROUNDS = 200000 };
    struct atl_slots *slots;
    static int objects[COUNT];
    static uint64_t tokens[COUNT], stale[COUNT];
    unsigned seed = 1;
    CHECK_OK(atl__slots_new(&slots));
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1103515245u + 12345u;
        int k = (int)(seed >> 8) % COUNT;
        if (tokens[k] == 0) {
            CHECK_OK(atl__slots_take(slots, &objects[k], &tokens[k]));
            CHECK(tokens[k] != stale[k]);
        } else {
            CHECK_EQ_PTR(atl__slots_get(slots, tokens[k]), &objects[k]);
            atl__slots_give(slots, tokens[k]);
            stale[k] = tokens[k];
            tokens[k] = 0;
        }
        CHECK_EQ_PTR(atl__slots_get(slots, stale[k]), NULL);
    }
    for (int k = 0; k < COUNT; k++)
        if (tokens[k] != 0)
            CHECK_EQ_PTR(atl__slots_get(slots, tokens[k]), &objects[k]);
    atl__slots_free(&slots);
}

TEST(a_walk_meets_every_object_once)
{
    enum { COUNT = 700 };
    struct atl_slots *slots;
    static int met[COUNT];
    uint64_t tokens[COUNT];
    uint32_t cursor = 0;
    int *object;
    CHECK_OK(atl__slots_new(&slots));
    CHECK_EQ_PTR(atl__slots_next(slots, &cursor), NULL);
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(atl__slots_take(slots, &met[i], &tokens[i]));
    for (int i = 0; i < COUNT; i += 2)
        atl__slots_give(slots, tokens[i]);
    cursor = 0;
    while ((object = atl__slots_next(slots, &cursor)) != NULL)
        (*object)++;
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ_INT(met[i], i % 2);
    atl__slots_free(&slots);
}

TEST(without_memory_the_table_stays_as_it_was)
{
    struct atl_slots *slots = NULL;
    int object;
    uint64_t token = 7, first;
    alloc_watch();
    alloc_fail_after(0);
    CHECK_CODE(atl__slots_new(&slots), -ENOMEM);
    CHECK_EQ_PTR(slots, NULL);
    alloc_fail_after(ALLOC_ALWAYS);
    CHECK_OK(atl__slots_new(&slots));
    for (int works = 0; works < 2; works++) {
        alloc_fail_after(works); /* the list of pages, then a page */
        CHECK_CODE(atl__slots_take(slots, &object, &token), -ENOMEM);
        CHECK_EQ_INT(token, 7);
    }
    alloc_fail_after(ALLOC_ALWAYS);
    CHECK_OK(atl__slots_take(slots, &object, &first));
    alloc_fail_after(0);
    while (atl__slots_take(slots, &object, &token) == 0)
        CHECK_EQ_PTR(atl__slots_get(slots, token), &object);
    CHECK_EQ_INT(alloc_failures(), 1);
    CHECK_EQ_PTR(atl__slots_get(slots, first), &object);
    atl__slots_give(slots, first);
    CHECK_OK(atl__slots_take(slots, &object, &token));
    atl__slots_free(&slots);
}
