/*
 * What a shoot-down asks of a CPU: held against the set of pages that the ranges cover.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "smp/call/tlb_core.h"
#include "tests/host/shim.h"

#define BASE  0xffffc00000000000ULL
#define PAGES 128 /* of the window the random ranges lie in */

static struct tlb_work work;

static bool plan(u64 start, u64 end)
{
    return tlb_plan(&work, &(struct tlb_range){start, end}, 1);
}

/* How often page (a number from BASE on) is dropped by the plan. */
static u32 drops(u64 page)
{
    u32 n = 0;

    for (u32 i = 0; i < work.runs; i++) {
        u64 first = ((work.run[i] & ~(PAGE_SIZE - 1)) - BASE) / PAGE_SIZE;

        n += page >= first && page < first + (work.run[i] & (PAGE_SIZE - 1));
    }
    return n;
}

KTEST(tlb_core, one_page_is_one_page_wherever_it_starts)
{
    EXPECT_TRUE(plan(BASE, BASE + 1));
    EXPECT_EQ(work.pages, 1);
    EXPECT_TRUE(plan(BASE + 100, BASE + PAGE_SIZE));
    EXPECT_EQ(work.pages, 1);
    EXPECT_EQ(drops(0), 1);
    EXPECT_TRUE(plan(BASE + PAGE_SIZE - 1, BASE + PAGE_SIZE + 1));
    EXPECT_EQ(work.pages, 2);
    EXPECT_EQ(work.runs, 1);
    EXPECT_EQ(drops(0) + drops(1), 2);
}

KTEST(tlb_core, nothing_asked_is_nothing)
{
    EXPECT_FALSE(tlb_plan(&work, NULL, 0));
    EXPECT_FALSE(plan(BASE, BASE));
    EXPECT_FALSE(plan(BASE + PAGE_SIZE, BASE));
    EXPECT_EQ(work.pages, 0);
    EXPECT_FALSE(work.full);
    EXPECT_EQ(tlb_work_verify(&work), 0);
}

KTEST(tlb_core, thirty_three_pages_are_the_limit)
{
    EXPECT_TRUE(plan(BASE, BASE + TLB_MAX_PAGES * PAGE_SIZE));
    EXPECT_EQ(work.pages, TLB_MAX_PAGES);
    EXPECT_FALSE(work.full);
    EXPECT_TRUE(plan(BASE, BASE + TLB_MAX_PAGES * PAGE_SIZE + 1));
    EXPECT_TRUE(work.full);
    EXPECT_EQ(work.pages, 0);
    tlb_plan_full(&work);
    EXPECT_TRUE(work.full);
    EXPECT_EQ(tlb_work_verify(&work), 0);
}

KTEST(tlb_core, the_ends_of_the_address_space)
{
    EXPECT_TRUE(plan(0, ~0ULL));
    EXPECT_TRUE(work.full);
    EXPECT_TRUE(plan(~0ULL - PAGE_SIZE, ~0ULL));
    EXPECT_EQ(work.pages, 2);
    EXPECT_TRUE(plan(0, 1));
    EXPECT_EQ(work.run[0], 1);
}

KTEST(tlb_core, neighbours_share_a_run_and_the_limit_counts_all_ranges)
{
    struct tlb_range r[TLB_MAX_PAGES + 1];

    for (u32 i = 0; i <= TLB_MAX_PAGES; i++)
        r[i] = (struct tlb_range){BASE + 2 * i * PAGE_SIZE, BASE + (2 * i + 1) * PAGE_SIZE};
    EXPECT_TRUE(tlb_plan(&work, r, TLB_MAX_PAGES));
    EXPECT_EQ(work.runs, TLB_MAX_PAGES);
    EXPECT_TRUE(tlb_plan(&work, r, TLB_MAX_PAGES + 1));
    EXPECT_TRUE(work.full);
    r[1] = (struct tlb_range){r[0].end, r[0].end + 3 * PAGE_SIZE};
    EXPECT_TRUE(tlb_plan(&work, r, 2));
    EXPECT_EQ(work.runs, 1);
    EXPECT_EQ(work.pages, 4);
}

KTEST(tlb_core, random_ranges_drop_exactly_their_pages)
{
    srand(7);
    for (u32 round = 0; round < 200000; round++) {
        struct tlb_range r[6];
        u32 wanted[PAGES] = {0}, n = (u32)rand() % 7, total = 0;

        for (u32 i = 0; i < n; i++) {
            u64 first = (u64)rand() % PAGES, last = first + (u64)rand() % 10;

            last = last < PAGES ? last : PAGES - 1;
            r[i].start = BASE + first * PAGE_SIZE + (u64)rand() % PAGE_SIZE;
            r[i].end = BASE + last * PAGE_SIZE + 1 + (u64)rand() % PAGE_SIZE;
            if (r[i].end <= r[i].start)
                continue;
            for (u64 page = first; page <= last; page++)
                wanted[page]++, total++;
        }
        REQUIRE_EQ(tlb_plan(&work, r, n), total != 0);
        REQUIRE_EQ(tlb_work_verify(&work), 0);
        REQUIRE_EQ(work.full, total > TLB_MAX_PAGES);
        for (u32 page = 0; page < PAGES && !work.full; page++)
            REQUIRE_EQ(drops(page), wanted[page]);
    }
}

KTEST(tlb_core, verify_finds_a_broken_plan)
{
    EXPECT_TRUE(plan(BASE, BASE + 2 * PAGE_SIZE));
    EXPECT_EQ(tlb_work_verify(&work), 0);
    work.pages++;
    EXPECT_EQ(tlb_work_verify(&work), -EINVAL);
    work.pages--, work.full = true;
    EXPECT_EQ(tlb_work_verify(&work), -EINVAL);
}
