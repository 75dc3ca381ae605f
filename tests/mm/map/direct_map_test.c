/*
 * The direct map covers exactly the given ranges, with the largest leaves that fit, and leaves no
 * writable alias of the kernel's text; the kernel map keeps its guard pages.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include "tests/mm/map/fake_pages.h"
#include "kernel/base/ktest.h"
#include "mm/map/direct_map.h"
#include "mm/map/address_map.h"
#include "tests/host/shim.h"

static struct fake_pages pages;
static struct pagetable pt;
static struct direct_map_stats stats;

static void start(bool has_1g)
{
    shim_log_reset();
    fake_init(&pages, SZ_1M);
    if (pagetable_init(&pt, &pages.src, NODE_NONE, has_1g, true))
        abort();
}

static void stop(void)
{
    fake_destroy(&pt);
    EXPECT_EQ(pages.live, 0);
    fake_done(&pages);
}

/* Merges the walk into runs of equal permissions, as the direct map's ranges are written down. */
struct run {
    u64 start, end;
    u32 prot;
};

struct runs {
    struct run r[16];
    u32 n;
};

static int add_run(void *ctx, const struct pt_leaf *leaf)
{
    struct runs *runs = ctx;
    struct run *last = runs->n ? &runs->r[runs->n - 1] : NULL;

    EXPECT_EQ(leaf->va, DIRECT_MAP_BASE + leaf->pa);
    if (last && last->end == leaf->pa && last->prot == leaf->prot)
        last->end += leaf->size;
    else if (runs->n < ARRAY_SIZE(runs->r))
        runs->r[runs->n++] = (struct run){leaf->pa, leaf->pa + leaf->size, leaf->prot};
    return 0;
}

static void expect_runs(const struct run *want, u32 n)
{
    struct runs got = {.n = 0};

    EXPECT_EQ(pagetable_walk(&pt, 0, 0, add_run, &got), 0);
    EXPECT_EQ(got.n, n);
    for (u32 i = 0; i < MIN(n, got.n); i++) {
        EXPECT_EQ(got.r[i].start, want[i].start);
        EXPECT_EQ(got.r[i].end, want[i].end);
        EXPECT_EQ(got.r[i].prot, want[i].prot);
    }
}

#define RW (PT_W | PT_G)
#define RO PT_G

KTEST(direct_map, pc_with_4g)
{
    static const struct range ram[] = {
        {0x1000, 0x9fc00}, {SZ_1M, 0xbffe0000}, {0xbffe0000, 0xbfff0123}, {SZ_4G, SZ_4G + SZ_1G}};
    static const struct range ro[] = {{0x210000, 0x345000}};
    static const struct run want[] = {{0x1000, 0xa0000, RW},
                                      {SZ_1M, 0x210000, RW},
                                      {0x210000, 0x345000, RO},
                                      {0x345000, 0xbfff1000, RW},
                                      {SZ_4G, SZ_4G + SZ_1G, RW}};
    char line[100];

    start(true);
    REQUIRE_EQ(direct_map_build(&pt, ram, 4, ro, 1, &stats), 0);
    expect_runs(want, ARRAY_SIZE(want));
    /* 1 GiB: [1,2) GiB and [4,5) GiB. 2 MiB: the rest of [4 MiB, 3 GiB). 4 KiB: the borders. */
    EXPECT_EQ(stats.leaves[PT_LEAF_1G], 2);
    EXPECT_EQ(stats.leaves[PT_LEAF_2M], 510 + 511);
    EXPECT_EQ(stats.leaves[PT_LEAF_4K], 0x9f + 0x300 + 0x1f1);
    EXPECT_EQ(stats.tables, pt.tables - 1);
    EXPECT_EQ(stats.bytes, 0x9f000 + (0xbfff1000 - SZ_1M) + SZ_1G);
    EXPECT_EQ(stats.clipped, 0);
    snprintf(line, sizeof(line), "direct map: %llu MiB: 2 x 1G, 1021 x 2M, %u x 4K",
             (unsigned long long)(stats.bytes >> 20), 0x9f + 0x300 + 0x1f1);
    EXPECT_STREQ(shim_log_line(0), line);
    EXPECT_EQ(shim_log_count(), 1);
    stop();
}

