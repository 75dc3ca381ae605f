/*
 * Size classes, exhaustively over sizes and alignments.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "percpu/chunk/size_class.h"

KTEST(size_class, never_smaller_never_less_aligned)
{
    for (size_t align = 1; align <= 16384; align *= 2) {
        for (size_t size = 1; size <= 16384; size++) {
            u32 class = pcpu_class_of(size, align);

            if (class == PCPU_CLASS_NONE)
                continue;
            REQUIRE_TRUE(class < PCPU_CLASSES);
            REQUIRE_TRUE(pcpu_class_size(class) >= size);
            REQUIRE_TRUE(pcpu_class_align(class) >= align);
        }
    }
}

KTEST(size_class, at_most_seven_bytes_wasted)
{
    for (size_t align = 1; align <= 8; align *= 2) {
        for (size_t size = 1; size <= 512; size++) {
            u32 got = pcpu_class_size(pcpu_class_of(size, align));

            REQUIRE_TRUE(got - size <= 7);
            if (size <= 4 && align <= 4)
                REQUIRE_EQ(got, 4u);
        }
    }
}

/* Beyond: a multiple of the alignment up to 512 bytes, then at most an eighth more. */
KTEST(size_class, aligned_and_large)
{
    for (size_t align = 1; align <= 8192; align *= 2) {
        for (size_t size = align > 8 ? 1 : 513; size <= 8192; size++) {
            u32 class = pcpu_class_of(size, align);
            size_t exact = align_up(size, MAX(align, 16u));
            bool served = exact <= 4096 && (align <= size || align <= 64);

            REQUIRE_TRUE((class != PCPU_CLASS_NONE) == served);
            if (served && exact <= 512)
                REQUIRE_EQ(pcpu_class_size(class), exact);
            else if (served)
                REQUIRE_TRUE(pcpu_class_size(class) <= exact + exact / 8);
        }
    }
}

KTEST(size_class, of_its_own_size)
{
    for (u32 class = 1; class < PCPU_CLASSES; class ++) {
        u32 size = pcpu_class_size(class), align = pcpu_class_align(class);

        EXPECT_EQ(pcpu_class_of(size, align), class);
        EXPECT_EQ(pcpu_class_of(size - 3, MIN(align, 64u)), class);
        EXPECT_TRUE(size % align == 0);
        EXPECT_TRUE(size % PCPU_GRANULE == 0 && is_pow2(align));
    }
}

KTEST(size_class, tags_hold_all_classes)
{
    EXPECT_LT(PCPU_CLASSES, PCPU_TAG_BIG);
    EXPECT_EQ(PCPU_TAG_BIG & PCPU_TAG_OWNED, 0u);
    EXPECT_EQ(PCPU_TAG_KIND | PCPU_TAG_OWNED, 0xffu);
    EXPECT_EQ(PCPU_CLASS_8 + (512 - 8) / 8 + 1, PCPU_CLASS_ALIGNED);
    EXPECT_EQ(PCPU_CLASS_ALIGNED + 512 / 16, PCPU_CLASS_LARGE);
    EXPECT_EQ(pcpu_class_of(4096, 8) + 1, PCPU_CLASSES);
}

KTEST(size_class, none_beyond_the_largest)
{
    EXPECT_EQ(pcpu_class_of(4097, 4), PCPU_CLASS_NONE);
    EXPECT_EQ(pcpu_class_of(8192, 4096), PCPU_CLASS_NONE);
    EXPECT_EQ(pcpu_class_of(4000, 1024), pcpu_class_of(4096, 8));
    EXPECT_EQ(pcpu_class_of(4090, 16), pcpu_class_of(4096, 8));
    EXPECT_EQ(pcpu_class_of(4096, 8192), PCPU_CLASS_NONE);
    EXPECT_EQ(pcpu_class_of(127, 128), PCPU_CLASS_NONE);
    EXPECT_EQ(pcpu_class_of(1, 64), pcpu_class_of(64, 64));
    EXPECT_EQ(pcpu_class_of(~(size_t)0, 8), PCPU_CLASS_NONE);
    EXPECT_EQ(pcpu_class_of(~(size_t)0, 4096), PCPU_CLASS_NONE);
}
