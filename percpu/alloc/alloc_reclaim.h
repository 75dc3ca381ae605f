/*
 * Giving back: empty blocks, empty chunks, and what can go when memory is short.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_RECLAIM_H
#define PERCH_PERCPU_ALLOC_ALLOC_RECLAIM_H

#include "percpu/alloc/alloc_types.h"

#define PCPU_RETURN_BATCH 64u /* blocks returned at a time */

/*
 * Returns empty blocks above `keep`, at most max, and chunks that are empty after it. How many
 * blocks. balance_mutex held.
 */
u64 pcpu_return_empty(struct pcpu_allocator *a, u32 keep, u32 max);

/*
 * Memory is short: gives unpopulated pages of reservations and unused metadata back. False:
 * nothing. Thread context, interrupts on.
 */
bool pcpu_reclaim(struct pcpu_allocator *a);
bool pcpu_reclaim_locked(struct pcpu_allocator *a); /* balance_mutex held */

#endif
