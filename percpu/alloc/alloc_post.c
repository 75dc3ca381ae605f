/*
 * Posted work: bits per CPU (PCPU_WORK_*). See alloc_chunks.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_chunks.h"

/* False: the CPU parked after pick_idle(), or has not balanced since it came back. */
static bool post_to(struct pcpu_allocator *a, u32 cpu, u32 bits)
{
    u32 before = atomic_fetch_or_explicit(&a->work[cpu], bits, memory_order_acq_rel);

    if (before & PCPU_WORK_PARKED)
        atomic_fetch_and_explicit(&a->work[cpu], ~bits, memory_order_relaxed);
    return !(before & PCPU_WORK_PARKED);
}

void pcpu_defer(struct pcpu_allocator *a, u32 bits)
{
    u32 self = cpu_number(), cpu = self;

    /* Posted already: no shared line is written. */
    if ((atomic_load_explicit(&a->work[self], memory_order_relaxed) & bits) == bits)
        return;
    if (atomic_load_explicit(&a->work_handed, memory_order_relaxed) & bits) {
        /* Who has it may never come to it: with an empty reserve, whoever comes first does it. */
        if (bits & PCPU_WORK_REFILL && pcpu_empty_blocks(a) <= 0)
            atomic_fetch_or_explicit(&a->work[self], bits, memory_order_relaxed);
        return;
    }
    if (a->ops->pick_idle && a->ops->pick_idle(a->ops->ctx, &cpu) && cpu != self) {
        atomic_fetch_or_explicit(&a->work_handed, bits, memory_order_relaxed);
        if (post_to(a, cpu, bits)) {
            a->ops->wake(a->ops->ctx, cpu);
            return;
        }
        atomic_fetch_and_explicit(&a->work_handed, ~bits, memory_order_relaxed);
    }
    atomic_fetch_or_explicit(&a->work[self], bits, memory_order_relaxed);
}

void pcpu_defer_elsewhere(struct pcpu_allocator *a, u32 bits)
{
    u32 cpu = 0;

    /* CPU 0 is never parked. */
    if (a->ops->pick_idle)
        a->ops->pick_idle(a->ops->ctx, &cpu);
    if (cpu == cpu_number() || !post_to(a, cpu, bits)) {
        cpu = 0;
        atomic_fetch_or_explicit(&a->work[cpu], bits, memory_order_release);
    }
    if (a->ops->wake)
        a->ops->wake(a->ops->ctx, cpu);
}

/* Takes over the bits of CPUs that found balance_mutex taken. */
static void adopt_contended(struct pcpu_allocator *a)
{
    u32 bits = atomic_exchange_explicit(&a->work_contended, 0, memory_order_acq_rel);

    if (bits)
        atomic_fetch_or_explicit(&a->work[cpu_number()], bits, memory_order_relaxed);
}

/*
 * This CPU passes its bits to the holder, so that it need not try again. Both CPUs exchange
 * work_contended: either the holder sees the bits, or this CPU sees the mutex unlocked.
 */
bool pcpu_balance_trylock(struct pcpu_allocator *a)
{
    u32 bits;

    if (spin_trylock(&a->balance_mutex))
        return true;
    bits = atomic_exchange_explicit(&a->work[cpu_number()], 0, memory_order_acquire);
    atomic_fetch_or_explicit(&a->work_contended, bits & ~PCPU_WORK_PARKED, memory_order_acq_rel);
    if (!spin_trylock(&a->balance_mutex))
        return false;
    adopt_contended(a);
    return true;
}

void pcpu_balance_unlock(struct pcpu_allocator *a)
{
    spin_unlock(&a->balance_mutex);
    adopt_contended(a);
}
