/*
 * For the files behind percpu/backing/backing.h only: the ranges of a chunk and the parts of units
 * in them (the same for all chunks), the state of one range, and small steps on it.
 *
 * Invariants of a range while the map mutex is free (pcpu_backing_verify):
 *  - a page is *real* if it is mapped and not the zero page. In a populated block, pages are real
 *    in units of CPUs that the chunk serves. Other units have real pages or the zero page;
 *  - a reservation has at least one real page, and each is at its place in the block;
 *  - a promoted or ready range has a reservation and 512 real pages; a ready one is not stale.
 *
 * Context: CPU-local. The caller holds the chunk's map mutex, except for the layout, which never
 * changes.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_BACKING_BACKING_INTERNAL_H
#define PERCH_PERCPU_BACKING_BACKING_INTERNAL_H

#include "kernel/base/bitmap.h"
#include "percpu/backing/backing.h"

/* Pages per call of the page source, and entries of a flush list: arrays on the stack. */
#define PCPU_BATCH 32u

/* A used unit's part of a range: blocks [lo, hi). Block b is the range's page b + delta. */
struct pcpu_part {
    u32 lo, hi;
    s32 delta;
    u32 cpu;
    s32 node;
};

/* A 2 MiB piece of address space that at least one unit touches. */
struct pcpu_range_shape {
    u64 off;                       /* from the chunk's base, a multiple of 2 MiB */
    const struct pcpu_part *parts; /* by address */
    u32 nr_parts;
    s32 node;   /* of all its units; NODE_NONE: of several */
    bool whole; /* every page belongs to a used unit */
};

/* A used unit, while the layout is computed. */
struct pcpu_unit_place {
    u64 off; /* from the chunk's base */
    u32 cpu;
    s32 node;
};

struct pcpu_backing_layout {
    struct pcpu_range_shape *ranges; /* by offset */
    struct pcpu_part *parts;         /* range after range */
    struct pcpu_unit_place *units;   /* by offset */
    u64 *span_off, *span_size;       /* address space of a chunk: whole ranges, by offset */
    u32 nr_ranges, nr_parts, nr_units, nr_spans;
    u32 nr_blocks; /* of a unit */
    size_t bytes;  /* of this struct with its arrays */
};

struct pcpu_range {
    const struct pcpu_range_shape *shape;
    void *slot;
    u64 block; /* the reservation; 0: none */
    u64 real[BITMAP_WORDS(PCPU_RANGE_PAGES)];
    u64 leaving[BITMAP_WORDS(PCPU_RANGE_PAGES)]; /* unmapped, but not flushed */
    u16 nr_real, nr_leaving;
    bool promoted;
    bool ready;   /* counted in nr_ready */
    bool refused; /* could not be promoted; not tried again until a page changes */
    bool stale;   /* changed, but not flushed on every CPU; pcpu_range_set_stale() changes it */
};

#define pcpu_for_each_part(p, r)                                                                   \
    for ((p) = (r)->shape->parts; (p) < (r)->shape->parts + (r)->shape->nr_parts; (p)++)

#define pcpu_for_each_range(r, b) for ((r) = (b)->ranges; (r) < (b)->ranges + (b)->nr_ranges; (r)++)

static inline void pcpu_node_add(_Atomic u64 *count, s64 change)
{
    atomic_fetch_add_explicit(count, (u64)change, memory_order_relaxed);
}

static inline struct pcpu_node_count *pcpu_range_count(struct pcpu_backing *b,
                                                       const struct pcpu_range *r)
{
    return &b->env->count[r->shape->node];
}

/* n pages are populated for units of this node; `local` of these pages lie on it. */
static inline void pcpu_count_populated(struct pcpu_backing *b, s32 node, u32 n, u32 local)
{
    struct pcpu_node_count *count = &b->env->count[node];

    pcpu_node_add(&count->requested, n);
    pcpu_node_add(&count->obtained, local);
    pcpu_node_add(&count->fallen_back, n - local);
    pcpu_node_add(&count->populated, n);
    pcpu_node_add(&b->env->cleared_bytes, (s64)(n * PAGE_SIZE));
}

/* ---- flushing -------------------------------------------------------------------------------- */

/* When the list is full, its last entry grows, so that it may flush more than needed. */
struct pcpu_flush_list {
    struct pcpu_flush_range r[PCPU_BATCH];
    u32 n;
};

void pcpu_flush_add(struct pcpu_flush_list *list, u64 start, u64 end);
int pcpu_flush_do(struct pcpu_backing *b, const struct pcpu_flush_list *list) MUST_CHECK;

/* Flushes all of every stale range. -ETIMEDOUT: they stay stale. */
int pcpu_flush_stale(struct pcpu_backing *b) MUST_CHECK;

/* ---- ranges ---------------------------------------------------------------------------------- */

/*
 * Updates ready and nr_ready after a change of pages, reservation or promotion. A stale range is
 * not ready: a CPU may still hold the translation of a page that was replaced, and beside a leaf
 * that names another page for the same address the CPU may use either (SDM vol. 3, 4.10.2.3).
 */
void pcpu_range_update_ready(struct pcpu_backing *b, struct pcpu_range *r);

/* Notes that the range is stale, or flushed again, and whether it is ready then. */
void pcpu_range_set_stale(struct pcpu_backing *b, struct pcpu_range *r, bool stale);

/* Gets a reservation if the range has no real page and its node has a free block. */
bool pcpu_range_reserve(struct pcpu_backing *b, struct pcpu_range *r);

/* Ends the reservation: pages neither real nor leaving go to the buddy. Returns how many. */
u32 pcpu_range_break(struct pcpu_backing *b, struct pcpu_range *r);

/* Logs, once per node, that pages for its units are from another node. */
void pcpu_warn_fallback(struct pcpu_backing_env *env, s32 node, s32 from);

/* Index in the range of this block's page in the part's unit. */
static inline u32 pcpu_part_index(const struct pcpu_part *part, u32 block)
{
    return (u32)((s32)block + part->delta);
}

/* The range at an offset from the chunk's base; NULL: none. */
struct pcpu_range *pcpu_range_at(const struct pcpu_backing *b, u64 off);

#endif
