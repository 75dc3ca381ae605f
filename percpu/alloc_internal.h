/*
 * Inside of the allocator: what its files share. For percpu/alloc*.c and
 * percpu/debug*.c only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_INTERNAL_H
#define PERCH_PERCPU_ALLOC_INTERNAL_H

#include "kernel/base/bitmap.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "percpu/alloc.h"

#define PCPU_SLOT_SHIFT 21

/* ---- where a pointer or an address leads ------------------------------------------------------
 */

/* The chunk with an area in the 2 MiB slot of this address of the window; NULL: none. */
static inline struct pcpu_dchunk *pcpu_chunk_at(const struct pcpu_allocator *a, u64 va)
{
    u64 slot = (va - a->window_base) >> PCPU_SLOT_SHIFT;
    struct pcpu_leaf *leaf;

    if (slot >= a->window_slots)
        return NULL;
    leaf = atomic_load_explicit(&a->dir[slot / PCPU_LEAF_SLOTS], memory_order_acquire);
    if (!leaf)
        return NULL;
    return atomic_load_explicit(&leaf->chunk[slot % PCPU_LEAF_SLOTS], memory_order_acquire);
}

/* The first chunk's part that offset off lies in; NULL: the static area, or not ours. */
static inline struct pcpu_dchunk *pcpu_fixed_chunk(const struct pcpu_allocator *a, u64 off)
{
    const struct pcpu_first_chunk *fc = a->fc;

    if (off - fc->dyn_area.start < fc->dyn_area.end - fc->dyn_area.start)
        return a->first;
    if (off - fc->reserved_area.start < fc->reserved_area.end - fc->reserved_area.start)
        return a->reserved;
    return NULL;
}

/* The chunk of a pointer that `near` does not know: the first chunk's parts, or far up. NULL: none.
 */
struct pcpu_dchunk *pcpu_chunk_far(const struct pcpu_allocator *a, uintptr_t ptr);

/*
 * The chunk that a per-CPU pointer would be of, and its offset in the unit; NULL: of none.
 * Interrupts off, or the object is the caller's.
 */
static inline struct pcpu_dchunk *pcpu_chunk_of(const struct pcpu_allocator *a, uintptr_t ptr,
                                                u32 *off)
{
    u64 slot = (ptr - a->near_base) >> PCPU_SLOT_SHIFT;
    struct pcpu_dchunk *ch;

    ch = slot < PCPU_NEAR_SLOTS ? atomic_load_explicit(&a->near[slot], memory_order_acquire) : NULL;
    if (!ch)
        ch = pcpu_chunk_far(a, ptr);
    *off = (u32)(ptr - (ch ? ch->ptr : a->static_start));
    return ch && ptr - ch->ptr < a->unit_size ? ch : NULL;
}

/* The tag at ptr, which is a pointer of the chunk's; NULL: no object can begin there. */
static ALWAYS_INLINE u8 *pcpu_tag_in(const struct pcpu_allocator *a, const struct pcpu_dchunk *ch,
                                     uintptr_t ptr)
{
    u64 off = ptr - ch->ptr;
    /* Turned by two bits, an offset that is not a multiple of 4 is larger than any granule. */
    u64 granule = off >> PCPU_GRANULE_SHIFT | off << (64 - PCPU_GRANULE_SHIFT);
    struct pcpu_block *b;

    if (unlikely(granule >= a->unit_granules))
        return NULL;
    b = ch->c.blocks[granule / PCPU_BLOCK_GRANULES];
    return likely(b) ? &b->tag[granule % PCPU_BLOCK_GRANULES] : NULL;
}

/* The tag of the object that would begin at ptr; NULL: no object can. Interrupts off. */
static inline u8 *pcpu_tag_of(const struct pcpu_allocator *a, uintptr_t ptr)
{
    u32 off;
    const struct pcpu_dchunk *ch = pcpu_chunk_of(a, ptr, &off);

    return ch ? pcpu_tag_in(a, ch, ptr) : NULL;
}

/* The first chunk's slot that va lies in; NULL: none. (alloc_init.c) */
const struct pcpu_fc_slot *pcpu_fc_slot(const struct pcpu_allocator *a, u64 va);

/* An object changes hands without its chunk's lock, beside somebody who looks at the chunk. */
static inline void pcpu_set_tag(u8 *tag, u32 value)
{
    __atomic_store_n(tag, (u8)value, __ATOMIC_RELAXED);
}

/* ---- locking a chunk (alloc_chunks.c) ---------------------------------------------------------
 */

struct pcpu_locked {
    struct pcpu_dchunk *ch;
    u64 flags;
    u32 empty; /* nr_empty when it was locked */
};

/* False: chunk n is not there any more. Interrupts are off until pcpu_unlock_chunk(). */
bool pcpu_lock_chunk(struct pcpu_allocator *a, u32 n, struct pcpu_locked *l);
/* Publishes what changed: the hint, the count of empty blocks. */
void pcpu_unlock_chunk(struct pcpu_allocator *a, struct pcpu_locked *l);

