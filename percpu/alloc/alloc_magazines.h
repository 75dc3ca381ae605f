/*
 * Magazines past the fast path: misses, full magazines, eviction, drains, bump regions.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_MAGAZINES_H
#define PERCH_PERCPU_ALLOC_ALLOC_MAGAZINES_H

#include "percpu/alloc/alloc_types.h"

/* ---- magazines (alloc_magazines.c); the set is not entered ----------------------------------- */

/* Serves a miss: clears, refills, populates. NULL: no memory. */
void *pcpu_mag_alloc_slow(struct pcpu_allocator *a, u32 class, u32 flags);
/* Puts a freed object into its magazine; a full one first gives some objects to the chunks. */
void pcpu_mag_put(struct pcpu_allocator *a, uintptr_t ptr);

/* The set is over its quota: gives objects back to the chunks until an eighth is free. */
void pcpu_mag_evict(struct pcpu_allocator *a);
/* Gives back everything that this CPU's set holds. */
void pcpu_mag_drain_all(struct pcpu_allocator *a);
/*
 * For idle time and pcpu_balance(): drains the set if a magazine was full since the last refill,
 * because then more is freed than allocated. Clears the dirty entries of classes without clean
 * ones, in place. True: something was done.
 */
bool pcpu_mag_tidy(struct pcpu_allocator *a);
/* Waits until all drains of pcpu_mag_tidy() are done. Thread context, no lock held. */
void pcpu_mag_wait_drained(struct pcpu_allocator *a);

/* ---- bump regions (alloc_bump.c), one per set, for classes of 8-byte steps ------------------- */

/* The next object of the set's region, owned and counted; NULL: too little room. Set entered. */
void *pcpu_bump_alloc(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class);
/* Takes up to n objects without an owner; returns how many. Set entered. */
u32 pcpu_bump_alloc_many(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class, u32 n,
                         struct pcpu_entry *out);
/* Takes the region out of the set; the caller gives its rest back. Set entered. */
void pcpu_bump_detach(struct pcpu_mags *m, struct pcpu_bump *out);

/* A new region of up to max bytes, which replaces one with too little room. */
struct pcpu_bump_request {
    u32 max;
    struct pcpu_bump ended;
    bool over_quota; /* out: evict */
};
void pcpu_bump_plan(struct pcpu_mags *m, struct pcpu_bump_request *new); /* set entered */
/* Takes it from the chunks; returns its first object, owned. NULL: no memory. Set not entered. */
void *pcpu_bump_renew(struct pcpu_allocator *a, u32 class, u32 flags,
                      struct pcpu_bump_request *new);

#endif
