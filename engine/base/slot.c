/* SPDX-License-Identifier: MIT */
/*
 * Slots in pages of 256 that never move. Free slots are reused in the order
 * they were given back, so that one slot's generation turns over as slowly as
 * it can.
 */
#include "base/slot.h"

#include <errno.h>
#include <stddef.h>

#include "base/mem.h"

#define PAGE 256u
#define NONE UINT32_MAX

struct slot {
    void *object;        /* peer; NULL: free */
    uint32_t generation; /* never 0 */
    uint32_t next_free;
};

struct atl_slots {
    struct slot **pages; /* owns each */
    uint32_t page_count, page_capacity;
    uint32_t first_free, last_free;
};

static struct slot *slot_at(const struct atl_slots *slots, uint32_t number)
{
    return &slots->pages[number / PAGE][number % PAGE];
}

static void free_append(struct atl_slots *slots, uint32_t number)
{
    slot_at(slots, number)->next_free = NONE;
    if (slots->first_free == NONE)
        slots->first_free = number;
    else
        slot_at(slots, slots->last_free)->next_free = number;
    slots->last_free = number;
}

static int page_add(struct atl_slots *slots)
{
    if (slots->page_count == UINT32_MAX / PAGE)
        return -ENOMEM;
    if (slots->page_count == slots->page_capacity) {
        uint32_t wanted = slots->page_capacity ? slots->page_capacity * 2 : 4;
        void *p = atl__resize(slots->pages,
                              slots->page_capacity * sizeof(*slots->pages),
                              wanted * sizeof(*slots->pages));
        if (p == NULL)
            return -ENOMEM;
        slots->pages = p;
        slots->page_capacity = wanted;
    }
    struct slot *page = atl__zalloc(PAGE * sizeof(*page));
    if (page == NULL)
        return -ENOMEM;
    uint32_t first = slots->page_count * PAGE;
    slots->pages[slots->page_count++] = page;
    for (uint32_t i = 0; i < PAGE; i++) {
        page[i].generation = 1;
        free_append(slots, first + i);
    }
    return 0;
}

int atl__slots_new(struct atl_slots **out)
{
    struct atl_slots *slots = atl__zalloc(sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    slots->first_free = slots->last_free = NONE;
    *out = slots;
    return 0;
}

void atl__slots_free(struct atl_slots **slots)
{
    struct atl_slots *s = *slots;
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->page_count; i++)
        atl__free(s->pages[i], PAGE * sizeof(**s->pages));
    atl__free(s->pages, s->page_capacity * sizeof(*s->pages));
    atl__free(s, sizeof(*s));
    *slots = NULL;
}

int atl__slots_take(struct atl_slots *slots, void *object, uint64_t *token)
{
    if (slots->first_free == NONE) {
        int r = page_add(slots);
        if (r < 0)
            return r;
    }
    uint32_t number = slots->first_free;
    struct slot *slot = slot_at(slots, number);
    slots->first_free = slot->next_free;
    slot->object = object;
    *token = (uint64_t)slot->generation << 32 | number;
    return 0;
}

void atl__slots_give(struct atl_slots *slots, uint64_t token)
{
    if (atl__slots_get(slots, token) == NULL)
        return;
    uint32_t number = (uint32_t)token;
    struct slot *slot = slot_at(slots, number);
    slot->object = NULL;
    if (++slot->generation == 0)
        slot->generation = 1;
    free_append(slots, number);
}

void *atl__slots_get(const struct atl_slots *slots, uint64_t token)
{
    uint32_t number = (uint32_t)token;
    if (number / PAGE >= slots->page_count)
        return NULL;
    const struct slot *slot = slot_at(slots, number);
    return slot->generation == token >> 32 ? slot->object : NULL;
}

void *atl__slots_next(const struct atl_slots *slots, uint32_t *cursor)
{
    while (*cursor / PAGE < slots->page_count) {
        struct slot *slot = slot_at(slots, (*cursor)++);
        if (slot->object != NULL)
            return slot->object;
    }
    return NULL;
}
