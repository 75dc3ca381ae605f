/*
 * One block of a chunk; see chunk_block.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/chunk/chunk_block.h"

#include "percpu/chunk/clear.h"

#define FULL (~0ULL)

void pcpu_block_init(struct pcpu_block *b)
{
    pcpu_clear(b, sizeof(*b));
    pcpu_block_init_zero(b);
}

/* Length of the longest run of ones. */
static u32 longest_ones(u64 x)
{
    u32 run = 1;

    if (!x)
        return 0;
    /* With only one run, the carry clears all bits. */
    if (!((x + (x & -x)) & x))
        return 64 - (u32)__builtin_clzll(x) - (u32)__builtin_ctzll(x);
    /* x: the starts of runs of `run` ones. Doubles `run` first, then adds smaller steps. */
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

/* Takes the whole block: the usual case in a large object. Unrolled for speed. */
static void take_all(struct pcpu_block *b)
{
    u64 *word = b->taken, *end = word + PCPU_BLOCK_WORDS;

    for (; word != end; word += 4) {
        word[0] = FULL;
        word[1] = FULL;
        word[2] = FULL;
        word[3] = FULL;
    }
    memset(b->word_run, 0, sizeof(b->word_run));
}

void pcpu_block_take(struct pcpu_block *b, u32 lo, u32 hi)
{
    u32 w = lo >> 6, last = (hi - 1) >> 6;
    u64 first_mask = FULL << (lo & 63), last_mask = FULL >> (63 - ((hi - 1) & 63));

    b->free -= hi - lo;
    if (hi - lo == PCPU_BLOCK_GRANULES) {
        take_all(b);
        return;
    }
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
    u64 below, above;

    b->free += hi - lo;
    if (w == last) {
        /* The most common case: an object in one word, between taken granules. */
        below = b->taken[w] & ~first_mask;
        above = b->taken[w] & ~last_mask;
        if (below && above) {
            b->taken[w] = below | above;
            from = 64 - (u32)__builtin_clzll(below);
            to = (u32)__builtin_ctzll(above);
            if (b->word_run[w] < to - from)
                b->word_run[w] = (u8)(to - from);
            *begin = w * 64 + from;
            *end = w * 64 + to;
            return;
        }
    }
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
    /* Words outside of [lo, hi) have not changed, so word_run is right there. */
    for (; w <= last; w++) {
        u32 part = MIN(to, w * 64 + 64) - MAX(from, w * 64);

        if (b->word_run[w] < part)
            b->word_run[w] = (u8)part;
    }
}

/* Has a one at each start of size (at most 64) ones in x. */
static inline u64 starts_of(u64 x, u32 size)
{
    u32 step;

    for (u32 run = 1; run < size; run += step) {
        step = MIN(run, size - run);
        x &= x >> step;
    }
    return x;
}

u32 pcpu_block_find(const struct pcpu_block *b, u32 from, u32 size)
{
    u32 start = from; /* of the free run that ends at the current word */
    u32 w = from >> 6;
    u64 x = b->taken[w] | ((1ULL << (from & 63)) - 1);

    for (;;) {
        u32 at = w * 64;

        /* The run that ends before this word has been checked with the word before. */
        if (x == FULL) {
            while (++w < PCPU_BLOCK_WORDS && b->taken[w] == FULL)
                ;
            if (w == PCPU_BLOCK_WORDS)
                return NO_GRANULE;
            start = w * 64;
            x = b->taken[w];
            continue;
        }
        if (!x) {
            if (at + 64 - start >= size)
                return start;
        } else {
            if (at + (u32)__builtin_ctzll(x) >= start + size)
                return start;
            if (b->word_run[w] >= size) {
                u64 starts = starts_of(~x, size);

                if (starts)
                    return at + (u32)__builtin_ctzll(starts);
            }
            start = at + 64 - (u32)__builtin_clzll(x);
        }
        if (++w == PCPU_BLOCK_WORDS)
            return NO_GRANULE;
        x = b->taken[w];
    }
}

/* Takes an object that begins in word w, which ends in `tail` free granules, and ends in w + 1. */
static bool fill_border(struct pcpu_block *b, u32 w, u32 tail, u32 size, u32 align, u32 *at)
{
    u64 next = b->taken[w + 1];
    u32 border = (w + 1) * 64, lead = next ? (u32)__builtin_ctzll(next) : 64;

    *at = (border - tail + align - 1) & -align;
    if (*at >= border || *at + size > border + lead)
        return false;
    pcpu_block_take(b, *at, *at + size);
    return true;
}

u32 pcpu_block_fill(struct pcpu_block *b, u32 from, u32 size, u32 align, u8 tag, u32 n, u32 base,
                    u32 *offs)
{
    u64 ones = FULL >> (64 - size), aligned = align < 64 ? FULL / ((1ULL << align) - 1) : 1;
    u64 shown = FULL << (from & 63); /* the bits of the first word from `from` on */
    u32 done = 0, at;

    for (u32 w = from >> 6; w < PCPU_BLOCK_WORDS && done < n; w++, shown = FULL) {
        u64 free = ~b->taken[w] & shown, taken = 0, starts;

        if (!free)
            continue;
        if (b->word_run[w] >= size) {
            starts = starts_of(free, size) & aligned;
            while (starts && done < n) {
                u32 bit = (u32)__builtin_ctzll(starts);

                at = w * 64 + bit;
                b->tag[at] = tag;
                offs[done++] = base + at * PCPU_GRANULE;
                b->free -= size;
                taken |= ones << bit;
                starts &= ~(ones << bit);
            }
            if (taken)
                take_in_word(b, w, taken);
            free &= ~taken;
        }
        if (!(free >> 63) || done == n || w + 1 == PCPU_BLOCK_WORDS)
            continue;
        /* ~free is not 0: every free word has room for an object. */
        if (fill_border(b, w, (u32)__builtin_clzll(~free), size, align, &at)) {
            b->tag[at] = tag;
            offs[done++] = base + at * PCPU_GRANULE;
        }
    }
    return done;
}

u32 pcpu_block_max(const struct pcpu_block *b, u32 bound)
{
    u32 max = 0, run = 0; /* run: length of the free run that ends at the current word */

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