KTEST(direct_map, without_1g)
{
    static const struct range ram[] = {{0, SZ_1G}};

    start(false);
    REQUIRE_EQ(direct_map_build(&pt, ram, 1, NULL, 0, &stats), 0);
    EXPECT_EQ(stats.leaves[PT_LEAF_2M], 512);
    EXPECT_EQ(stats.leaves[PT_LEAF_4K] + stats.leaves[PT_LEAF_1G], 0);
    EXPECT_STREQ(shim_log_line(0), "direct map: 1024 MiB: 0 x 1G, 512 x 2M, 0 x 4K");
    stop();
}

/* Two tables in one page, and a table that touches RAM: one page, one run. */
KTEST(direct_map, ranges_that_share_pages)
{
    static const struct range ram[] = {{0, SZ_1M},
                                       {SZ_1M, SZ_2M},
                                       {SZ_2M + 0x100, SZ_2M + 0x200},
                                       {SZ_2M + 0x300, SZ_2M + 0x1001},
                                       {SZ_4G + 5, SZ_4G + 6}};
    static const struct run want[] = {{0, SZ_2M + 0x2000, RW}, {SZ_4G, SZ_4G + 0x1000, RW}};

    start(true);
    REQUIRE_EQ(direct_map_build(&pt, ram, 5, NULL, 0, &stats), 0);
    expect_runs(want, 2);
    EXPECT_EQ(stats.leaves[PT_LEAF_2M], 1);
    EXPECT_EQ(stats.leaves[PT_LEAF_4K], 3);
    stop();
}

/* Read-only memory beside, around and across the borders of the listed memory. */
KTEST(direct_map, read_only_borders)
{
    static const struct range ram[] = {{0x10000, 0x20000}, {0x30000, 0x40000}, {SZ_2M, 2 * SZ_2M}};
    static const struct range ro[] = {{0, 0x8000},        {0x1f000, 0x31000}, {0x33000, 0x34000},
                                      {0x34000, 0x35000}, {SZ_2M, 2 * SZ_2M}, {SZ_4G, SZ_4G * 2}};
    static const struct run want[] = {{0x10000, 0x1f000, RW}, {0x1f000, 0x20000, RO},
                                      {0x30000, 0x31000, RO}, {0x31000, 0x33000, RW},
                                      {0x33000, 0x35000, RO}, {0x35000, 0x40000, RW},
                                      {SZ_2M, 2 * SZ_2M, RO}};

    start(true);
    REQUIRE_EQ(direct_map_build(&pt, ram, 3, ro, 6, &stats), 0);
    expect_runs(want, ARRAY_SIZE(want));
    EXPECT_EQ(stats.leaves[PT_LEAF_2M], 1); /* read-only as one leaf */
    stop();
}

KTEST(direct_map, above_the_limit)
{
    static const struct range ram[] = {{PHYS_LIMIT - SZ_1G, PHYS_LIMIT + SZ_1G},
                                       {PHYS_LIMIT + 2 * SZ_1G, PHYS_LIMIT + 3 * SZ_1G}};
    static const struct run want[] = {{PHYS_LIMIT - SZ_1G, PHYS_LIMIT, RW}};

    start(true);
    REQUIRE_EQ(direct_map_build(&pt, ram, 2, NULL, 0, &stats), 0);
    expect_runs(want, 1);
    EXPECT_EQ(stats.clipped, 2 * SZ_1G);
    EXPECT_TRUE(shim_log_contains("2048 MiB above 64 TiB are left unused"));
    stop();
}

KTEST(direct_map, refuses_disorder)
{
    static const struct range twisted[] = {{SZ_2M, 2 * SZ_2M}, {0, SZ_1M}};
    static const struct range overlap[] = {{0, SZ_2M}, {SZ_1M, 2 * SZ_2M}};
    static const struct range empty[] = {{0x5000, 0x5000}}, odd[] = {{0x5000, 0x5800}};
    static const struct range fine[] = {{0, SZ_2M}};

    start(true);
    EXPECT_EQ(direct_map_build(&pt, twisted, 2, NULL, 0, &stats), -EINVAL);
    EXPECT_EQ(direct_map_build(&pt, overlap, 2, NULL, 0, &stats), -EINVAL);
    EXPECT_EQ(direct_map_build(&pt, empty, 1, NULL, 0, &stats), -EINVAL);
    EXPECT_EQ(direct_map_build(&pt, fine, 1, odd, 1, &stats), -EINVAL);
    EXPECT_EQ(pt.tables, 1);
    stop();
}

