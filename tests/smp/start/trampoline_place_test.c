/*
 * The trampoline's pages, when more and more pages below 1 MiB are in use.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/firmware.h"
#include "smp/start/trampoline.h"
#include "smp/start/trampoline_place.h"
#include "tests/mm/memblock/memblock_fixture.h"

#define LOW_END  0x9f000ULL /* as a BIOS leaves it */
#define LOW_PAGE (LOW_END / PAGE_SIZE)

static void machine(struct fixture *f)
{
    EXPECT_EQ(memblock_add(&f->mb, 0, LOW_END), 0);
    EXPECT_EQ(memblock_add(&f->mb, SZ_1M, SZ_2M), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 0, PAGE_SIZE), 0);
}

static void take_page(struct fixture *f, u64 page)
{
    EXPECT_EQ(memblock_reserve(&f->mb, page * PAGE_SIZE, PAGE_SIZE), 0);
}

/* From the top down: each time the next pair below, and at the end none. */
MB_CASE(trampoline_place, page_after_page)
{
    u64 pa;

    machine(f);
    for (u64 page = LOW_PAGE - 1; page >= 2; page--) {
        REQUIRE_EQ(trampoline_place(&f->mb, &pa), 0);
        EXPECT_EQ(pa, (page - 1) * PAGE_SIZE);
        EXPECT_EQ(memblock_phys_free(&f->mb, pa, TRAMPOLINE_SIZE), 0);
        take_page(f, page);
    }
    EXPECT_EQ(firmware_found()->count[FW_MEMORY_LOW], 0);
    EXPECT_EQ(trampoline_place(&f->mb, &pa), -ENOMEM);
    EXPECT_EQ(firmware_found()->count[FW_MEMORY_LOW], 1);
    EXPECT_TRUE(shim_log_contains("only the boot CPU runs"));
}

/* The one hole of two pages is found wherever it is; a hole of one page is none. */
MB_CASE(trampoline_place, the_only_hole)
{
    u64 pa;

    machine(f);
    EXPECT_EQ(memblock_reserve(&f->mb, PAGE_SIZE, LOW_END - PAGE_SIZE), 0);
    for (u64 page = 1; page + 2 <= LOW_PAGE; page++) {
        EXPECT_EQ(memblock_phys_free(&f->mb, page * PAGE_SIZE, PAGE_SIZE), 0);
        EXPECT_EQ(trampoline_place(&f->mb, &pa), -ENOMEM);
        EXPECT_EQ(memblock_phys_free(&f->mb, (page + 1) * PAGE_SIZE, PAGE_SIZE), 0);
        REQUIRE_EQ(trampoline_place(&f->mb, &pa), 0);
        EXPECT_EQ(pa, page * PAGE_SIZE);
    }
}

/* Every second page taken; memory above 1 MiB never serves; page 0 neither, even if free. */
MB_CASE(trampoline_place, never_page_0_nor_above)
{
    u64 pa;

    machine(f);
    for (u64 page = 2; page < LOW_PAGE; page += 2)
        take_page(f, page);
    EXPECT_EQ(memblock_phys_free(&f->mb, 0, PAGE_SIZE), 0);
    EXPECT_EQ(trampoline_place(&f->mb, &pa), -ENOMEM);
}

/* RAM up to 1 MiB, as some virtual machines have it: inside, to the last byte. */
MB_CASE(trampoline_place, ends_at_1m)
{
    u64 pa;

    EXPECT_EQ(memblock_add(&f->mb, 0, SZ_2M), 0);
    REQUIRE_EQ(trampoline_place(&f->mb, &pa), 0);
    EXPECT_EQ(pa + TRAMPOLINE_SIZE, SZ_1M);
}
