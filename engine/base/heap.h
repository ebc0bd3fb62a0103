/* SPDX-License-Identifier: MIT */
/*
 * A 4-ary min-heap of timers with the keys inline: sifting touches the array
 * only, and each moved item is told its new place. Ties go to the lower
 * sequence number.
 */
#ifndef ATL_BASE_HEAP_H
#define ATL_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct atl_heap_entry {
    int64_t key;
    uint64_t sequence;
    uint32_t *index; /* peer: the item's field that holds its place, from 1 */
};
struct atl_heap {
    struct atl_heap_entry *entries; /* owns */
    size_t count, capacity;
};

void atl__heap_fini(struct atl_heap *heap);
/* Room for one more push without failing. -ENOMEM. */
int atl__heap_reserve(struct atl_heap *heap);
int atl__heap_push(struct atl_heap *heap, int64_t key, uint64_t sequence,
                   uint32_t *index);                           /* -ENOMEM */
void atl__heap_remove(struct atl_heap *heap, uint32_t *index); /* sets it 0 */
/* Another key for an item that is in the heap. */
void atl__heap_move(struct atl_heap *heap, uint32_t *index, int64_t key,
                    uint64_t sequence);
/* NULL when empty. */
static inline const struct atl_heap_entry *
atl__heap_top(const struct atl_heap *heap)
{
    return heap->count ? &heap->entries[0] : NULL;
}

#endif