KTEST(direct_map, every_failed_allocation_leaves_no_trace)
{
    static const struct range ram[] = {
        {0x1000, 0x9fc00}, {SZ_1M, SZ_1G - 5}, {SZ_4G, SZ_4G + SZ_1G + 1}};
    static const struct range ro[] = {{0x210000, 0x345000}};
    long k = 0;

    start(true);
    for (int err = -ENOMEM; err; k++) {
        pages.fail_after = k;
        err = direct_map_build(&pt, ram, 3, ro, 1, &stats);
        EXPECT_EQ(err, pt.tables == 1 ? -ENOMEM : 0);
        EXPECT_EQ(pages.live, pt.tables);
        if (err)
            EXPECT_EQ(fake_walk_hash(&pt), 1);
    }
    EXPECT_EQ(k - 1, pt.tables - 1);
    pages.fail_after = -1;
    EXPECT_EQ(direct_map_build(&pt, ram, 3, ro, 1, &stats), -EEXIST);
    stop();
}

KTEST(direct_map, kernel_sections)
{
    const u64 va = KERNEL_BASE + SZ_2M, pa = SZ_2M;
    const struct kernel_section s[] = {{va, pa, 0x3456, 0, "template"},
                                       {va + 0x5000, pa + 0x5000, 0x2000, PT_X, "text"},
                                       {va + 0x8000, pa + 0x8000, 0, PT_W, "empty"},
                                       {va + 0x8000, pa + 0x8000, SZ_2M, PT_W, "data"}};
    u32 prot;
    u64 got;

    start(true);
    REQUIRE_EQ(kernel_map_build(&pt, s, 4), 0);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 4 + 2 + 512);
    EXPECT_EQ(pagetable_lookup(&pt, va + 0x3fff, &got, &prot, NULL), 0);
    EXPECT_EQ(got, pa + 0x3fff);
    EXPECT_EQ(prot, PT_G);
    EXPECT_EQ(pagetable_lookup(&pt, va + 0x4000, NULL, NULL, NULL), -ENOENT); /* guard */
    EXPECT_EQ(pagetable_lookup(&pt, va + 0x6fff, NULL, &prot, NULL), 0);
    EXPECT_EQ(prot, PT_X | PT_G);
    EXPECT_EQ(pagetable_lookup(&pt, va + 0x7000, NULL, NULL, NULL), -ENOENT);
    EXPECT_EQ(pagetable_lookup(&pt, va + 0x8000, NULL, &prot, NULL), 0);
    EXPECT_EQ(prot, PT_W | PT_G);
    stop();
}

KTEST(direct_map, kernel_sections_refused)
{
    const u64 va = KERNEL_BASE + SZ_2M, pa = SZ_2M;
    const struct kernel_section wx[] = {{va, pa, 0x1000, 0, "rodata"},
                                        {va + SZ_2M, pa, 0x1000, PT_W | PT_X, "bad"}};
    const struct kernel_section shared[] = {{va, pa, 0x1001, 0, "rodata"},
                                            {va + 0x1000, pa + 0x1000, 0x1000, PT_W, "data"}};
    const struct kernel_section odd[] = {{va, pa + 1, 0x1000, 0, "odd"}};

    start(true);
    EXPECT_EQ(kernel_map_build(&pt, wx, 2), -EINVAL);
    EXPECT_TRUE(shim_log_contains("section bad"));
    EXPECT_EQ(kernel_map_build(&pt, shared, 2), -EEXIST);
    EXPECT_TRUE(shim_log_contains("section data"));
    EXPECT_EQ(kernel_map_build(&pt, odd, 1), -EINVAL);
    EXPECT_EQ(pt.tables, 1);
    stop();
}
