/*
 * A reader-writer lock for data that is read on every CPU all the time and changed hardly ever. A
 * reader counts itself in its own CPU's word, without LOCK and without a cache line that others
 * write. A writer pays: it closes the lock, waits for a grace period by cross-call (after which
 * nobody is between the look at the gate and the word), then until the words sum to 0.
 *
 * Fair: writers, and readers that found the gate closed, queue by tickets, first come, first
 * served; a reader at the head counts itself and lets the next one on, so readers in a row run
 * together. A reader that finds the gate open does not queue.
 *
 * Readers do not nest: a second down_read could wait for a writer that waits for the first.
 * Interrupt handlers use down_read_trylock, which never waits and so may come at any time, above a
 * reader too. up_read may run on another CPU than down_read, and in an interrupt.
 *
 * Every wait ends: a lock that is held, or waited for, until spin_wait() gives up is a panic.
 *
 * Context: down_read and down_write: thread context, interrupts on (who waits serves cross-calls),
 * outside of the CPU guard. down_read_trylock, up_read: any context. up_write: the thread that has
 * the lock.
 * CPU-local.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_RWLOCK_H
#define PERCH_PERCPU_RWLOCK_H

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"
#include "kernel/base/errno.h"
#include "percpu/percpu_lib.h"

enum percpu_rwlock_gate { RWLOCK_OPEN, RWLOCK_CLOSED, RWLOCK_HELD };

struct percpu_rwlock {
    u64 *readers;     /* per-CPU; their sum modulo 2^64 is the number of readers */
    _Atomic u32 gate; /* changed by the writer at the head of the queue only */
    const struct percpu_lib *lib;
    _Atomic u32 next ALIGNED(64); /* ticket for who comes now */
    _Atomic u32 head;             /* ticket whose turn it is */
};

/* -ENOMEM. destroy: nobody holds it, nobody waits. */
int percpu_rwlock_init(const struct percpu_lib *lib, struct percpu_rwlock *l) MUST_CHECK;
void percpu_rwlock_destroy(struct percpu_rwlock *l);

/* Waits its turn behind the writers that came before. */
void percpu_down_read_slow(struct percpu_rwlock *l);

/* True: this is a reader now. False: a writer has the lock or is about to. */
static ALWAYS_INLINE bool MUST_CHECK percpu_down_read_trylock(struct percpu_rwlock *l)
{
    bool open;

    cpu_guard_enter();
    open = likely(atomic_load_explicit(&l->gate, memory_order_acquire) == RWLOCK_OPEN);
    if (open)
        this_cpu_inc(*l->readers);
    cpu_guard_exit();
    return open;
}

static ALWAYS_INLINE void percpu_down_read(struct percpu_rwlock *l)
{
    if (!percpu_down_read_trylock(l))
        percpu_down_read_slow(l);
}

static ALWAYS_INLINE void percpu_up_read(struct percpu_rwlock *l)
{
    this_cpu_dec_release(*l->readers);
}

/* 0: no reader and no other writer until up_write. An error of the grace period: not locked. */
int percpu_down_write(struct percpu_rwlock *l) MUST_CHECK;
void percpu_up_write(struct percpu_rwlock *l);

/* Is there a reader, a writer? A moment's truth, unless the caller is the one. Any context. */
bool percpu_rwlock_is_read_locked(const struct percpu_rwlock *l);
bool percpu_rwlock_is_write_locked(const struct percpu_rwlock *l);

/* NULL, or what is wrong with a lock that nobody has and nobody waits for. */
const char *percpu_rwlock_verify(const struct percpu_rwlock *l);

#endif
