/*
 * For the files of the debug checks only (debug.h). The caller holds the lock.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_DEBUG_DEBUG_INTERNAL_H
#define PERCH_PERCPU_DEBUG_DEBUG_INTERNAL_H

#include "kernel/base/bitmap.h"
#include "kernel/base/print.h"
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_lookup.h"
#include "percpu/debug/debug.h"

#define PCPU_DEBUG_LINES 64 /* most lines about damage and wrong frees */

/* ---- patterns (debug_pattern.c) -------------------------------------------------------------- */

enum pcpu_debug_part { PCPU_PART_FRONT, PCPU_PART_BODY, PCPU_PART_BACK };

/* A byte that differs from its pattern. */
struct pcpu_debug_find {
    enum pcpu_debug_part part;
    u32 cpu;
    u32 off; /* in the part */
    u8 byte; /* its value */
};

/* Writes one CPU's zones, and the poison of a freed object. */
void pcpu_debug_mark_cpu(struct pcpu_debug *d, const struct pcpu_debug_record *r, u32 cpu);
/* The same for all units. */
void pcpu_debug_mark(struct pcpu_debug *d, const struct pcpu_debug_record *r);
/* Fills [start, start + size) of the object in all units. */
void pcpu_debug_fill(struct pcpu_debug *d, const struct pcpu_debug_record *r, uintptr_t start,
                     u32 size, u8 byte);

/* True: zones and poison are whole in all units. Else *find: damage on the lowest damaged CPU. */
bool pcpu_debug_whole(struct pcpu_debug *d, const struct pcpu_debug_record *r,
                      struct pcpu_debug_find *find);
/* True: the object and its zones are zero. find->part: the body; find->off: from ptr - front. */
bool pcpu_debug_zero(struct pcpu_debug *d, const struct pcpu_debug_record *r,
                     struct pcpu_debug_find *find);

/* True: in the first chunk, which is backed for every CPU. */
static inline bool pcpu_debug_in_first(const struct pcpu_debug *d, uintptr_t ptr)
{
    return ptr - d->a->static_start < d->a->unit_size;
}

/* ---- lines (debug_report.c) ------------------------------------------------------------------ */

/* Checks an object; logs, counts and repairs damage. True: no damage. */
bool pcpu_debug_check(struct pcpu_debug *d, const struct pcpu_debug_record *r);

void pcpu_debug_say_not_zero(struct pcpu_debug *d, const struct pcpu_debug_record *r,
                             const struct pcpu_debug_find *find);
void pcpu_debug_say_mapped(struct pcpu_debug *d, const struct pcpu_debug_record *r);
void pcpu_debug_say_double(struct pcpu_debug *d, const struct pcpu_debug_record *r, uintptr_t site);

/* For a ptr without a record. False: unknown here, so the allocator must check it. */
bool pcpu_debug_say_wrong(struct pcpu_debug *d, uintptr_t ptr, uintptr_t site);

/* ---- records (debug.c) ----------------------------------------------------------------------- */

static inline u32 pcpu_debug_hash(uintptr_t ptr)
{
    return (u32)((u64)ptr * 0x9e3779b97f4a7c15ULL >> 32);
}

/* The record after r. r NULL and *bucket 0: the first record. NULL: the end. */
static inline struct pcpu_debug_record *
pcpu_debug_next(const struct pcpu_debug *d, const struct pcpu_debug_record *r, u32 *bucket)
{
    struct pcpu_debug_record *next = r ? r->next : d->bucket[*bucket];

    while (!next && ++*bucket < PCPU_DEBUG_BUCKETS)
        next = d->bucket[*bucket];
    return next;
}

#endif
