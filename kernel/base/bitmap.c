/*
 * Ranges and searches work on whole words. Bits above the map's size are masked, so a map may be
 * part of a larger array.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/bitmap.h"

#include "kernel/base/string.h"

/* The bits of word w that lie in [start, end). */
static u64 range_in_word(size_t w, size_t start, size_t end)
{
    u64 mask = ~0ULL;

    if (start > w * 64)
        mask &= ~0ULL << (start % 64);
    if (end < (w + 1) * 64)
        mask &= ~0ULL >> (64 - end % 64);
    return mask;
}

void bitmap_zero(u64 *map, size_t bits)
{
    memset(map, 0, BITMAP_WORDS(bits) * sizeof(u64));
}

void bitmap_set(u64 *map, size_t start, size_t len)
{
    size_t end = start + len;

    if (len == 0)
        return;
    for (size_t w = start / 64; w < BITMAP_WORDS(end); w++)
        map[w] |= range_in_word(w, start, end);
}

/* Number of bits set in v. The builtin would call the compiler's library, which is not linked. */
static unsigned int popcount(u64 v)
{
    v -= v >> 1 & 0x5555555555555555ULL;
    v = (v & 0x3333333333333333ULL) + (v >> 2 & 0x3333333333333333ULL);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return (unsigned int)(v * 0x0101010101010101ULL >> 56);
}

size_t bitmap_weight(const u64 *map, size_t bits)
{
    size_t n = 0;

    for (size_t w = 0; w < BITMAP_WORDS(bits); w++)
        n += popcount(map[w] & range_in_word(w, 0, bits));
    return n;
}

size_t bitmap_next_set(const u64 *map, size_t bits, size_t start)
{
    if (start >= bits)
        return bits;
    for (size_t w = start / 64; w < BITMAP_WORDS(bits); w++) {
        u64 v = map[w] & range_in_word(w, start, bits);

        if (v)
            return w * 64 + (size_t)__builtin_ctzll(v);
    }
    return bits;
}
