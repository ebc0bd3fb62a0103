/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "alloc.h"
#include "check.h"

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Takes the first item off; tells its key. */
static int64_t pop(struct atl_heap *heap)
{
    const struct atl_heap_entry *top = atl__heap_top(heap);
    int64_t key = top->key;
    uint32_t *index = top->index;
    CHECK_EQ_INT(*index, 1);
    atl__heap_remove(heap, index);
    CHECK_EQ_INT(*index, 0);
    return key;
}

static void check_places(const struct atl_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        const struct atl_heap_entry *e = &heap->entries[i];
        const struct atl_heap_entry *parent = &heap->entries[(i - 1) / 4];
        CHECK_EQ_INT(*e->index, i + 1);
        if (i > 0)
            CHECK(parent->key < e->key ||
                  (parent->key == e->key && parent->sequence < e->sequence));
    }
}

TEST(an_empty_heap_has_no_top)
{
    struct atl_heap heap = {0};
    CHECK_EQ_PTR(atl__heap_top(&heap), NULL);
    atl__heap_fini(&heap);
}

TEST(equal_keys_come_out_in_the_order_of_their_sequence)
{
    struct atl_heap heap = {0};
    uint32_t index[100];
    for (int i = 0; i < 100; i++)
        CHECK_OK(atl__heap_push(&heap, 5, (uint64_t)(i * 37 % 100), &index[i]));
    for (uint64_t i = 0; i < 100; i++) {
        CHECK_EQ_INT(atl__heap_top(&heap)->sequence, i);
        pop(&heap);
    }
    atl__heap_fini(&heap);
}

TEST(a_million_items_come_out_in_order)
{
    enum { COUNT = 1000000 };
    struct atl_heap heap = {0};
    uint32_t *index = calloc(COUNT, sizeof(*index));
    CHECK(index != NULL);
    for (uint64_t i = 0; i < COUNT; i++)
        CHECK_OK(atl__heap_push(&heap, (int64_t)(random_next() % (COUNT / 2)),
                                i, &index[i]));
    CHECK_EQ_INT(heap.count, COUNT);
    int64_t last_key = INT64_MIN;
    uint64_t last_sequence = 0;
    for (int i = 0; i < COUNT; i++) {
        const struct atl_heap_entry e = *atl__heap_top(&heap);
        CHECK(e.key > last_key ||
              (e.key == last_key && e.sequence > last_sequence));
        last_key = e.key;
        last_sequence = e.sequence;
        pop(&heap);
    }
    CHECK_EQ_INT(heap.count, 0);
    atl__heap_fini(&heap);
    free(index);
}

TEST(items_are_removed_and_moved_wherever_they_are)
{
    enum { COUNT = 3000, ROUNDS = 60000 };
    struct atl_heap heap = {0};
    static uint32_t index[COUNT];
    static int64_t keys[COUNT];
    size_t in = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        size_t k = random_next() % COUNT;
        int64_t key = (int64_t)(random_next() % 1000) - 500;
        if (index[k] == 0) {
            CHECK_OK(atl__heap_push(&heap, key, round, &index[k]));
            in++;
        } else if (round % 3 == 0) {
            atl__heap_remove(&heap, &index[k]);
            in--;
            continue;
        } else {
            atl__heap_move(&heap, &index[k], key, round);
        }
        keys[k] = key;
        if (round % 1000 == 0)
            check_places(&heap);
    }
    CHECK_EQ_INT(heap.count, in);
    check_places(&heap);
    for (int k = 0; k < COUNT; k++)
        if (index[k] != 0)
            CHECK_EQ_INT(heap.entries[index[k] - 1].key, keys[k]);
    int64_t last = INT64_MIN;
    while (atl__heap_top(&heap) != NULL) {
        int64_t key = pop(&heap);
        CHECK(key >= last);
        last = key;
    }
    atl__heap_fini(&heap);
}

TEST(the_ends_of_time_are_keys_like_others)
{
    struct atl_heap heap = {0};
    uint32_t index[3];
    CHECK_OK(atl__heap_push(&heap, INT64_MAX, 0, &index[0]));
    CHECK_OK(atl__heap_push(&heap, INT64_MIN, 1, &index[1]));
    CHECK_OK(atl__heap_push(&heap, 0, 2, &index[2]));
    CHECK(pop(&heap) == INT64_MIN);
    CHECK(pop(&heap) == 0);
    CHECK(pop(&heap) == INT64_MAX);
    atl__heap_fini(&heap);
}

TEST(without_memory_a_heap_stays_as_it_was)
{
    struct atl_heap heap = {0};
    static uint32_t index[1000];
    uint32_t extra = 0;
    uint64_t count = 0;
    alloc_watch();
    alloc_fail_after(0);
    CHECK_CODE(atl__heap_push(&heap, 1, 0, &extra), -ENOMEM);
    CHECK_CODE(atl__heap_reserve(&heap), -ENOMEM);
    CHECK_EQ_INT(heap.count, 0);
    alloc_fail_after(1);
    while (atl__heap_push(&heap, (int64_t)(random_next() % 100), count,
                          &index[count]) == 0)
        count++;
    CHECK_EQ_INT(heap.count, count);
    check_places(&heap);
    CHECK_CODE(atl__heap_push(&heap, 1, count, &extra), -ENOMEM);
    CHECK_EQ_INT(extra, 0);
    pop(&heap);
    CHECK_OK(atl__heap_reserve(&heap));
    CHECK_OK(atl__heap_push(&heap, 1, count, &extra));
    check_places(&heap);
    atl__heap_fini(&heap);
}

TEST(after_a_reservation_a_push_does_not_fail)
{
    struct atl_heap heap = {0};
    static uint32_t index[5000];
    alloc_watch();
    for (uint64_t i = 0; i < 5000; i++) {
        alloc_fail_after(ALLOC_ALWAYS);
        CHECK_OK(atl__heap_reserve(&heap));
        alloc_fail_after(0);
        CHECK_OK(atl__heap_push(&heap, (int64_t)(5000 - i), i, &index[i]));
    }
    check_places(&heap);
    atl__heap_fini(&heap);
}
