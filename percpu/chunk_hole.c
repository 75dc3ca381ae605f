/*
 * The search for a hole, of the populated blocks or of all. Each function is written once for both
 * and inlined twice.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/chunk_internal.h"

static ALWAYS_INLINE const struct pcpu_runs *runs(const struct pcpu_chunk *c, u32 node, bool any)
{
    return any ? &c->tree[node].all : &c->tree[node].pop;
}

/* The granule where the span of a node begins that is `height` levels above the leaves. */
static inline u32 span_begin(const struct pcpu_chunk *c, u32 node, u32 height)
{
    return ((node << height) - c->leaves) << BLOCK_GRANULE_SHIFT;
}

/* The lowest run of size in the span of a node whose max says that there is one. */
static ALWAYS_INLINE u32 find_down(const struct pcpu_chunk *c, bool any, u32 node, u32 height,
                                   u32 size)
{
    const struct pcpu_block *b;

    while (node < c->leaves) {
        const struct pcpu_runs *left = runs(c, 2 * node, any);

        node *= 2;
        height--;
        if (left->max < size) {
            if (left->suf + runs(c, node + 1, any)->pre >= size)
                return span_begin(c, node + 1, height) - left->suf;
            node++;
        }
    }
    b = c->blocks[node - c->leaves];
    return span_begin(c, node, 0) + (b ? pcpu_block_find(b, 0, size) : 0);
}

/* The lowest run of size that begins at or above from (not free, or 0). */
static ALWAYS_INLINE u32 find_run(const struct pcpu_chunk *c, bool any, u32 from, u32 size)
{
    u32 block = from >> BLOCK_GRANULE_SHIFT, node = c->leaves + block, height = 0, carry;

    if (!from)
        return runs(c, 1, any)->max < size
                   ? NO_GRANULE
                   : find_down(c, any, 1, 31 - (u32)__builtin_clz(c->leaves), size);
    if (block >= c->nr_blocks)
        return NO_GRANULE;
    if (runs(c, node, any)->max >= size) {
        u32 g = pcpu_block_find(c->blocks[block], from & (PCPU_BLOCK_GRANULES - 1), size);

        if (g != NO_GRANULE)
            return (block << BLOCK_GRANULE_SHIFT) + g;
    }
    /* carry: the run that ends where the node's span ends. */
    carry = runs(c, node, any)->suf;
    for (; node > 1; node /= 2, height++) {
        const struct pcpu_runs *right = runs(c, node + 1, any);

        if (node & 1)
            continue;
        if (carry + right->pre >= size)
            return span_begin(c, node + 1, height) - carry;
        if (right->max >= size)
            return find_down(c, any, node + 1, height, size);
        carry = right->suf + (right->pre == PCPU_BLOCK_GRANULES << height ? carry : 0);
    }
    return NO_GRANULE;
}

/* Where the run from start ends; the first block border at or above limit when that comes first. */
static ALWAYS_INLINE u32 run_end(const struct pcpu_chunk *c, bool any, u32 start, u32 limit)
{
    u32 block = start >> BLOCK_GRANULE_SHIFT, end = block << BLOCK_GRANULE_SHIFT, part;
    const struct pcpu_block *b = c->blocks[block];

    part = b ? pcpu_block_run_end(b, start & (PCPU_BLOCK_GRANULES - 1)) : PCPU_BLOCK_GRANULES;
    end += part;
    while (part == PCPU_BLOCK_GRANULES && end < limit && ++block < c->nr_blocks) {
        part = runs(c, c->leaves + block, any)->pre;
        end += part;
    }
    return end;
}

static ALWAYS_INLINE bool find_hole(const struct pcpu_chunk *c, bool any, u32 from, u32 size,
                                    u32 align, u32 want, struct pcpu_hole *h)
{
    u32 max = runs(c, 1, any)->max, need = size, tries = 0;

    if (size > max)
        return false;
    for (;;) {
        h->start = find_run(c, any, from, need);
        if (h->start == NO_GRANULE && need == size)
            return false;
        if (h->start != NO_GRANULE) {
            h->at = (h->start + align - 1) & -align;
            h->end = run_end(c, any, h->start, h->at + want);
            if (h->at + size <= h->end)
                return true;
            from = h->end;
        }
        /* Tried too often: the lowest that must fit, if any; else on with the small ones. */
        need = ++tries == PCPU_CHUNK_TRIES && align - 1 <= max - size ? size + align - 1 : size;
    }
}

bool pcpu_hole_populated(const struct pcpu_chunk *c, u32 from, u32 size, u32 align, u32 want,
                         struct pcpu_hole *h)
{
    return find_hole(c, false, from, size, align, want, h);
}

bool pcpu_hole_any(const struct pcpu_chunk *c, u32 from, u32 size, u32 align, u32 want,
                   struct pcpu_hole *h)
{
    return find_hole(c, true, from, size, align, want, h);
}
