/*
 * A reader-writer lock for data that every CPU reads often and that changes rarely. A reader counts
 * itself in its own CPU's word, without LOCK and without a cache line that others write. A writer
 * pays: it closes the gate, waits for a grace period (then no reader is between its check of the
 * gate and its word), and waits until the words sum to 0. The kernel itself does not use it; it is
 * there for users of the allocator as a library.
 *
 * Fair: writers, and readers that find the gate closed, queue by tickets in order of arrival. A
 * reader at the head counts itself and lets the next one on, so readers in a row run together. A
 * reader that finds the gate open does not queue.
 *
 * Readers do not nest: a second down_read could wait for a writer that waits for the first.
 * Interrupt handlers use down_read_trylock, which never waits and may interrupt a reader. up_read
 * may run on another CPU than down_read, and in an interrupt.
 *
 * Every wait ends: if spin_wait() gives up, the kernel panics.
 *
 * Context: down_read and down_write: thread context, interrupts on (a waiter serves cross-calls),
 * outside of the CPU guard. down_read_trylock, up_read: any context. up_write: the thread that has
 * the lock.
 * CPU-local.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_SYNC_RWLOCK_H
#define PERCH_PERCPU_SYNC_RWLOCK_H

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"
#include "kernel/base/errno.h"
#include "percpu/sync/percpu_lib.h"

enum percpu_rwlock_gate { RWLOCK_OPEN, RWLOCK_CLOSED, RWLOCK_HELD };

struct percpu_rwlock {
    u64 *readers;     /* per-CPU; their sum modulo 2^64 is the number of readers */
    _Atomic u32 gate; /* changed by the writer at the head of the queue only */
    const struct percpu_lib *lib;
    _Atomic u32 next ALIGNED(64); /* the next ticket to hand out */
    _Atomic u32 head;             /* the ticket whose turn it is */
};

/* -ENOMEM. destroy: nobody holds the lock or waits for it. */
int percpu_rwlock_init(const struct percpu_lib *lib, struct percpu_rwlock *l) MUST_CHECK;
void percpu_rwlock_destroy(struct percpu_rwlock *l);

/* Waits its turn behind the writers that came before. */
void percpu_down_read_slow(struct percpu_rwlock *l);

/* True: the caller is a reader now. False: a writer has the lock or is about to. */
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

/* May be out of date on return, unless the caller itself has the lock. Any context. */
bool percpu_rwlock_is_read_locked(const struct percpu_rwlock *l);
bool percpu_rwlock_is_write_locked(const struct percpu_rwlock *l);

/* NULL, or what is wrong with a lock that nobody has and nobody waits for. */
const char *percpu_rwlock_verify(const struct percpu_rwlock *l);

#endif
