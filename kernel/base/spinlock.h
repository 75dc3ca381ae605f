/*
 * A lock for short sections, by C11 atomics. Waiters only read (test and test-and-set), so that
 * each spins on its own copy of the cache line. Not recursive and not fair. A lock that an
 * interrupt handler takes too must be taken by the irqsave forms everywhere. CPU-local; any CPU; an
 * NMI may only use the trylock.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_SPINLOCK_H
#define PERCH_BASE_SPINLOCK_H

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"

/*
 * Hand-over of what the lock guards:
 *  - who writes: its holder alone: `taken` false at the unlock, after all else; any CPU sets it by
 *    an exchange, and one of them gets it;
 *  - who reads: the next holder, and waiters, who look at `taken` only;
 *  - which order: the exchange acquires, the unlock releases, so a holder sees all that the holders
 *    before it did. A waiter's looks order nothing: it gets in by the exchange alone.
 */
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

/* The panic of spin_wait(). */
void spin_never_ends(const void *what) NORETURN;

/* A wait without a clock's frequency, zeroed at its begin. */
struct spin {
    u32 looks;
    u64 last, spent; /* cpu_ticks() */
};

/*
 * One turn of a loop that waits for another CPU to change *what. Panics after SPIN_TICKS, which are
 * ten seconds or more on any CPU: when a CPU dies with a lock, the others must not hang silently.
 * Time counts, not turns: a PAUSE takes 10 cycles on one CPU, 140 on the next, and an exit under a
 * hypervisor. Of a single gap, in which a host may have stopped all CPUs, only SPIN_GAP counts.
 */
#define SPIN_LOOKS 256             /* turns between two looks at the clock */
#define SPIN_TICKS 100000000000ULL /* at 10 GHz, the assumption of kernel/base/deadline.h */
#define SPIN_GAPS  64              /* so many gaps, of any length, are a whole wait */
#define SPIN_GAP   (SPIN_TICKS / SPIN_GAPS)
void spin_look(struct spin *s, const void *what);
bool spin_look_until(struct spin *s, u64 ticks);

static inline void spin_wait(struct spin *s, const void *what)
{
    if (unlikely(++s->looks % SPIN_LOOKS == 0))
        spin_look(s, what);
    cpu_relax();
}

/*
 * The same where the wait may end without success: one turn; false: it has taken `ticks`. Needs no
 * clock's frequency, so it works before the first measurement, in a panic and in an NMI.
 */
static inline bool spin_until(struct spin *s, u64 ticks)
{
    if (unlikely(++s->looks % SPIN_LOOKS == 0) && !spin_look_until(s, ticks))
        return false;
    cpu_relax();
    return true;
}

/* Not inline, so that taking a free lock is short. Panics instead of waiting for ever. */
void spin_lock_taken(struct spinlock *l);

/* Panics instead of waiting for ever, as spin_wait(). */
static inline void spin_lock(struct spinlock *l)
{
    if (unlikely(!spin_trylock(l)))
        spin_lock_taken(l);
}

static inline void spin_unlock(struct spinlock *l)
{
    atomic_store_explicit(&l->taken, false, memory_order_release);
}

/* Disables interrupts, then locks. Returns the state for spin_unlock_irqrestore(). */
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
