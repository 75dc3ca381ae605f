/*
 * The slow paths of the per-CPU reader-writer lock; see rwlock.h.
 *
 * Why a sum of 0 means no reader: once the gate is closed and the grace period is over, no word can
 * grow. The loop reads each word once, and the word is never greater afterwards. So at the end of
 * the loop the number of readers is at most the sum.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/sync/rwlock.h"

#include "kernel/base/print.h"
#include "kernel/base/spinlock.h"

int percpu_rwlock_init(const struct percpu_lib *lib, struct percpu_rwlock *l)
{
    *l = (struct percpu_rwlock){.lib = lib};
    l->readers = lib->alloc(lib->ctx, sizeof(u64), sizeof(u64));
    return l->readers ? 0 : -ENOMEM;
}

void percpu_rwlock_destroy(struct percpu_rwlock *l)
{
    l->lib->free(l->lib->ctx, l->readers);
    *l = (struct percpu_rwlock){0};
}

static u64 sum_readers(const struct percpu_rwlock *l)
{
    u64 sum = 0;

    for (u32 cpu = 0; cpu < l->lib->nr_cpus; cpu++)
        sum += __atomic_load_n(per_cpu_ptr(l->readers, cpu), __ATOMIC_ACQUIRE);
    return sum;
}

/* Interrupts stay on, so that a waiter serves cross-calls. */
static void queue_enter(struct percpu_rwlock *l)
{
    u32 ticket = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
    struct spin spin = {0};

    ASSERT(local_irqs_enabled());
    while (atomic_load_explicit(&l->head, memory_order_acquire) != ticket)
        spin_wait(&spin, l);
}

static void queue_leave(struct percpu_rwlock *l)
{
    u32 head = atomic_load_explicit(&l->head, memory_order_relaxed);

    atomic_store_explicit(&l->head, head + 1, memory_order_release);
}

void percpu_down_read_slow(struct percpu_rwlock *l)
{
    bool got;

    queue_enter(l);
    got = percpu_down_read_trylock(l); /* the gate is open: only the head of the queue closes it */
    ASSERT(got);
    queue_leave(l);
}

int percpu_down_write(struct percpu_rwlock *l)
{
    struct spin spin = {0};
    int err;

    queue_enter(l);
    atomic_store_explicit(&l->gate, RWLOCK_CLOSED, memory_order_seq_cst);
    err = l->lib->quiesce(l->lib->ctx);
    if (err) {
        atomic_store_explicit(&l->gate, RWLOCK_OPEN, memory_order_release);
        queue_leave(l);
        return err;
    }
    while (sum_readers(l))
        spin_wait(&spin, l);
    atomic_store_explicit(&l->gate, RWLOCK_HELD, memory_order_relaxed);
    return 0;
}

void percpu_up_write(struct percpu_rwlock *l)
{
    ASSERT(percpu_rwlock_is_write_locked(l));
    atomic_store_explicit(&l->gate, RWLOCK_OPEN, memory_order_release);
    queue_leave(l);
}

bool percpu_rwlock_is_read_locked(const struct percpu_rwlock *l)
{
    return sum_readers(l) != 0;
}

bool percpu_rwlock_is_write_locked(const struct percpu_rwlock *l)
{
    return atomic_load_explicit(&l->gate, memory_order_acquire) == RWLOCK_HELD;
}

const char *percpu_rwlock_verify(const struct percpu_rwlock *l)
{
    if (atomic_load_explicit(&l->gate, memory_order_relaxed) != RWLOCK_OPEN)
        return "the gate is closed";
    if (atomic_load_explicit(&l->next, memory_order_relaxed) !=
        atomic_load_explicit(&l->head, memory_order_relaxed))
        return "the queue is not empty";
    if (sum_readers(l))
        return "the readers' words do not sum to 0";
    return NULL;
}
