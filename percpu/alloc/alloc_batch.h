/*
 * Objects in batches between magazines and chunks.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_BATCH_H
#define PERCH_PERCPU_ALLOC_ALLOC_BATCH_H

#include "percpu/alloc/alloc_types.h"

/* n objects of one size and alignment (granules) with this tag, or a bump region. */
struct pcpu_request {
    u32 size, align, n;
    u8 tag;
    struct pcpu_bump *bump; /* not NULL: take a region of size to max granules into it */
    u32 max;
};

/*
 * Takes as many of the objects as one chunk has populated holes for, with one lock (1: a region):
 * the lowest chunk with room, draining ones last. Without PCPU_ATOMIC it populates when no chunk
 * has room for the first, and keeps the reserve filled. 0: no memory.
 */
u32 pcpu_take(struct pcpu_allocator *a, const struct pcpu_request *r, u32 flags,
              struct pcpu_entry *batch);

/* Gives n clean objects, of any sizes and chunks, back to their chunks; sorts the batch. */
void pcpu_give_back(struct pcpu_allocator *a, struct pcpu_entry *batch, u32 n);

/* Gives the rest of a bump region back, if there is any. */
void pcpu_give_back_bump(struct pcpu_allocator *a, const struct pcpu_bump *bump);

/* Clears n objects of size bytes in every unit that is backed, unit by unit. Returns bytes. */
u64 pcpu_clear_batch(struct pcpu_allocator *a, const struct pcpu_entry *batch, u32 n, u32 size);

#endif
