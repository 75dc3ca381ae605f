/*
 * The search for a hole in a chunk: the lowest one that fits, by the rule of PCPU_CHUNK_TRIES
 * (chunk.h). pcpu_chunk_alloc() searches the populated blocks (any false), pcpu_chunk_grow() all
 * blocks (any true). Inlined into both, because an allocation spends most of its time here. Pure.
 * The caller holds the chunk's lock.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_CHUNK_HOLE_H
#define PERCH_PERCPU_CHUNK_CHUNK_HOLE_H

#include "percpu/chunk/chunk.h"
#include "percpu/chunk/chunk_block.h"
#include "percpu/chunk/chunk_tree.h"

struct pcpu_hole {
    u32 start; /* of the run */
    u32 at;    /* the first aligned granule in it */
    u32 end;   /* of the run, or a lower block border >= at + max */
    /* State of the search over all holes of a call. At first need is size and tries is 0. */
    u32 need, tries;
};

/*
 * Searches nodes [*i, end) of a level for a run of size. *carry: length of the free run that ends
 * at *i. True: *i is the first node in which a run reaches size; *carry is the part of this run
 * before *i, or 0. False: *carry is the length of the free run at the end.
 */
static ALWAYS_INLINE bool hole_next(const struct pcpu_tree_node *level, bool any, u32 len, u32 end,
                                    u32 size, u32 *i, u32 *carry)
{
    u32 run = *carry, k = *i;

    for (; k < end; k++) {
        const struct pcpu_runs *r = pcpu_node_runs(&level[k], any);

        if (!r->max) {
            run = 0;
            continue;
        }
        if (run + r->pre >= size || r->max >= size) {
            if (run + r->pre < size)
                run = 0;
            *i = k;
            *carry = run;
            return true;
        }
        run = r->suf + (r->pre == len ? run : 0);
    }
    *carry = run;
    return false;
}

/* The lowest run of size in node i of a level. carry: the run's part before the node, or 0. */
static ALWAYS_INLINE u32 hole_down(const struct pcpu_chunk *c, bool any, u32 level, u32 i,
                                   u32 carry, u32 size)
{
    const struct pcpu_block *b;

    while (level && !carry) {
        level--;
        i *= FANOUT;
        if (!hole_next(c->level[level], any, pcpu_span(level), i + FANOUT, size, &i, &carry))
            return NO_GRANULE; /* impossible: the parent has such a run */
    }
    if (carry)
        return i * pcpu_span(level) - carry;
    b = c->blocks[i];
    return (i << BLOCK_GRANULE_SHIFT) + (b ? pcpu_block_find(b, 0, size) : 0);
}

/* The lowest run of size at or above from. The tree may be out of date below from. */
static ALWAYS_INLINE u32 hole_run(const struct pcpu_chunk *c, bool any, u32 from, u32 size)
{
    u32 i = from >> BLOCK_GRANULE_SHIFT, carry;

    if (!from)
        return pcpu_node_runs(c->root, any)->max < size ? NO_GRANULE
                                                        : hole_down(c, any, c->height, 0, 0, size);
    if (i >= c->nr_blocks)
        return NO_GRANULE;
    if (pcpu_node_runs(&c->level[0][i], any)->max >= size) {
        u32 g = pcpu_block_find(c->blocks[i], from & (PCPU_BLOCK_GRANULES - 1), size);

        if (g != NO_GRANULE)
            return (i << BLOCK_GRANULE_SHIFT) + g;
    }
    carry = pcpu_node_runs(&c->level[0][i], any)->suf;
    for (u32 level = 0; level < c->height; level++) {
        u32 end = (i | (FANOUT - 1)) + 1;

        i++;
        if (hole_next(c->level[level], any, pcpu_span(level), end, size, &i, &carry))
            return hole_down(c, any, level, i, carry, size);
        i = (end - 1) >> FANOUT_SHIFT;
    }
    return NO_GRANULE;
}

/* The end of the run that begins at start, or a lower block border >= limit. */
static ALWAYS_INLINE u32 hole_end(const struct pcpu_chunk *c, bool any, u32 start, u32 limit)
{
    u32 block = start >> BLOCK_GRANULE_SHIFT, end = block << BLOCK_GRANULE_SHIFT, part;
    const struct pcpu_block *b = c->blocks[block];

    part = b ? pcpu_block_run_end(b, start & (PCPU_BLOCK_GRANULES - 1)) : PCPU_BLOCK_GRANULES;
    end += part;
    while (part == PCPU_BLOCK_GRANULES && end < limit && ++block < c->nr_blocks) {
        part = pcpu_node_runs(&c->level[0][block], any)->pre;
        end += part;
    }
    return end;
}

/*
 * Finds a hole at or above from for size at a multiple of align. The caller takes up to max of it.
 * enough: the caller has an object already, so the search may give up early.
 */
static ALWAYS_INLINE bool hole_find(const struct pcpu_chunk *c, bool any, u32 from, u32 size,
                                    u32 align, u32 max, bool enough, struct pcpu_hole *h)
{
    for (;;) {
        h->start = hole_run(c, any, from, h->need);
        if (h->start != NO_GRANULE) {
            h->at = (h->start + align - 1) & -align;
            h->end = hole_end(c, any, h->start, h->at + max);
            if (h->at + size <= h->end)
                return true;
            from = h->end;
            /* Too many tries: from now on only holes that fit at any start. */
            if (++h->tries == PCPU_CHUNK_TRIES)
                h->need = size + align - 1;
        } else if (h->need > size && !enough) {
            h->need = size; /* no such hole: try the smaller ones */
        } else {
            return false;
        }
    }
}

#endif
