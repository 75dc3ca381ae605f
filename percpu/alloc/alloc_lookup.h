/*
 * From a pointer or an address to its chunk and its tag. Lookups take no lock: interrupts are off
 * (a chunk's memory is freed only after a cross-call to every CPU), or the object is the caller's.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_LOOKUP_H
#define PERCH_PERCPU_ALLOC_ALLOC_LOOKUP_H

#include "kernel/base/bitmap.h"
#include "percpu/alloc/alloc_types.h"

static inline struct pcpu_leaf *pcpu_leaf_of(const struct pcpu_allocator *a, u64 slot)
{
    return atomic_load_explicit(&a->dir[slot / PCPU_LEAF_SLOTS], memory_order_acquire);
}

/* The chunk that touches the 2 MiB slot of this window address; NULL: none. */
static inline struct pcpu_dchunk *pcpu_chunk_at(const struct pcpu_allocator *a, u64 va)
{
    u64 slot = (va - a->window_base) >> PCPU_SLOT_SHIFT;
    struct pcpu_leaf *leaf;

    if (slot >= a->window_slots)
        return NULL;
    leaf = pcpu_leaf_of(a, slot);
    if (!leaf)
        return NULL;
    return atomic_load_explicit(&leaf->chunk[slot % PCPU_LEAF_SLOTS], memory_order_acquire);
}

/* The part of the first chunk with offset off; NULL: the static area, or none. */
static inline struct pcpu_dchunk *pcpu_fixed_chunk(const struct pcpu_allocator *a, u64 off)
{
    const struct pcpu_first_chunk *fc = a->fc;

    if (off - fc->dyn_area.start < fc->dyn_area.end - fc->dyn_area.start)
        return a->first;
    if (off - fc->reserved_area.start < fc->reserved_area.end - fc->reserved_area.start)
        return a->reserved;
    return NULL;
}

/*
 * The chunk of a per-CPU pointer, and its offset in the unit; NULL: none. The flat table serves
 * nearly all pointers; the others are the first chunk's, or high in the window.
 */
static inline struct pcpu_dchunk *pcpu_chunk_of(const struct pcpu_allocator *a, uintptr_t ptr,
                                                u32 *off)
{
    u64 slot = (ptr - a->flat_base) >> PCPU_SLOT_SHIFT;
    struct pcpu_dchunk *ch = NULL;

    if (slot < PCPU_FLAT_SLOTS)
        ch = atomic_load_explicit(&a->flat[slot], memory_order_acquire);
    if (!ch)
        ch = ptr - a->static_start < a->unit_size ? pcpu_fixed_chunk(a, ptr - a->static_start)
                                                  : pcpu_chunk_at(a, ptr + a->delta);
    *off = (u32)(ptr - (ch ? ch->ptr : a->static_start));
    return ch && ptr - ch->ptr < a->unit_size ? ch : NULL;
}

/* The tag at ptr, a pointer into the chunk; NULL: no object can begin there. */
static ALWAYS_INLINE u8 *pcpu_tag_in(const struct pcpu_allocator *a, const struct pcpu_dchunk *ch,
                                     uintptr_t ptr)
{
    u64 off = ptr - ch->ptr;
    /* Rotated by two bits, an offset that is not a multiple of 4 exceeds every granule. */
    u64 granule = off >> PCPU_GRANULE_SHIFT | off << (64 - PCPU_GRANULE_SHIFT);
    struct pcpu_block *b;

    if (unlikely(granule >= a->unit_granules))
        return NULL;
    b = ch->c.blocks[granule / PCPU_BLOCK_GRANULES];
    return likely(b) ? &b->tag[granule % PCPU_BLOCK_GRANULES] : NULL;
}

/* The tag of the object that would begin at ptr; NULL: no object can. */
static inline u8 *pcpu_tag_of(const struct pcpu_allocator *a, uintptr_t ptr)
{
    u32 off;
    const struct pcpu_dchunk *ch = pcpu_chunk_of(a, ptr, &off);

    return ch ? pcpu_tag_in(a, ch, ptr) : NULL;
}

/* Is the granule at offset off of a populated block taken, by an object or a bump region? */
static inline bool pcpu_is_taken(const struct pcpu_dchunk *ch, u32 off)
{
    return bitmap_test_bit(ch->c.blocks[off >> PCPU_BLOCK_SHIFT]->taken,
                           off / PCPU_GRANULE % PCPU_BLOCK_GRANULES);
}

/* Atomic: an object changes hands without its chunk's lock, while others read the chunk. */
static inline void pcpu_set_tag(u8 *tag, u32 value)
{
    __atomic_store_n(tag, (u8)value, __ATOMIC_RELAXED);
}

/* The place in the hash of the first chunk's slot with this address; slot 0: no entry. */
static inline struct pcpu_fc_slot *pcpu_find_fc_slot(const struct pcpu_allocator *a, u64 va)
{
    u64 slot = va >> PCPU_SLOT_SHIFT;
    u32 i = (u32)(slot * 0x9e3779b97f4a7c15ULL >> 40) & a->fc_slots_mask;

    while (a->fc_slots[i].slot && a->fc_slots[i].slot != slot)
        i = (i + 1) & a->fc_slots_mask;
    return &a->fc_slots[i];
}

#endif
