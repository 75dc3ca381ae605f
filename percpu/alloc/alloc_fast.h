/*
 * The two fast paths, for any instance (alloc.c) and for the kernel's own, whose addresses are
 * constants (percpu.c). They touch this CPU's magazines and the object's tag, and take no lock. The
 * slow paths in alloc.c do everything else.
 *
 * m is the CPU's set of magazines, read with interrupts off.
 * For percpu/alloc/alloc.c, percpu/alloc/alloc_magazines.c and percpu/percpu.c only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_FAST_H
#define PERCH_PERCPU_ALLOC_ALLOC_FAST_H

#include "percpu/alloc/alloc_lookup.h"

#define PCPU_ALIGN_1_2_4_8 0x116u /* a bit for each */

/* Does the fast path serve this call? Other sizes and alignments are rare or large. */
static ALWAYS_INLINE bool pcpu_alloc_is_fast(size_t size, size_t align, u32 flags)
{
    return likely(size - 1 < PCPU_STEP_MAX && align <= 8 && (PCPU_ALIGN_1_2_4_8 >> align & 1) &&
                  !(flags & PCPU_RESERVED));
}

/* Interrupts off; NULL: a miss. */
static ALWAYS_INLINE void *pcpu_alloc_fast(struct pcpu_mags *m, u32 class)
{
    struct pcpu_mag *mag = &m->mag[class];
    struct pcpu_entry *e;

    if (unlikely(!mag->clean))
        return NULL;
    e = &mag->entries[--mag->clean];
    pcpu_set_tag(e->tag, class | PCPU_TAG_OWNED);
    cpu_local_sub(m->headroom, mag->neg_size);
    cpu_local_inc(m->nr_alloc);
    return (void *)e->ptr;
}

enum pcpu_free_result { PCPU_FREED, PCPU_NOT_FREED, PCPU_OVER_QUOTA };

/*
 * The slow paths (alloc.c), with interrupts as the caller had them. alloc: everything but a hit in
 * a magazine. free (r is not PCPU_FREED): large objects, pointers outside the flat table, full
 * magazines, wrong frees.
 */
void *pcpu_alloc_slow(struct pcpu_allocator *a, size_t size, size_t align, u32 flags);
void pcpu_free_slow(struct pcpu_allocator *a, uintptr_t ptr, enum pcpu_free_result r);

/*
 * Interrupts off. PCPU_NOT_FREED: nothing was done; the slow path finds out why. It also serves
 * large objects, because TAG_BIG has no room, and pointers that the flat table does not cover.
 */
static ALWAYS_INLINE enum pcpu_free_result pcpu_free_fast(struct pcpu_allocator *a,
                                                          struct pcpu_mags *m, uintptr_t ptr)
{
    u64 slot = (ptr - a->flat_base) >> PCPU_SLOT_SHIFT;
    const struct pcpu_dchunk *ch;
    struct pcpu_mag *mag;
    size_t class, at;
    u8 *tag;

    if (likely(slot < PCPU_FLAT_SLOTS))
        ch = atomic_load_explicit(&a->flat[slot], memory_order_acquire);
    else if (likely(ptr - a->first_ptr < a->first_bytes))
        ch = a->first;
    else
        return PCPU_NOT_FREED;
    if (unlikely(!ch))
        return PCPU_NOT_FREED;
    tag = pcpu_tag_in(a, ch, ptr);
    if (unlikely(!tag))
        return PCPU_NOT_FREED;
    class = *tag;
    if (unlikely(!(class & PCPU_TAG_OWNED)))
        return PCPU_NOT_FREED;
    class ^= PCPU_TAG_OWNED;
    mag = &m->mag[class];
    at = mag->dirty;
    if (unlikely(mag->clean == at))
        return PCPU_NOT_FREED;
    pcpu_set_tag(tag, (u32) class);
    at--;
    mag->dirty = (u8)at;
    mag->entries[at] = (struct pcpu_entry){ptr, tag};
    cpu_local_inc(m->nr_free);
    return unlikely(cpu_local_add_negative(m->headroom, mag->neg_size)) ? PCPU_OVER_QUOTA
                                                                        : PCPU_FREED;
}

#endif
