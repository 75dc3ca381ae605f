/*
 * One block of a chunk: its allocation map, and the longest free run of each word of the map. For
 * the files of percpu/chunk/chunk.h. Granules count from the block's start. Boundary map, tree and
 * counters of the chunk are the caller's, who holds the chunk's lock. Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_CHUNK_BLOCK_H
#define PERCH_PERCPU_CHUNK_CHUNK_BLOCK_H

#include "percpu/chunk/chunk_types.h"

/* Marks the free run [lo, hi), not empty, as taken. */
void pcpu_block_take(struct pcpu_block *b, u32 lo, u32 hi);

/* Marks [lo, hi) as free. [*begin, *end): the free run it is now part of. */
void pcpu_block_give(struct pcpu_block *b, u32 lo, u32 hi, u32 *begin, u32 *end);

/* The lowest free run of size that begins at or above from and ends inside; NO_GRANULE: none. */
u32 pcpu_block_find(const struct pcpu_block *b, u32 from, u32 size);

/*
 * Takes up to n objects of size (at most 64) at multiples of align (at most 64; size is a multiple
 * of it) from `from` to the block's end, lowest first, and writes their tags. offs[i]: byte offset
 * from the block's start, plus base. Returns how many.
 */
u32 pcpu_block_fill(struct pcpu_block *b, u32 from, u32 size, u32 align, u8 tag, u32 n, u32 base,
                    u32 *offs);

/* The longest free run. It is known to be at most bound; a good bound ends the search early. */
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

#endif
