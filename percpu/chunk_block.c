/*
 * Inside one block of a chunk: the allocation map and the longest run of each of its words.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "percpu/chunk_internal.h"

#define FULL (~0ULL)

void pcpu_block_init(struct pcpu_block *b)
{
    memset(b, 0, sizeof(*b));
    memset(b->word_run, 64, sizeof(b->word_run));
    b->free = PCPU_BLOCK_GRANULES;
}

/* Length of the longest run of ones. */
static u32 longest_ones(u64 x)
{
    u32 run = 1;

    if (!x)
        return 0;
    /* The carry through a single run leaves none of its bits. */
    if (!((x + (x & -x)) & x))
        return 64 - (u32)__builtin_clzll(x) - (u32)__builtin_ctzll(x);
    /* x: where runs of `run` ones begin. Doubled as long as possible, then the rest by halves. */
    for (u64 t; (t = x & x >> run); run *= 2)
        x = t;
    for (u32 step = run / 2; step; step /= 2) {
        u64 t = x & x >> step;

        if (t) {
            x = t;
            run += step;
        }
    }
    return run;
}

static inline void take_in_word(struct pcpu_block *b, u32 w, u64 mask)
{
    u64 x = b->taken[w] | mask;

    b->taken[w] = x;
    b->word_run[w] = (u8)longest_ones(~x);
}

void pcpu_block_take(struct pcpu_block *b, u32 lo, u32 hi)
{
    u32 w = lo >> 6, last = (hi - 1) >> 6;
    u64 first_mask = FULL << (lo & 63), last_mask = FULL >> (63 - ((hi - 1) & 63));

    b->free -= hi - lo;
    if (w == last) {
        take_in_word(b, w, first_mask & last_mask);
        return;
    }
    take_in_word(b, w, first_mask);
    while (++w < last) {
        b->taken[w] = FULL;
        b->word_run[w] = 0;
    }
    take_in_word(b, w, last_mask);
}

void pcpu_block_give(struct pcpu_block *b, u32 lo, u32 hi, u32 *begin, u32 *end)
{
    u32 w = lo >> 6, last = (hi - 1) >> 6, from, to;
    u64 first_mask = FULL << (lo & 63), last_mask = FULL >> (63 - ((hi - 1) & 63));

    b->free += hi - lo;
    if (w == last) {
        b->taken[w] &= ~(first_mask & last_mask);
    } else {
        b->taken[w] &= ~first_mask;
        for (u32 i = w + 1; i < last; i++)
            b->taken[i] = 0;
        b->taken[last] &= ~last_mask;
    }
    *begin = from = pcpu_block_run_begin(b, lo);
    *end = to = pcpu_block_run_end(b, hi);
    /* The run's part in other words was free, and counted there, before. */
    for (; w <= last; w++) {
        u32 part = MIN(to, w * 64 + 64) - MAX(from, w * 64);

        if (b->word_run[w] < part)
            b->word_run[w] = (u8)part;
    }
}

/* Where the lowest run of size (at most 64) ones begins; 64: none. */
static inline u32 find_ones(u64 x, u32 size)
{
    u32 step;

    for (u32 run = 1; run < size; run += step) {
        step = MIN(run, size - run);
        x &= x >> step;
    }
    return x ? (u32)__builtin_ctzll(x) : 64;
}

u32 pcpu_block_find(const struct pcpu_block *b, u32 from, u32 size)
{
    u32 start = from; /* of the run that reaches the current word */
    u64 hidden = (1ULL << (from & 63)) - 1;

    for (u32 w = from >> 6; w < PCPU_BLOCK_WORDS; w++) {
        u64 x = b->taken[w] | hidden;
        u32 at = w * 64;

        hidden = 0;
        /* A run that ended in the word before was looked at there. */
        if (x == FULL) {
            start = at + 64;
            continue;
        }
        if (!x) {
            if (at + 64 - start >= size)
                return start;
            continue;
        }
        if (at > start && at + (u32)__builtin_ctzll(x) - start >= size)
            return start;
        if (b->word_run[w] >= size) {
            u32 bit = find_ones(~x, size);

            if (bit < 64)
                return at + bit;
        }
        start = at + 64 - (u32)__builtin_clzll(x);
    }
    return NO_GRANULE;
}

u32 pcpu_block_max(const struct pcpu_block *b, u32 bound)
{
    u32 max = 0, run = 0; /* run: the one that reaches the current word */

    for (u32 w = 0; w < PCPU_BLOCK_WORDS; w++) {
        u64 x = b->taken[w];

        if (!x) {
            run += 64;
            continue;
        }
        if (x != FULL) {
            run += (u32)__builtin_ctzll(x);
            max = MAX(max, run);
            max = MAX(max, b->word_run[w]);
            run = (u32)__builtin_clzll(x);
        } else {
            max = MAX(max, run);
            run = 0;
        }
        if (max >= bound)
            return max;
    }
    return MAX(max, run);
}
