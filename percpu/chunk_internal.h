/*
 * What the files of the chunk's bookkeeping (percpu/chunk.h) share: runs of free granules inside
 * one block, the tree over the blocks, and the search for a hole. Promises nothing to anybody else.
 * All numbers are granules; a run [a, b) is half-open. Pure; the caller holds the chunk's lock.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_INTERNAL_H
#define PERCH_PERCPU_CHUNK_INTERNAL_H

#include "percpu/chunk.h"

#define BLOCK_GRANULE_SHIFT 10
#define NO_GRANULE          0xffffffffu
#define NO_BLOCK            0xffffffffu

static_assert(1u << BLOCK_GRANULE_SHIFT == PCPU_BLOCK_GRANULES, "a block is a page of granules");
static_assert(PCPU_BLOCK_WORDS * 64 == PCPU_BLOCK_GRANULES, "a bit per granule");

/* ---- inside a block (chunk_block.c); granules count from the block's start ------------------- */

/* Entirely free, no tag. */
void pcpu_block_init(struct pcpu_block *b);

/* Marks the free run [lo, hi), not empty, as taken. Tags, objects and tree are the caller's. */
void pcpu_block_take(struct pcpu_block *b, u32 lo, u32 hi);

/* The other way; *begin and *end: the free run that [lo, hi) is now part of. */
void pcpu_block_give(struct pcpu_block *b, u32 lo, u32 hi, u32 *begin, u32 *end);

/* The lowest run of size that begins at or above from and ends inside; NO_GRANULE: none. */
u32 pcpu_block_find(const struct pcpu_block *b, u32 from, u32 size);

/* The longest run, which is known to be bound at most (a good bound ends the search early). */
u32 pcpu_block_max(const struct pcpu_block *b, u32 bound);

/* The first taken granule at or above g; 1024: none. */
static inline u32 pcpu_block_run_end(const struct pcpu_block *b, u32 g)
{
    u32 w = g >> 6;
    u64 x;

    if (g >= PCPU_BLOCK_GRANULES)
        return PCPU_BLOCK_GRANULES;
    x = b->taken[w] & ~0ULL << (g & 63);
    while (!x) {
        if (++w == PCPU_BLOCK_WORDS)
            return PCPU_BLOCK_GRANULES;
        x = b->taken[w];
    }
    return w * 64 + (u32)__builtin_ctzll(x);
}

/* The lowest granule of the free run that ends at g (g itself when there is none). */
static inline u32 pcpu_block_run_begin(const struct pcpu_block *b, u32 g)
{
    u32 w = g >> 6;
    u64 x = g & 63 ? b->taken[w] & ((1ULL << (g & 63)) - 1) : 0;

    while (!x) {
        if (!w)
            return 0;
        x = b->taken[--w];
    }
    return w * 64 + 64 - (u32)__builtin_clzll(x);
}

/* ---- the tree (chunk_tree.c) ----------------------------------------------------------------- */

/* All nodes of a chunk whose blocks are all UNPOPULATED. */
void pcpu_tree_init(struct pcpu_chunk *c);

/* All inner nodes from the leaves. */
void pcpu_tree_build(struct pcpu_chunk *c);

/* A leaf's runs and counts from the block's state and map. */
void pcpu_tree_leaf(struct pcpu_chunk *c, u32 block);

/* Adds to the counts of a block's leaf and of all nodes above it. */
void pcpu_tree_count(struct pcpu_chunk *c, u32 block, u32 unpopulated, u32 empty);

/*
 * Changes of several leaves, from left to right, share the way up: after a change of block's leaf
 * its ancestors are brought up to date below the first one that it has in common with next, the
 * leaf that changes afterwards (NO_BLOCK: up to the root). *pending begins as 0 and carries the
 * levels (bit 1 << level) whose node on the way from next to the root must still be recomputed; the
 * caller sets bit 1 when the leaf itself changed.
 */
void pcpu_tree_climb(struct pcpu_chunk *c, u32 block, u32 next, u32 *pending);

/* The lowest UNPOPULATED block, the highest empty one; there must be one. */
u32 pcpu_tree_lowest_unpopulated(const struct pcpu_chunk *c);
u32 pcpu_tree_highest_empty(const struct pcpu_chunk *c);

/* ---- holes (chunk_hole.c) -------------------------------------------------------------------- */

struct pcpu_hole {
    u32 start; /* of the run */
    u32 at;    /* the first place in it at the alignment */
    u32 end;   /* of the run, or a block border at or above at + want when that comes first */
};

/*
 * The hole that pcpu_chunk_alloc() (populated) or pcpu_chunk_grow() (any) takes next: the lowest
 * with size at a multiple of align that begins at or above from; granule from is not free, or 0.
 * Nodes that only describe blocks below that of from may be out of date, and may that block's leaf
 * and those above it as far as they are not used for what comes after it.
 */
bool pcpu_hole_populated(const struct pcpu_chunk *c, u32 from, u32 size, u32 align, u32 want,
                         struct pcpu_hole *h);
bool pcpu_hole_any(const struct pcpu_chunk *c, u32 from, u32 size, u32 align, u32 want,
                   struct pcpu_hole *h);

/* Granules of the object that begins at granule g with this tag. */
u32 pcpu_object_granules(const struct pcpu_chunk *c, u32 g, u8 tag);

#endif
