/*
 * The parts behind the magazines: chunks by number, population and return of their blocks, the
 * metadata of blocks, and deferred work.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_CHUNKS_H
#define PERCH_PERCPU_ALLOC_ALLOC_CHUNKS_H

#include "percpu/alloc/alloc_types.h"

/* ---- posting deferred work (alloc_post.c); alloc_balance.c does it --------------------------- */

/*
 * Posts one PCPU_WORK_* bit to an idle CPU, or to this one for its next safe point. Any context.
 *
 * No kind of work starves, though the CPU that has it may never come to it: an idle one that became
 * busy for ever, or this one, if it never gets to a safe point. When work that is posted is asked
 * for again and is late, it is posted to this CPU and to one more idle CPU, so every CPU that still
 * runs its idle loop or allocates in thread context takes it in the end:
 *  - REFILL is late when the reserve is empty. A failing atomic call asks, if its CPU
 *    has the work already every PCPU_REFILL_ASKS-th.
 *  - RETURN is late when PCPU_RETURN_LATE more blocks are empty than ask for it. Each batch that
 *    goes back to its chunk asks; without any, no more memory waits than then.
 *  - PROMOTE is late when PCPU_PROMOTE_LATE populations have asked since the last promotion.
 *    Without a population no more ranges become ready, and nothing but speed waits.
 * What is not posted needs no other CPU: a magazine's dirty entries are cleared by the next miss,
 * a set is drained when it is over its quota, and a parked CPU drained its own with interrupts off.
 * There are no remote frees: an object goes to the magazines of the CPU that frees it.
 */
void pcpu_defer(struct pcpu_allocator *a, u32 bits);

/* The same for a CPU that parks: always posts to another CPU. */
void pcpu_defer_elsewhere(struct pcpu_allocator *a, u32 bits);

/* Tries balance_mutex. False: another CPU holds it, and adopts this CPU's bits when it unlocks. */
bool pcpu_balance_trylock(struct pcpu_allocator *a);
void pcpu_balance_unlock(struct pcpu_allocator *a);

static inline bool pcpu_work_pending(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->work[cpu_number()], memory_order_acquire) != 0;
}

/* ---- chunks (alloc_chunks.c) ----------------------------------------------------------------- */

struct pcpu_locked {
    struct pcpu_dchunk *ch;
    u64 flags;
    u32 empty, populated; /* values of nr_empty and nr_populated at the lock */
};

/* False: no chunk n. Interrupts are off until pcpu_unlock_chunk(). */
bool pcpu_lock_chunk(struct pcpu_allocator *a, u32 n, struct pcpu_locked *l);
/* The same for a chunk that cannot be freed: it has objects, or the caller's BUSY blocks. */
void pcpu_lock_pinned(struct pcpu_allocator *a, u32 n, struct pcpu_locked *l);
/* Publishes what changed: the hint, the numbers of empty and of populated blocks. */
void pcpu_unlock_chunk(struct pcpu_allocator *a, struct pcpu_locked *l);

/*
 * Makes a chunk, unless another CPU has made one with room; the caller searches again. size 0: room
 * for the reserve. -ENOMEM, -ENOSPC. Thread context, interrupts on.
 */
int pcpu_make_chunk(struct pcpu_allocator *a, u32 size, u32 align) MUST_CHECK;

/* Gives chunk n back if it has neither objects nor populated blocks. balance_mutex held. */
void pcpu_drop_chunk(struct pcpu_allocator *a, u32 n);

/*
 * Waits until no lookup can see what was removed from the tables before. Lookups run with
 * interrupts off. False: a CPU did not answer. Thread context, interrupts on.
 */
bool pcpu_wait_for_readers(struct pcpu_allocator *a) MUST_CHECK;

/* The two parts of the first chunk. */
int pcpu_init_fixed(struct pcpu_allocator *a) MUST_CHECK;
void pcpu_free_fixed(struct pcpu_allocator *a);

static inline u32 pcpu_chunks_end(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->chunks_end, memory_order_acquire);
}

/* NULL: no chunk n. While balance_mutex is held, it is not freed. */
static inline struct pcpu_dchunk *pcpu_chunk_number(const struct pcpu_allocator *a, u32 n)
{
    return atomic_load_explicit(&a->chunks[n], memory_order_acquire);
}

static inline u64 pcpu_hint(const struct pcpu_allocator *a, u32 n)
{
    return atomic_load_explicit(&a->hint[n], memory_order_relaxed);
}

static inline u32 pcpu_hint_populated(u64 hint)
{
    return (u32)(hint & PCPU_HINT_MASK);
}

