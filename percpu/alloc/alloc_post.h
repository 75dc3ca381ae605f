/*
 * Posting deferred work: who is asked to do it, and who balances. alloc_balance.c does the work.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_POST_H
#define PERCH_PERCPU_ALLOC_ALLOC_POST_H

#include "percpu/alloc/alloc_types.h"

/* Posts PCPU_WORK_* bits to an idle CPU, or to this one for its next safe point. Any context. */
void pcpu_defer(struct pcpu_allocator *a, u32 bits);

/* The same for a CPU that is about to park: some other CPU does it. */
void pcpu_defer_elsewhere(struct pcpu_allocator *a, u32 bits);

/*
 * balance_mutex, tried. False: another CPU has it and was left this CPU's bits. Whoever unlocks
 * takes over the bits that were left meanwhile.
 */
bool pcpu_balance_trylock(struct pcpu_allocator *a);
void pcpu_balance_unlock(struct pcpu_allocator *a);

static inline bool pcpu_work_pending(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->work[cpu_number()], memory_order_acquire) != 0;
}

#endif