/*
 * A further chunk, unless one with room has come meanwhile; the caller looks again. size 0: room
 * for the reserve. -ENOMEM, -ENOSPC. Thread, interrupts on.
 */
int pcpu_make_chunk(struct pcpu_allocator *a, u32 size, u32 align) MUST_CHECK;

/* Nobody looks any more at what was taken out of the tables before. False: a CPU did not answer. */
bool pcpu_wait_for_readers(struct pcpu_allocator *a) MUST_CHECK;

/* Gives a chunk without objects and populated blocks back. balance_mutex held. */
bool pcpu_drop_chunk(struct pcpu_allocator *a, u32 n);

int pcpu_init_fixed(struct pcpu_allocator *a) MUST_CHECK;
void pcpu_free_fixed(struct pcpu_allocator *a);

static inline u32 pcpu_chunks_end(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->chunks_end, memory_order_acquire);
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

/* ---- population (alloc_grow.c) ----------------------------------------------------------------
 */

/* Makes populated room for one object of so many granules. -ENOMEM, -ENOSPC. Thread, IRQs on. */
int pcpu_grow(struct pcpu_allocator *a, u32 size, u32 align) MUST_CHECK;

/* Populates up to n blocks for the reserve; how many. Thread, interrupts on. */
u32 pcpu_grow_reserve(struct pcpu_allocator *a, u32 n);

/* Clean metadata for n blocks, all or nothing, and back (alloc_meta.c). Any context. */
bool pcpu_metas_get(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);
void pcpu_metas_put(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);
/* The same for blocks that lookups may still see: until pcpu_free_retired(). balance_mutex held. */
void pcpu_metas_retire(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);
/* Memory of which nothing is in use goes back; how many pieces. */
u32 pcpu_metas_trim(struct pcpu_allocator *a);
const char *pcpu_metas_verify(struct pcpu_allocator *a);

static inline u32 pcpu_reserve_target(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->reserve_target, memory_order_relaxed);
}
static inline s64 pcpu_empty_blocks(const struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->nr_empty, memory_order_relaxed);
}
static inline bool pcpu_reserve_low(const struct pcpu_allocator *a)
{
    return pcpu_empty_blocks(a) < pcpu_reserve_target(a) / 2; /* at least 1 */
}

/* More than the reserve, what was populated ahead, and some. */
static inline bool pcpu_too_many_empty(const struct pcpu_allocator *a)
{
    return pcpu_empty_blocks(a) > (s64)pcpu_reserve_target(a) + PCPU_RETURN_SLACK +
                                      atomic_load_explicit(&a->grow_ahead, memory_order_relaxed);
}

/* After an allocation from the chunks: fills the reserve, now or later. */
void pcpu_reserve_check(struct pcpu_allocator *a, u32 flags);

/* ---- batches (alloc_batch.c) ------------------------------------------------------------------
 */

/* What is wanted of a chunk: n objects of a size at an alignment, granules, with this tag. */
struct pcpu_request {
    u32 size, align, n;
    u8 tag;
    struct pcpu_strip *strip; /* not NULL: a strip of size or more, up to max, is put here */
    u32 max;
};

/*
 * As many of them as one chunk has populated holes for, with one lock (1: a strip).
 * 0: no chunk has a fitting populated hole for the first.
 */
u32 pcpu_take(struct pcpu_allocator *a, const struct pcpu_request *r, struct pcpu_entry *batch);

/* What is left of a strip (maybe nothing) is free again. */
void pcpu_give_strip(struct pcpu_allocator *a, const struct pcpu_strip *strip);

/* Gives n clean objects, of any sizes and chunks, back to their chunks; sorts the batch. */
void pcpu_give_back(struct pcpu_allocator *a, struct pcpu_entry *batch, u32 n);

/* Clears n objects of size bytes in every unit that is backed, unit by unit. Returns bytes. */
u64 pcpu_clear_batch(struct pcpu_allocator *a, const struct pcpu_entry *batch, u32 n, u32 size);

/* ---- magazines (alloc_mags.c) -----------------------------------------------------------------
 */

int pcpu_init_mags(struct pcpu_allocator *a) MUST_CHECK;
void pcpu_free_mags(struct pcpu_allocator *a);

void pcpu_mags_lock(struct pcpu_mags *m);

static inline u32 pcpu_mags_bytes(const struct pcpu_mags *m)
{
    return (u32)(m->quota - m->left);
}

/* Interrupts off, and the lock of shared ones. */
static inline struct pcpu_mags *pcpu_mags_enter(struct pcpu_allocator *a, u64 *flags)
{
    struct pcpu_mags *m;

    *flags = local_irq_save();
    m = a->own_mags[cpu_number()];
    if (unlikely(m->shared))
        pcpu_mags_lock(m);
    return m;
}
static inline void pcpu_mags_exit(struct pcpu_mags *m, u64 flags)
{
    if (unlikely(m->shared))
        spin_unlock(&m->lock);
    local_irq_restore(flags);
}