static inline u32 pcpu_hint_any(u64 hint)
{
    return (u32)(hint >> PCPU_HINT_BITS & PCPU_HINT_MASK);
}

/* Empty blocks that the reserve should have. */
static inline u32 pcpu_reserve_target(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->reserve_target, memory_order_relaxed);
}

/* Populated blocks of dynamic chunks now. */
static inline s64 pcpu_populated_blocks(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->nr_populated, memory_order_relaxed);
}

/* Empty blocks now. */
static inline s64 pcpu_empty_blocks(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->nr_empty, memory_order_relaxed);
}

/* Of these, what can be returned: the first chunk's cannot. */
static inline s64 pcpu_empty_dynamic(const struct pcpu_allocator *a)
{
    return pcpu_empty_blocks(a) - atomic_load_explicit(&a->nr_empty_fixed, memory_order_relaxed);
}

/* More empty blocks than these are given back. */
static inline s64 pcpu_enough_blocks(const struct pcpu_allocator *a)
{
    s64 peak = atomic_load_explicit(&a->peak, memory_order_relaxed);

    return (s64)pcpu_reserve_target(a) + MAX(peak, PCPU_RETURN_SLACK) +
           atomic_load_explicit(&a->grow_ahead, memory_order_relaxed);
}

/* Empty blocks above the least that decay leaves, as far as they can be returned. */
static inline s64 pcpu_decay_blocks(const struct pcpu_allocator *a)
{
    s64 above = pcpu_empty_blocks(a) - MAX((s64)pcpu_reserve_target(a), PCPU_RESERVE_BOOT);

    return MIN(above, pcpu_empty_dynamic(a));
}

/* Has decay anything left to do in what all CPUs share? */
static inline bool pcpu_decay_left(const struct pcpu_allocator *a)
{
    return pcpu_reserve_target(a) > PCPU_RESERVE_BOOT || pcpu_decay_blocks(a) > 0;
}

/* Wakes an idle CPU, which sets its timer before it sleeps again. Any context (alloc_post.c). */
void pcpu_decay_ask(struct pcpu_allocator *a);

/* ---- population (alloc_grow.c) --------------------------------------------------------------- */

/* Makes populated room for an object (granules). -ENOMEM, -ENOSPC. Thread context, IRQs on. */
int pcpu_grow(struct pcpu_allocator *a, u32 size, u32 align) MUST_CHECK;

/* Populates up to n blocks for the reserve; returns how many. Thread context, interrupts on. */
u32 pcpu_grow_reserve(struct pcpu_allocator *a, u32 n);

/* After an allocation from the chunks: fills the reserve, or with PCPU_ATOMIC defers that. */
void pcpu_reserve_check(struct pcpu_allocator *a, u32 flags);

/* ---- return (alloc_reclaim.c) ---------------------------------------------------------------- */

#define PCPU_RETURN_BATCH 64u /* blocks returned at a time */

/*
 * Gives back empty blocks above `keep`, at most max, and chunks that are empty then. Returns the
 * number of blocks. balance_mutex held.
 */
u64 pcpu_return_empty(struct pcpu_allocator *a, u32 keep, u32 max);

/*
 * Blocks of the reserve in chunks that hold nothing else, above the lowest chunk; and the return of
 * up to max of these and no others, with their chunks. balance_mutex held.
 */
u32 pcpu_reserve_alone(struct pcpu_allocator *a);
void pcpu_return_reserve(struct pcpu_allocator *a, u32 max);

/*
 * Memory is short: gives back unpopulated pages of reservations and unused metadata. False: none
 * was found. Thread context, interrupts on.
 */
bool pcpu_reclaim(struct pcpu_allocator *a);
bool pcpu_reclaim_locked(struct pcpu_allocator *a); /* balance_mutex held */

/* ---- metadata of blocks, in a pool (alloc_metadata.c) ---------------------------------------- */

/* Gets clean metadata for n blocks, all or nothing; puts it back. Any context. */
bool pcpu_metas_get(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);
void pcpu_metas_put(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);

/* Keeps metadata that lookups may still see until it is released. balance_mutex held. */
void pcpu_metas_retire(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);
/* Puts retired metadata into the pool, after a cross-call. Interrupts on. */
void pcpu_metas_release(struct pcpu_allocator *a);

/* Gives back pieces of memory that are entirely unused; returns how many. */
u32 pcpu_metas_trim(struct pcpu_allocator *a);

/* NULL, or which invariant of the pool is broken. No CPU may use the pool. */
const char *pcpu_metas_verify(struct pcpu_allocator *a);

#endif
