/*
 * One block of a chunk: its allocation map, and the longest free run of each word of the map. For
 * the files behind percpu/chunk/chunk.h. Granules count from the block's start. The caller holds
 * the chunk's lock, and updates boundary map, tree and counters. Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_CHUNK_BLOCK_H
#define PERCH_PERCPU_CHUNK_CHUNK_BLOCK_H

#include "percpu/chunk/chunk_types.h"

/* Marks the free run [lo, hi), not empty, as taken. */
void pcpu_block_take(struct pcpu_block *b, u32 lo, u32 hi);

/* Marks [lo, hi) as free. [*begin, *end): the free run around it. */
void pcpu_block_give(struct pcpu_block *b, u32 lo, u32 hi, u32 *begin, u32 *end);

/* The lowest free run of size in [from, end of the block); NO_GRANULE: none. */
u32 pcpu_block_find(const struct pcpu_block *b, u32 from, u32 size);

/*
 * Takes up to n objects of size at multiples of align in [from, end of the block), lowest first,
 * and writes their tags. size and align are at most 64, and size is a multiple of align. offs[i]:
 * byte offset in the block, plus base. Returns how many.
 */
u32 pcpu_block_fill(struct pcpu_block *b, u32 from, u32 size, u32 align, u8 tag, u32 n, u32 base,
                    u32 *offs);

/* The longest free run, which the caller knows to be at most bound. A good bound saves time. */
u32 pcpu_block_max(const struct pcpu_block *b, u32 bound);

/* The first taken granule at or above g; none: PCPU_BLOCK_GRANULES. */
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

/* The start of the free run that ends at g; g itself if the granule below is taken. */
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
