/*
 * Every start and length in a three-word map against an array of bool.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/bitmap.h"
#include "kernel/base/ktest.h"

#define BITS 150

static bool same(const u64 *map, const bool *ref)
{
    for (size_t i = 0; i < BITS; i++)
        if (bitmap_test_bit(map, i) != ref[i])
            return false;
    return true;
}

KTEST(bitmap, set_every_range)
{
    for (size_t start = 0; start < BITS; start++) {
        for (size_t len = 0; start + len <= BITS; len++) {
            DECLARE_BITMAP(map, BITS);
            bool ref[BITS];

            for (size_t i = 0; i < BITS; i++)
                ref[i] = i >= start && i < start + len;
            bitmap_zero(map, BITS);
            bitmap_set(map, start, len);
            REQUIRE_TRUE(same(map, ref));
            REQUIRE_EQ(bitmap_weight(map, BITS), len);
            REQUIRE_EQ(bitmap_next_set(map, BITS, 0), len ? start : BITS);
            REQUIRE_EQ(bitmap_next_set(map, BITS, start + len), BITS);
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
    for (bit = bitmap_next_set(map, BITS, 0); bit < BITS;
         bit = bitmap_next_set(map, BITS, bit + 1)) {
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
    EXPECT_EQ(bitmap_next_set(map, 10, 10), 10);
    EXPECT_EQ(bitmap_next_set(map, 10, 99), 10);
}
