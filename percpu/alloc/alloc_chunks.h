/*
 * The chunks of an instance by number: locked, searched, made and given back.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_CHUNKS_H
#define PERCH_PERCPU_ALLOC_ALLOC_CHUNKS_H

#include "percpu/alloc/alloc_types.h"

struct pcpu_locked {
    struct pcpu_dchunk *ch;
    u64 flags;
    u32 empty; /* nr_empty when it was locked */
};

/* False: chunk n is gone. Interrupts are off until pcpu_unlock_chunk(). */
bool pcpu_lock_chunk(struct pcpu_allocator *a, u32 n, struct pcpu_locked *l);
/* The same for a chunk that cannot go: it has objects, or BUSY blocks of the caller's. */
void pcpu_lock_pinned(struct pcpu_allocator *a, u32 n, struct pcpu_locked *l);
/* Publishes what changed: the hint and the number of empty blocks. */
void pcpu_unlock_chunk(struct pcpu_allocator *a, struct pcpu_locked *l);

/*
 * Makes a chunk, unless one with room has come meanwhile; the caller searches again. size 0: room
 * for the reserve. -ENOMEM, -ENOSPC. Thread context, interrupts on.
 */
int pcpu_make_chunk(struct pcpu_allocator *a, u32 size, u32 align) MUST_CHECK;

/*
 * Waits until no lookup sees what was taken out of the tables before: they run with interrupts off.
 * False: a CPU did not answer. Thread context, interrupts on.
 */
bool pcpu_wait_for_readers(struct pcpu_allocator *a) MUST_CHECK;

/* Gives chunk n back if it has neither objects nor populated blocks. balance_mutex held. */
void pcpu_drop_chunk(struct pcpu_allocator *a, u32 n);

/* The two parts of the first chunk. */
int pcpu_init_fixed(struct pcpu_allocator *a) MUST_CHECK;
void pcpu_free_fixed(struct pcpu_allocator *a);

static inline u32 pcpu_chunks_end(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->chunks_end, memory_order_acquire);
}

/* NULL: none. With balance_mutex held it stays. */
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

/* Empty blocks that the reserve should have, and those that are there. */
static inline u32 pcpu_reserve_target(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->reserve_target, memory_order_relaxed);
}

static inline s64 pcpu_empty_blocks(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->nr_empty, memory_order_relaxed);
}

#endif
