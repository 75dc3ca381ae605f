/*
 * Posting deferred work: which CPU does it, and which one balances. alloc_balance.c does the work.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_POST_H
#define PERCH_PERCPU_ALLOC_ALLOC_POST_H

#include "percpu/alloc/alloc_types.h"

/* Posts PCPU_WORK_* bits to an idle CPU, or to this one for its next safe point. Any context. */
void pcpu_defer(struct pcpu_allocator *a, u32 bits);

/* The same for a CPU that parks: another CPU does it. */
void pcpu_defer_elsewhere(struct pcpu_allocator *a, u32 bits);

/*
 * Tries balance_mutex. False: another CPU has it, and this CPU's bits. The unlock adopts all bits
 * that CPUs passed to the holder.
 */
bool pcpu_balance_trylock(struct pcpu_allocator *a);
void pcpu_balance_unlock(struct pcpu_allocator *a);

static inline bool pcpu_work_pending(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->work[cpu_number()], memory_order_acquire) != 0;
}

#endif
