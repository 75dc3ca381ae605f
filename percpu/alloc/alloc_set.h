/*
 * Sets of magazines: making them, and entering the set of this CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_SET_H
#define PERCH_PERCPU_ALLOC_ALLOC_SET_H

#include "percpu/alloc/alloc_types.h"

#define PCPU_HOT_MISSES 4u /* two misses of a class this close together mean demand */

int pcpu_init_sets(struct pcpu_allocator *a) MUST_CHECK;
void pcpu_free_sets(struct pcpu_allocator *a);

static inline u32 pcpu_mag_size(const struct pcpu_mag *mag)
{
    return (u32)-mag->neg_size;
}

/* Bytes of a unit that the set holds. */
static inline u32 pcpu_set_bytes(const struct pcpu_mags *m)
{
    return (u32)(m->quota - m->headroom);
}

/* This CPU's set, with interrupts off. */
static inline struct pcpu_mags *pcpu_set_enter(struct pcpu_allocator *a, u64 *flags)
{
    *flags = local_irq_save();
    return a->mags[cpu_number()];
}

static inline void pcpu_set_exit(u64 flags)
{
    local_irq_restore(flags);
}

/*
 * Counts bytes that PCPU_ATOMIC calls took past the magazines; the reserve follows this demand.
 * Each set has its own counter, which is never reset: that would need a locked instruction.
 */
static inline void pcpu_count_demand(struct pcpu_allocator *a, u64 bytes)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);

    cpu_local_add(m->atomic_bytes, bytes);
    pcpu_set_exit(irq);
}

#endif