/*
 * What PCPU_ATOMIC asked for past the magazines; the reserve follows it. By the set of magazines,
 * and it only grows: a count that whoever reads it sets back would take a locked instruction.
 */
static inline void pcpu_count_demand(struct pcpu_allocator *a, u64 bytes)
{
    u64 irq = local_irq_save();
    struct pcpu_mags *m = a->own_mags[cpu_number()];

    if (likely(!m->shared)) {
        cpu_local_add(m->atomic_bytes, bytes);
    } else {
        pcpu_mags_lock(m);
        cpu_local_add(m->atomic_bytes, bytes);
        spin_unlock(&m->lock);
    }
    local_irq_restore(irq);
}

/* A miss: clears, refills, populates. NULL: no memory. */
void *pcpu_mag_alloc_slow(struct pcpu_allocator *a, u32 class, u32 flags);
/* A freed object of a class: where the magazine is full, others of it go to the chunks first. */
void pcpu_mag_put(struct pcpu_allocator *a, uintptr_t ptr);

/* What the fast paths leave (alloc.c): everything but a hit; an object that no magazine has room
   for, or that is none. */
void *pcpu_alloc_slow(struct pcpu_allocator *a, size_t size, size_t align, u32 flags);
void pcpu_free_slow(struct pcpu_allocator *a, uintptr_t ptr);
/* The magazines hold too much: some of them go back to the chunks. */
void pcpu_mag_evict(struct pcpu_allocator *a);
/* Everything this CPU's magazines hold goes back. Shared ones too. */
void pcpu_mag_drain_all(struct pcpu_allocator *a);
/*
 * The same, true, if they overflowed since the chunks were last asked for objects: more is freed
 * than is allocated, and what is held serves nobody. In idle time, or when it is asked for.
 */
bool pcpu_mag_drain_overflowed(struct pcpu_allocator *a);
/* What others had taken out for that is back in the chunks. Thread context, no lock held. */
void pcpu_mags_wait_drained(struct pcpu_allocator *a);
/* Dirty entries of classes without clean ones become clean. */
bool pcpu_mag_clear_some(struct pcpu_allocator *a);

/* ---- strips (alloc_strip.c); the set is entered, classes are of 8-byte steps --------------------
 */

/* An object off the set's strip, the user's and counted; NULL: the strip is too short. */
void *pcpu_strip_cut_one(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class);
/* Up to n of them, nobody's yet; how many. */
u32 pcpu_strip_cut_some(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class, u32 n,
                        struct pcpu_entry *out);
/* What is left of it leaves the set. */
void pcpu_strip_leave(struct pcpu_mags *m, struct pcpu_strip *out);

/* What to ask the chunks for: a strip of up to so many bytes, in the place of a shorter one. */
struct pcpu_new_strip {
    u32 max;
    struct pcpu_strip ended;
};
void pcpu_strip_plan(struct pcpu_mags *m, struct pcpu_new_strip *new);
/* An object off a new strip, the user's and counted; NULL: no memory. The set is not entered. */
void *pcpu_strip_renew(struct pcpu_allocator *a, u32 class, u32 flags,
                       const struct pcpu_new_strip *new);

/* ---- background (alloc_work.c) ----------------------------------------------------------------
 */

/* An idle CPU does it, or this one at its next safe point. */
void pcpu_defer(struct pcpu_allocator *a, u32 bits);

/* The same when this CPU is about to be parked: somebody who stays. */
void pcpu_defer_elsewhere(struct pcpu_allocator *a, u32 bits);

/* In the slow path of a call that may populate: work that no idle CPU took, a bounded piece. */
void pcpu_safe_point(struct pcpu_allocator *a);

/* With what others wanted done meanwhile as this CPU's work. */
void pcpu_balance_unlock(struct pcpu_allocator *a);

/* Empty blocks above keep go back; chunks that are empty too. How many blocks. balance_mutex held.
 */
u64 pcpu_return_empty(struct pcpu_allocator *a, u32 keep, u32 max);

/* Metadata of returned blocks goes into the pool. balance_mutex held, interrupts on. */
void pcpu_free_retired(struct pcpu_allocator *a);

/* Memory is short: unpopulated pages of reservations go back. Thread, interrupts on. */
bool pcpu_reclaim(struct pcpu_allocator *a);
bool pcpu_reclaim_locked(struct pcpu_allocator *a); /* balance_mutex held */

static inline void pcpu_count(_Atomic u64 *counter, u64 n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* The node of the CPU that runs this. */
static inline s32 pcpu_this_node(const struct pcpu_allocator *a)
{
    return a->env->cpu_node[cpu_number()];
}

static inline void *pcpu_meta_alloc(struct pcpu_allocator *a, s32 node, size_t size)
{
    return a->env->meta_alloc(a->env->meta_ctx, node, size);
}
static inline void pcpu_meta_free(struct pcpu_allocator *a, void *p, size_t size)
{
    if (p)
        a->env->meta_free(a->env->meta_ctx, p, size);
}

#endif
