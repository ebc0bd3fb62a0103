/* SPDX-License-Identifier: MIT */
/*
 * An allocator for tests: it fails when told to, and checks that every block
 * comes back with the size it was made with. Resizing always moves, so that a
 * pointer kept too long is found by the sanitizers.
 */
#ifndef ALLOC_H
#define ALLOC_H

#include <limits.h>

/* Takes the engine's allocator over; call first in a case. */
void alloc_watch(void);

/* The next `n` allocations work, all later ones fail. Counts from now. */
void alloc_fail_after(long n);
#define ALLOC_ALWAYS LONG_MAX

/* How many failed since the last alloc_fail_after. */
long alloc_failures(void);

#endif
