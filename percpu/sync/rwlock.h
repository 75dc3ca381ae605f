/*
 * A reader-writer lock for data that every CPU reads often and that rarely changes. A reader adds 1
 * to its own CPU's word, without LOCK and without a cache line that other CPUs write. A writer is
 * slow: it closes the gate, waits for a grace period (after it no reader is between its check of
 * the gate and its word), and waits until the words sum to 0. For users of the allocator as a
 * library; the kernel itself does not use it.
 *
 * Fair: writers, and readers at a closed gate, queue by tickets in order of arrival. A reader at
 * the head of the queue counts itself and leaves the queue, so successive readers run together. A
 * reader at an open gate does not queue.
 *
 * Readers must not nest: a second down_read could wait for a writer that waits for the first.
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

/*
 * Readers and the writer at the head of the queue:
 *  - who writes: `gate` and `head` the head of the queue alone; each reader its CPU's word, in its
 *    guard, after it has seen the gate open;
 *  - who reads: the gate every reader; the words the writer, after the grace period;
 *  - which order: closing is sequentially consistent and waits for a grace period, so a reader is
 *    counted or has seen the gate closed. A reader releases its word when it leaves, and the writer
 *    acquires it, so it sees what readers did. Opening releases, and readers acquire. `head` is
 *    released and acquired from one ticket to the next.
 */
struct percpu_rwlock {
    u64 *readers;     /* per-CPU; their sum modulo 2^64 is the number of readers */
    _Atomic u32 gate; /* only the writer at the head of the queue changes it */
    const struct percpu_lib *lib;
    _Atomic u32 next ALIGNED(64); /* the next free ticket */
    _Atomic u32 head;             /* the ticket at the head of the queue */
};

/* -ENOMEM. destroy: the lock is free and has no waiter. */
int percpu_rwlock_init(const struct percpu_lib *lib, struct percpu_rwlock *l) MUST_CHECK;
void percpu_rwlock_destroy(struct percpu_rwlock *l);

/* Waits in the queue. */
void percpu_down_read_slow(struct percpu_rwlock *l);

/* True: the caller is a reader now. False: a writer has the lock, or waits for readers. */
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

/* 0: locked against readers and writers. An error of the grace period: not locked. */
int percpu_down_write(struct percpu_rwlock *l) MUST_CHECK;
void percpu_up_write(struct percpu_rwlock *l);

/* Out of date on return unless the caller has the lock. Any context. */
bool percpu_rwlock_is_read_locked(const struct percpu_rwlock *l);
bool percpu_rwlock_is_write_locked(const struct percpu_rwlock *l);

/* For a free lock without waiters: NULL, or which invariant is broken. */
const char *percpu_rwlock_verify(const struct percpu_rwlock *l);

#endif
