/*
 * What the files of the chunk's bookkeeping (percpu/chunk.h) share: runs of free granules inside
 * one block, the tree over the blocks, and the search for a hole. Promises nothing to anybody else.
 * All numbers are granules; a run [a, b) is half-open. Pure; the caller holds the chunk's lock.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_INTERNAL_H
#define PERCH_PERCPU_CHUNK_INTERNAL_H

#include "percpu/block_list.h"
#include "percpu/chunk.h"

#define BLOCK_GRANULE_SHIFT 10
#define NO_GRANULE          0xffffffffu
#define NO_BLOCK            0xffffffffu

static_assert(1u << BLOCK_GRANULE_SHIFT == PCPU_BLOCK_GRANULES, "a block is a page of granules");
static_assert(PCPU_BLOCK_WORDS * 64 == PCPU_BLOCK_GRANULES, "a bit per granule");

/* ---- inside a block (chunk_block.c); granules count from the block's start ------------------- */

/* Marks the free run [lo, hi), not empty, as taken. Tags, objects and tree are the caller's. */
void pcpu_block_take(struct pcpu_block *b, u32 lo, u32 hi);

/* The other way; *begin and *end: the free run that [lo, hi) is now part of. */
void pcpu_block_give(struct pcpu_block *b, u32 lo, u32 hi, u32 *begin, u32 *end);

/* The lowest run of size that begins at or above from and ends inside; NO_GRANULE: none. */
u32 pcpu_block_find(const struct pcpu_block *b, u32 from, u32 size);

/*
 * Up to n objects of size (at most 64) at multiples of align (at most 64, and size is one of them)
 * between from and the block's end, lowest first: map and tags. offs[i] gets where,
 * in bytes from the block's start, plus base.
 */
u32 pcpu_block_fill(struct pcpu_block *b, u32 from, u32 size, u32 align, u8 tag, u32 n, u32 base,
                    u32 *offs);

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
    if (!x) {
        do {
            if (++w == PCPU_BLOCK_WORDS)
                return PCPU_BLOCK_GRANULES;
        } while (!b->taken[w]);
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

#define FANOUT_SHIFT 3
#define FANOUT       8u

/* Granules of the span of a node of this level. */
static inline u32 pcpu_span(u32 level)
{
    return PCPU_BLOCK_GRANULES << FANOUT_SHIFT * level;
}

/* Nodes of a level, with those that only fill up a parent's eight. */
u32 pcpu_tree_nodes(u32 nr_blocks, u32 height, u32 level);

/* All nodes of a chunk whose blocks are all UNPOPULATED. */
void pcpu_tree_init(struct pcpu_chunk *c);

/* A leaf from the block's state and map. */
void pcpu_tree_leaf(struct pcpu_chunk *c, u32 block);

/* Adds to nr_empty of a block's leaf and of all nodes above it. */
void pcpu_tree_count_empty(struct pcpu_chunk *c, u32 block, u32 add);

/*
 * Blocks without objects went from one state to another: their leaves and the nodes above them, in
 * one pass. In ascending order. One of the two states is BUSY.
 */
void pcpu_tree_set(struct pcpu_chunk *c, u32 n, const u32 *blocks, enum pcpu_block_state from,
                   enum pcpu_block_state to);

/* After any changes of the leaves first..last: the nodes above them. */
void pcpu_tree_refresh(struct pcpu_chunk *c, u32 first, u32 last);

/* The same for all blocks. */
void pcpu_tree_build(struct pcpu_chunk *c);

/* After a populated block's runs changed from these to what its leaf says, and no state. */
void pcpu_tree_climb(struct pcpu_chunk *c, u32 block, const struct pcpu_runs *before);

/* The lowest UNPOPULATED block from `from` on, the highest empty one below `below`, or NO_BLOCK. */
u32 pcpu_tree_next_unpopulated(const struct pcpu_chunk *c, u32 from);
u32 pcpu_tree_last_empty(const struct pcpu_chunk *c, u32 below);

/* ---- objects --------------------------------------------------------------------------------- */

/* Granules of the object that begins at granule g with this tag. */
u32 pcpu_object_granules(const struct pcpu_chunk *c, u32 g, u8 tag);

#endif
