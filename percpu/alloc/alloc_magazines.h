/*
 * Magazines past the fast path: misses, full ones, eviction, drains. A set is not entered here.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_MAGAZINES_H
#define PERCH_PERCPU_ALLOC_ALLOC_MAGAZINES_H

#include "percpu/alloc/alloc_types.h"

/* A miss: clears, refills, populates. NULL: no memory. */
void *pcpu_mag_alloc_slow(struct pcpu_allocator *a, u32 class, u32 flags);
/* Puts a freed object into its magazine; a full one first gives some of it to the chunks. */
void pcpu_mag_put(struct pcpu_allocator *a, uintptr_t ptr);

/* The set is over its quota: gives objects back to the chunks until an eighth is free. */
void pcpu_mag_evict(struct pcpu_allocator *a);
/* Gives everything that this CPU's set holds back, a shared one's too. */
void pcpu_mag_drain_all(struct pcpu_allocator *a);
/*
 * The same, if a magazine was full since the last refill; true: it was done. More is freed than is
 * allocated then, so what the set holds serves nobody. For idle time and pcpu_balance().
 */
bool pcpu_mag_drain_overflowed(struct pcpu_allocator *a);
/* Waits until all such drains are done. Thread context, no lock held. */
void pcpu_mag_wait_drained(struct pcpu_allocator *a);
/* Clears dirty entries of classes without clean ones, in place. True: some. */
bool pcpu_mag_clear_some(struct pcpu_allocator *a);

#endif
