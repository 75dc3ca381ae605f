/*
 * Every start and length in a three-word map against an array of bool.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/app/ktest.h"
#include "kernel/base/bitmap.h"

#define BITS 150

static bool same(const u64 *map, const bool *ref)
{
    for (size_t i = 0; i < BITS; i++)
        if (bitmap_test_bit(map, i) != ref[i])
            return false;
    return true;
}

KTEST(bitmap, set_and_clear_every_range)
{
    for (size_t start = 0; start < BITS; start++) {
        for (size_t len = 0; start + len <= BITS; len++) {
            DECLARE_BITMAP(map, BITS);
            DECLARE_BITMAP(full, BITS);
            bool ref[BITS] = {0}, inverse[BITS];

            for (size_t i = 0; i < BITS; i++) {
                ref[i] = i >= start && i < start + len;
                inverse[i] = !ref[i];
            }
            bitmap_zero(map, BITS);
            bitmap_set(map, start, len);
            bitmap_zero(full, BITS);
            bitmap_set(full, 0, BITS);
            bitmap_clear(full, start, len);
            REQUIRE_TRUE(same(map, ref));
            REQUIRE_TRUE(same(full, inverse));
            REQUIRE_EQ(bitmap_weight(map, BITS), len);
            REQUIRE_EQ(bitmap_weight(full, BITS), BITS - len);
            REQUIRE_EQ(bitmap_next_set(map, BITS, 0), len ? start : BITS);
            REQUIRE_EQ(bitmap_next_clear(full, BITS, 0), len ? start : BITS);
            REQUIRE_EQ(bitmap_next_clear(map, BITS, start), start + len);
            REQUIRE_EQ(bitmap_next_set(full, BITS, start), start + len);
        }
    }
}

KTEST(bitmap, single_bits_and_walk)
{
    DECLARE_BITMAP(map, BITS) = {0};
    static const size_t want[] = {0, 63, 64, 127, 149};
    size_t bit, n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        bitmap_set_bit(map, want[i]);
    for_each_set_bit(bit, map, BITS)
    {
        REQUIRE_TRUE(n < ARRAY_SIZE(want));
        EXPECT_EQ(bit, want[n++]);
    }
    EXPECT_EQ(n, ARRAY_SIZE(want));
    bitmap_clear_bit(map, 64);
    EXPECT_FALSE(bitmap_test_bit(map, 64));
    EXPECT_EQ(bitmap_weight(map, 64), 2);
}

KTEST(bitmap, bits_above_the_size_do_not_count)
{
    u64 map[1] = {~0ULL};

    EXPECT_EQ(bitmap_weight(map, 10), 10);
    EXPECT_EQ(bitmap_next_clear(map, 10, 0), 10);
    EXPECT_EQ(bitmap_next_set(map, 10, 10), 10);
    EXPECT_EQ(bitmap_next_set(map, 10, 99), 10);
}
