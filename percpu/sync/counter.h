/*
 * A 64-bit counter that all CPUs change and few read, in three levels. A CPU adds to its own part
 * by one instruction. When a part leaves [-batch, batch], it is folded into the node's part. When a
 * node's part reaches node_batch, it is folded into the global part. A read of the global part is
 * cheap and approximate. While no add runs,
 *
 *     | read - true value |  <=  bound  =  CPUs * batch + nodes * (node_batch - 1)
 *
 * for possible CPUs and nodes with CPUs. For n CPUs on N nodes, batch is 32 and node_batch is 2n if
 * that gives the smaller bound (N > 1 and N + 16 < n). Otherwise nodes have no level, batch is
 * max(32, 2n) and the bound is n * batch. For 64 CPUs on 8 nodes the bound is 3,064 instead of
 * 8,192; the global part changes once in 2n adds either way. A running add may be missing, in
 * addition to the bound.
 *
 * Sum is exact: it counts each add that returned before the sum began, and any other add once or
 * not at all. Folds wait for the sum. Values wrap modulo 2^64 without a check. compare and
 * limited_add are undefined for values within bound of the ends of an s64.
 *
 * The kernel itself uses only init, add, read and sum. The rest is for users of the allocator as a
 * library.
 *
 * Context: any CPU. add, read: any context but NMI, without a lock unless the part is folded. Other
 * functions: any context but NMI; they spin for the node locks, with interrupts off while they read
 * all CPUs' parts. init and destroy: the context of lib's memory functions. The part of a parked
 * CPU stays: sums include it, and the bound holds. percpu_counter_cpu_dead() folds it. CPU-local.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_SYNC_COUNTER_H
#define PERCH_PERCPU_SYNC_COUNTER_H

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"
#include "kernel/base/errno.h"
#include "kernel/base/spinlock.h"
#include "percpu/sync/percpu_lib.h"

/* Levels, batches, and the greatest error of read. */
struct percpu_counter_geometry {
    u32 parts; /* number of nodes with CPUs; 1: no level for nodes */
    s64 batch;
    s64 node_batch; /* 1: a node's part stays 0 */
    u64 bound;
};

struct percpu_counter_group;

/* The global part, in a cache line of its own. */
struct percpu_counter_global {
    _Atomic s64 count ALIGNED(64);
    const struct percpu_counter_group *group;
    u32 index; /* in the group */
};

/* Adds only read it, so it stays in every CPU's cache. */
struct percpu_counter {
    s64 *local; /* per-CPU */
    s64 batch;
    u64 span; /* 2 * batch */
    struct percpu_counter_global *global;
};

/* The batches described above, for this number of CPUs and of nodes with CPUs. */
struct percpu_counter_geometry percpu_counter_geometry(u32 nr_cpus, u32 nr_nodes);

/*
 * n counters that begin with amount, in one per-CPU allocation and one allocation per node.
 * -ENOMEM. destroy_many: with the same array and n, after the last use.
 */
int percpu_counter_init_many(const struct percpu_lib *lib, struct percpu_counter *c, u32 n,
                             s64 amount) MUST_CHECK;
void percpu_counter_destroy_many(struct percpu_counter *c, u32 n);

/* As init_many with other batches: g->parts is 1 or lib->nr_parts, batches at least 1. */
int percpu_counter_init_geometry(const struct percpu_lib *lib, struct percpu_counter *c, u32 n,
                                 s64 amount, const struct percpu_counter_geometry *g) MUST_CHECK;

static inline int MUST_CHECK percpu_counter_init(const struct percpu_lib *lib,
                                                 struct percpu_counter *c, s64 amount)
{
    return percpu_counter_init_many(lib, c, 1, amount);
}

static inline void percpu_counter_destroy(struct percpu_counter *c)
{
    percpu_counter_destroy_many(c, 1);
}

/* Folds this CPU's part into its node's part, and a full node's part into the global one. */
void percpu_counter_fold(struct percpu_counter *c);

static ALWAYS_INLINE void percpu_counter_add(struct percpu_counter *c, s64 amount)
{
    if (unlikely((u64)this_cpu_add_return(*c->local, amount) + (u64)c->batch > c->span))
        percpu_counter_fold(c);
}

static ALWAYS_INLINE void percpu_counter_sub(struct percpu_counter *c, s64 amount)
{
    percpu_counter_add(c, (s64)(0 - (u64)amount));
}

static ALWAYS_INLINE void percpu_counter_inc(struct percpu_counter *c)
{
    percpu_counter_add(c, 1);
}

static ALWAYS_INLINE void percpu_counter_dec(struct percpu_counter *c)
{
    percpu_counter_add(c, -1);
}

/* The global part; its error is at most percpu_counter_bound(). */
static inline s64 percpu_counter_read(const struct percpu_counter *c)
{
    return atomic_load_explicit(&c->global->count, memory_order_relaxed);
}

/* For a value that cannot be negative. */
static inline s64 percpu_counter_read_positive(const struct percpu_counter *c)
{
    return MAX(percpu_counter_read(c), 0);
}

u64 percpu_counter_bound(const struct percpu_counter *c);

s64 percpu_counter_sum(struct percpu_counter *c);

/* The sign of sum - rhs: -1, 0 or 1. Sums only if read is within bound of rhs. */
int percpu_counter_compare(struct percpu_counter *c, s64 rhs);

/* Sets the sum. An add at the same time counts as before or after it. */
void percpu_counter_set(struct percpu_counter *c, s64 amount);

/* Folds this CPU's part and its node's part into the global one, full or not. */
void percpu_counter_sync(struct percpu_counter *c);

/*
 * Adds amount unless the sum would pass limit (upwards if amount > 0, else downwards). True: added.
 * If all adds are limited, the sum never passes the limit, however many CPUs add.
 */
bool percpu_counter_limited_add(struct percpu_counter *c, s64 limit, s64 amount);

/* Folds the part of a CPU that stays parked during the call. */
void percpu_counter_cpu_dead(struct percpu_counter *c, u32 cpu);

/* NULL, or which invariant is broken. No add may run. */
const char *percpu_counter_verify(struct percpu_counter *c);

#endif
