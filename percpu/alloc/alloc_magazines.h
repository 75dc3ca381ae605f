/*
 * Sets of magazines: made, entered by the CPU that uses one, and everything past the fast path:
 * misses, full magazines, eviction, drains, bump regions.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_MAGAZINES_H
#define PERCH_PERCPU_ALLOC_ALLOC_MAGAZINES_H

#include "percpu/alloc/alloc_types.h"

/* ---- sets (alloc_set.c) ---------------------------------------------------------------------- */

#define PCPU_HOT_MISSES 4u /* two misses of a class this close together mean demand */

int pcpu_init_sets(struct pcpu_allocator *a) MUST_CHECK;
void pcpu_free_sets(struct pcpu_allocator *a);

/* Not inline, so that the paths of unshared sets stay short. */
void pcpu_set_lock(struct pcpu_mags *m);

static inline u32 pcpu_mag_size(const struct pcpu_mag *mag)
{
    return (u32)-mag->neg_size;
}

/* Bytes of a unit that the set holds. */
static inline u32 pcpu_set_bytes(const struct pcpu_mags *m)
{
    return (u32)(m->quota - m->headroom);
}

/* This CPU's set, with interrupts off and a shared one locked. */
static inline struct pcpu_mags *pcpu_set_enter(struct pcpu_allocator *a, u64 *flags)
{
    struct pcpu_mags *m;

    *flags = local_irq_save();
    m = a->own_mags[cpu_number()];
    if (unlikely(m->shared))
        pcpu_set_lock(m);
    return m;
}

static inline void pcpu_set_exit(struct pcpu_mags *m, u64 flags)
{
    if (unlikely(m->shared))
        spin_unlock(&m->lock);
    local_irq_restore(flags);
}

/*
 * Counts what PCPU_ATOMIC calls took past the magazines: the reserve follows it. Each set has its
 * own counter, which never decreases: a reader that resets it would need a locked instruction.
 */
static inline void pcpu_count_demand(struct pcpu_allocator *a, u64 bytes)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);

    cpu_local_add(m->atomic_bytes, bytes);
    pcpu_set_exit(m, irq);
}

/* ---- magazines (alloc_magazines.c); the set is not entered ----------------------------------- */

/* A miss: clears, refills, populates. NULL: no memory. */
void *pcpu_mag_alloc_slow(struct pcpu_allocator *a, u32 class, u32 flags);
/* Puts a freed object into its magazine; a full one first gives some of it to the chunks. */
void pcpu_mag_put(struct pcpu_allocator *a, uintptr_t ptr);

/* The set is over its quota: gives objects back to the chunks until an eighth is free. */
void pcpu_mag_evict(struct pcpu_allocator *a);
/* Gives everything that this CPU's set holds back, a shared one's too. */
void pcpu_mag_drain_all(struct pcpu_allocator *a);
/*
 * Idle time and pcpu_balance(): drains the set if a magazine was full since the last refill, since
 * more is freed than allocated then. Clears the dirty entries of classes without clean ones, in
 * place. True: something was done.
 */
bool pcpu_mag_tidy(struct pcpu_allocator *a);
/* Waits until all drains of pcpu_mag_tidy() are done. Thread context, no lock held. */
void pcpu_mag_wait_drained(struct pcpu_allocator *a);

/* ---- bump regions (alloc_bump.c), one per set, for classes of 8-byte steps ------------------- */

/* The next object of the set's region, owned and counted; NULL: too little room. Set entered. */
void *pcpu_bump_alloc(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class);
/* Up to n objects without an owner; how many. Set entered. */
u32 pcpu_bump_alloc_many(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class, u32 n,
                         struct pcpu_entry *out);
/* Takes the region out of the set; the caller gives its rest back. Set entered. */
void pcpu_bump_detach(struct pcpu_mags *m, struct pcpu_bump *out);

/* A new region of up to max bytes, in the place of one that has too little room. */
struct pcpu_bump_request {
    u32 max;
    struct pcpu_bump ended;
    bool over_quota; /* out: the set is, evict */
};
void pcpu_bump_plan(struct pcpu_mags *m, struct pcpu_bump_request *new); /* set entered */
/* Takes it from the chunks. Its first object, owned; NULL: no memory. The set is not entered. */
void *pcpu_bump_renew(struct pcpu_allocator *a, u32 class, u32 flags,
                      struct pcpu_bump_request *new);

#endif
