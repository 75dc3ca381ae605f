/*
 * The Linux module's twin of kernel/base/spinlock.h. The irqsave forms are the same. A plain
 * spin_lock() is a mutex here: its holder may sleep in an allocation of pages and may be preempted,
 * so who waits for it lets others run, and goes on answering cross-calls.
 *
 * Context: as there. spin_lock(): a thread that may sleep.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LINUX_MODULE_SPINLOCK_H
#define PERCH_LINUX_MODULE_SPINLOCK_H

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"

/* Taken by an exchange that acquires, given back by a store that releases. */
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

static inline void spin_unlock(struct spinlock *l)
{
    atomic_store_explicit(&l->taken, false, memory_order_release);
}

/* As kernel/base/spinlock.h has them: spinlock.c has the bodies for both. */
void spin_never_ends(const void *what) NORETURN;
struct spin {
    u32 looks;
    u64 last, spent; /* cpu_ticks() */
};
#define SPIN_LOOKS 256
#define SPIN_TICKS 100000000000ULL
#define SPIN_GAPS  64
#define SPIN_GAP   (SPIN_TICKS / SPIN_GAPS)
void spin_look(struct spin *s, const void *what);
bool spin_look_until(struct spin *s, u64 ticks);

static inline void spin_wait(struct spin *s, const void *what)
{
    if (unlikely(++s->looks % SPIN_LOOKS == 0))
        spin_look(s, what);
    cpu_relax();
}

void spin_lock_taken(struct spinlock *l); /* with interrupts off */
void mutex_taken(struct spinlock *l);     /* port.c */

static inline void spin_lock(struct spinlock *l)
{
    if (unlikely(!spin_trylock(l)))
        mutex_taken(l);
}

static inline u64 spin_lock_irqsave(struct spinlock *l)
{
    u64 flags = local_irq_save();

    if (unlikely(!spin_trylock(l)))
        spin_lock_taken(l);
    return flags;
}

static inline void spin_unlock_irqrestore(struct spinlock *l, u64 flags)
{
    spin_unlock(l);
    local_irq_restore(flags);
}

#endif
