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

static bool has_all(const _Atomic u32 *work, u32 bits)
{
    return (atomic_load_explicit(work, memory_order_relaxed) & bits) == bits;
}

/*
 * The work is posted, and by now so much is left to do that who has it may never come to it. Where
 * this CPU has it too, only some failing calls ask for an idle CPU, so that the others stay short.
 */
static bool is_late(struct pcpu_allocator *a, u32 bits, bool own)
{
    if (bits & PCPU_WORK_REFILL && pcpu_empty_blocks(a) <= 0)
        return !own || atomic_load_explicit(&a->nr_failed_atomic, memory_order_relaxed) %
                               PCPU_REFILL_ASKS ==
                           0;
    if (bits & PCPU_WORK_RETURN && pcpu_empty_blocks(a) > pcpu_enough_blocks(a) + PCPU_RETURN_LATE)
        return true;
    return bits & PCPU_WORK_PROMOTE &&
           atomic_fetch_add_explicit(&a->promote_asked, 1, memory_order_relaxed) >=
               PCPU_PROMOTE_LATE;
}

/* True: an idle CPU was woken for it. One that has the bits was woken before. */
static bool hand_to_idle(struct pcpu_allocator *a, u32 self, u32 bits)
{
    u32 cpu = self;

    if (!a->ops->pick_idle || !a->ops->pick_idle(a->ops->ctx, &cpu) || cpu == self ||
        has_all(&a->work[cpu], bits))
        return false;
    atomic_fetch_or_explicit(&a->work_handed, bits, memory_order_relaxed);
    if (post_to(a, cpu, bits)) {
        a->ops->wake(a->ops->ctx, cpu);
        return true;
    }
    atomic_fetch_and_explicit(&a->work_handed, ~bits, memory_order_relaxed);
    return false;
}

void pcpu_defer(struct pcpu_allocator *a, u32 bits)
{
    u32 self = cpu_number();
    bool own = has_all(&a->work[self], bits);

    /* Posted already: no shared line is written. */
    if (own || (atomic_load_explicit(&a->work_handed, memory_order_relaxed) & bits)) {
        if (likely(!is_late(a, bits, own)))
            return;
        /* Then whoever comes first does it: an idle CPU that was not asked, or this one. */
        if (!own)
            atomic_fetch_or_explicit(&a->work[self], bits, memory_order_relaxed);
        hand_to_idle(a, self, bits);
    } else if (!hand_to_idle(a, self, bits)) {
        atomic_fetch_or_explicit(&a->work[self], bits, memory_order_relaxed);
    }
}

void pcpu_defer_elsewhere(struct pcpu_allocator *a, u32 bits)
{
    u32 cpu;

    /* CPU 0 is never parked. */
    if (!a->ops->pick_idle || !a->ops->pick_idle(a->ops->ctx, &cpu) || cpu == cpu_number() ||
        !post_to(a, cpu, bits)) {
        cpu = 0;
        atomic_fetch_or_explicit(&a->work[cpu], bits, memory_order_release);
    }
    if (a->ops->wake)
        a->ops->wake(a->ops->ctx, cpu);
}

/*
 * Where no CPU is idle, one that becomes idle looks for itself. A CPU that parks sets its bit and
 * then looks at the mark: it asks another CPU, or this one sees the bit, and the next free asks.
 */
void pcpu_decay_ask(struct pcpu_allocator *a)
{
    u32 cpu = cpu_number();

    if (atomic_exchange_explicit(&a->decay_asked, true, memory_order_acq_rel) ||
        !a->ops->pick_idle || !a->ops->pick_idle(a->ops->ctx, &cpu) || cpu == cpu_number())
        return;
    if (has_all(&a->work[cpu], PCPU_WORK_PARKED))
        atomic_store_explicit(&a->decay_asked, false, memory_order_relaxed);
    else
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
