/* SPDX-License-Identifier: MIT */
/*
 * The timer heap. Four children a node: half the levels of a binary heap, and
 * the four keys lie next to each other, which is what a million timers cost.
 */
#include "base/heap.h"

#include <errno.h>

#include "base/mem.h"

#define ARITY 4

static int before(const struct atl_heap_entry *a,
                  const struct atl_heap_entry *b)
{
    return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

static void put(struct atl_heap *heap, size_t place, struct atl_heap_entry e)
{
    heap->entries[place] = e;
    *e.index = (uint32_t)place + 1;
}

/* Moves `e` from `place` towards the root until it fits. */
static void rise(struct atl_heap *heap, size_t place, struct atl_heap_entry e)
{
    while (place > 0) {
        size_t parent = (place - 1) / ARITY;
        if (!before(&e, &heap->entries[parent]))
            break;
        put(heap, place, heap->entries[parent]);
        place = parent;
    }
    put(heap, place, e);
}

/* In a large heap sinking waits for memory at each level. The sixteen entries
   two levels down lie side by side: asked for while the four above them are
   compared, they halve that wait. */
static void fetch_below(const struct atl_heap *heap, size_t child)
{
#if defined(__GNUC__)
    size_t i = child * ARITY + 1, end = i + ARITY * ARITY;
    if (end > heap->count)
        end = heap->count;
    for (; i < end; i += 2) /* two entries are less than a cache line */
        __builtin_prefetch(&heap->entries[i]);
#else
    (void)heap;
    (void)child;
#endif
}

/* Moves `e` from `place` towards the leaves until it fits. */
static void sink(struct atl_heap *heap, size_t place, struct atl_heap_entry e)
{
    for (;;) {
        size_t child = place * ARITY + 1, end = child + ARITY, best = child;
        if (child >= heap->count)
            break;
        fetch_below(heap, child);
        if (end > heap->count)
            end = heap->count;
        while (++child < end)
            if (before(&heap->entries[child], &heap->entries[best]))
                best = child;
        if (!before(&heap->entries[best], &e))
            break;
        put(heap, place, heap->entries[best]);
        place = best;
    }
    put(heap, place, e);
}

static void settle(struct atl_heap *heap, size_t place, struct atl_heap_entry e)
{
    if (place > 0 && before(&e, &heap->entries[(place - 1) / ARITY]))
        rise(heap, place, e);
    else
        sink(heap, place, e);
}

void atl__heap_fini(struct atl_heap *heap)
{
    atl__free(heap->entries, heap->capacity * sizeof(*heap->entries));
    heap->entries = NULL;
    heap->count = heap->capacity = 0;
}

int atl__heap_reserve(struct atl_heap *heap)
{
    if (heap->count < heap->capacity)
        return 0;
    size_t size = sizeof(*heap->entries);
    size_t wanted = heap->capacity ? heap->capacity * 2 : 64;
    if (wanted > UINT32_MAX - 1)
        return -ENOMEM;
    void *p = atl__resize(heap->entries, heap->capacity * size, wanted * size);
    if (p == NULL)
        return -ENOMEM;
    heap->entries = p;
    heap->capacity = wanted;
    return 0;
}

int atl__heap_push(struct atl_heap *heap, int64_t key, uint64_t sequence,
                   uint32_t *index)
{
    int r = atl__heap_reserve(heap);
    if (r < 0)
        return r;
    struct atl_heap_entry e = {key, sequence, index};
    rise(heap, heap->count++, e);
    return 0;
}

void atl__heap_remove(struct atl_heap *heap, uint32_t *index)
{
    size_t place = *index - 1;
    struct atl_heap_entry last = heap->entries[--heap->count];
    if (place < heap->count)
        settle(heap, place, last);
    *index = 0;
}

void atl__heap_move(struct atl_heap *heap, uint32_t *index, int64_t key,
                    uint64_t sequence)
{
    struct atl_heap_entry e = {key, sequence, index};
    settle(heap, *index - 1, e);
}
