/*
 * A lock for short sections: C11 atomics, test and test-and-set, so that waiters spin on their own
 * copy of the line. Not recursive and not fair. A lock that an interrupt handler takes too is taken
 * with the irqsave forms only.
 * CPU-local; any CPU; an NMI may only use the trylock.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_SPINLOCK_H
#define PERCH_BASE_SPINLOCK_H

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"

struct spinlock {
    atomic_bool taken;
};
#define SPINLOCK_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

static inline bool spin_trylock(struct spinlock *l)
{
    return !atomic_load_explicit(&l->taken, memory_order_relaxed) &&
           !atomic_exchange_explicit(&l->taken, true, memory_order_acquire);
}

/* The panic of spin_wait(). (spinlock.c) */
void spin_never_ends(const void *what) NORETURN;

/*
 * One more look, of *looks so far (from 0), at what another CPU must change. A panic when it never
 * does: a CPU that died with a lock would make the others hang without a word. Counted, not timed,
 * so that it needs no clock: at least some ten seconds of nothing but looking.
 */
#define SPIN_LOOKS (1u << 31)
static inline void spin_wait(u32 *looks, const void *what)
{
    if (unlikely(++*looks >= SPIN_LOOKS))
        spin_never_ends(what);
    cpu_relax();
}

/* Any wait ends: see spin_wait(). */
static inline void spin_lock(struct spinlock *l)
{
    u32 looks = 0;

    while (!spin_trylock(l))
        spin_wait(&looks, l);
}

static inline void spin_unlock(struct spinlock *l)
{
    atomic_store_explicit(&l->taken, false, memory_order_release);
}

/* Interrupts off, then the lock; the result goes to spin_unlock_irqrestore(). */
static inline u64 spin_lock_irqsave(struct spinlock *l)
{
    u64 flags = local_irq_save();

    spin_lock(l);
    return flags;
}

static inline void spin_unlock_irqrestore(struct spinlock *l, u64 flags)
{
    spin_unlock(l);
    local_irq_restore(flags);
}

#endif
