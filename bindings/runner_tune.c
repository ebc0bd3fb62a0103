/* SPDX-License-Identifier: MIT */
/*
 * What a program that owns its process may set, and a library may not. A
 * server that makes and drops strings of some KiB per message has glibc give
 * the top of the heap back and fault it in again, message by message: measured
 * at more than twice the time for 16 KiB messages.
 */
#include "runner.h"

#if defined(__GLIBC__)
#include <malloc.h>

void runner_tune(void)
{
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
    /* setting the others ends glibc's own adjusting of this one */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
}
#else
void runner_tune(void)
{
}
#endif
