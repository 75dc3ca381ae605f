/*
 * boot/bios_area: what the BIOS data area says, and what it cannot mean.
 * SPDX-License-Identifier: MIT
 */
#include "boot/bios_area.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "tests/host/shim.h"

struct bda {
    u16 ebda, kib;
    bool absent;
};

static const void *map(void *ctx, u64 pa, size_t len)
{
    const struct bda *b = ctx;

    EXPECT_EQ(len, 2);
    if (b->absent)
        return NULL;
    return pa == 0x40e ? &b->ebda : pa == 0x413 ? &b->kib : NULL;
}

static u64 start(u16 ebda, u16 kib)
{
    struct bda b = {.ebda = ebda, .kib = kib};
    struct phys_window w = {map, &b, NULL};

    return bios_area_start(&w);
}

KTEST(bios_area, the_lower_of_both_words)
{
    EXPECT_EQ(start(0x9fc0, 639), 0x9fc00); /* most machines */
    EXPECT_EQ(start(0x9d80, 639), 0x9d800);
    EXPECT_EQ(start(0x9fc0, 624), 0x9c000); /* something took more behind the EBDA's back */
    EXPECT_EQ(start(0x2000, 640), 0x20000);
}

KTEST(bios_area, what_no_bios_says)
{
    struct bda b = {.absent = true};
    struct phys_window w = {map, &b, NULL};

    EXPECT_EQ(start(0, 0), BIOS_AREA_END);
    EXPECT_EQ(start(0xffff, 0xffff), BIOS_AREA_END);
    EXPECT_EQ(start(0x1fff, 127), BIOS_AREA_END);
    EXPECT_EQ(start(0xa000, 640), BIOS_AREA_END);
    EXPECT_EQ(start(0x40, 639), 0x9fc00); /* one of the two is enough */
    EXPECT_EQ(start(0x9000, 0), 0x90000);
    EXPECT_EQ(bios_area_start(&w), BIOS_AREA_END);
}
