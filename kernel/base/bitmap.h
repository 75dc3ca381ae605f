/*
 * Bitmaps of a fixed number of bits in an array of u64, as CPU sets and allocation maps use them.
 * Not atomic: the caller holds the lock that protects the map.
 * Pure; may be called from any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_BITMAP_H
#define PERCH_BASE_BITMAP_H

#include "kernel/base/types.h"

#define BITMAP_WORDS(bits)         (((bits) + 63) / 64)
#define DECLARE_BITMAP(name, bits) u64 name[BITMAP_WORDS(bits)]

static inline void bitmap_set_bit(u64 *map, size_t bit)
{
    map[bit / 64] |= 1ULL << (bit % 64);
}

static inline void bitmap_clear_bit(u64 *map, size_t bit)
{
    map[bit / 64] &= ~(1ULL << (bit % 64));
}

static inline bool bitmap_test_bit(const u64 *map, size_t bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

void bitmap_zero(u64 *map, size_t bits);

/* Sets bits [start, start + len). */
void bitmap_set(u64 *map, size_t start, size_t len);

/* Number of set bits. */
size_t bitmap_weight(const u64 *map, size_t bits);

/* First set bit at or after start; bits when there is none. */
size_t bitmap_next_set(const u64 *map, size_t bits, size_t start);

#endif
