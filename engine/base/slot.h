/* SPDX-License-Identifier: MIT */
/*
 * Slots: small numbers for objects, each with a generation, so that a token
 * handed to the kernel can outlive the object it named and be recognised as
 * stale. The table grows by pages that never move.
 */
#ifndef ATL_BASE_SLOT_H
#define ATL_BASE_SLOT_H

#include <stdint.h>

struct atl_slots; /* the table */

int atl__slots_new(struct atl_slots **out);
void atl__slots_free(struct atl_slots **slots);
/* A token (generation << 32 | slot) for `object` (not NULL), never 0.
   -ENOMEM. */
int atl__slots_take(struct atl_slots *slots, void *object, uint64_t *token);
/* Ends the token; its slot gets a new generation. A stale one is passed over.
 */
void atl__slots_give(struct atl_slots *slots, uint64_t token);
/* NULL for a stale or invented token. */
void *atl__slots_get(const struct atl_slots *slots, uint64_t token);
/* Walks the objects: start with *cursor 0; NULL at the end. */
void *atl__slots_next(const struct atl_slots *slots, uint32_t *cursor);

#endif
