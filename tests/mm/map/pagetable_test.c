/*
 * Page tables: leaf sizes, permissions, splitting, refusals, and that a failed call has changed
 * nothing.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/map/fake_pages.h"
#include "kernel/base/ktest.h"
#include "kernel/base/range.h"
#include "mm/map/pagetable.h"
#include "tests/host/shim.h"

#define VA 0xffffe00000000000ULL
#define PA 0x200000000ULL

static struct fake_pages pages;
static struct pagetable pt;

static void start(bool has_1g, bool has_nx)
{
    /* The highest addresses there are: every bit of the list links is used. */
    fake_init(&pages, (1ULL << 52) - FAKE_PAGES * PAGE_SIZE);
    if (pagetable_init(&pt, &pages.src, 0, has_1g, has_nx))
        abort();
}

static void stop(void)
{
    EXPECT_EQ(pages.live, pt.tables);
    fake_destroy(&pt);
    EXPECT_EQ(pages.live, 0);
    fake_done(&pages);
}

static void expect_leaves(u64 n4k, u64 n2m, u64 n1g)
{
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], n4k);
    EXPECT_EQ(pt.leaves[PT_LEAF_2M], n2m);
    EXPECT_EQ(pt.leaves[PT_LEAF_1G], n1g);
}

KTEST(pagetable, init_and_destroy)
{
    start(true, true);
    EXPECT_EQ(pt.tables, 1);
    EXPECT_EQ(fake_walk_hash(&pt), 1); /* junk was cleared */
    EXPECT_EQ(pagetable_lookup(&pt, VA, NULL, NULL, NULL), -ENOENT);
    stop();

    fake_init(&pages, SZ_1M);
    pages.fail_after = 0;
    EXPECT_EQ(pagetable_init(&pt, &pages.src, 0, true, true), -ENOMEM);
    fake_done(&pages);
}

KTEST(pagetable, largest_leaves)
{
    start(true, true);
    /* 4 KiB + 2 MiB up to the 1 GiB border, 1 GiB, 2 MiB, 4 KiB beyond. */
    REQUIRE_EQ(pagetable_map(&pt, VA + SZ_1G - SZ_2M - PAGE_SIZE, PA + SZ_1G - SZ_2M - PAGE_SIZE,
                             SZ_1G + 2 * SZ_2M + 2 * PAGE_SIZE, PT_W | PT_G, 0),
               0);
    expect_leaves(2, 2, 1);
    fake_expect_at(&pt, VA + SZ_1G - SZ_2M - 1, PA + SZ_1G - SZ_2M - 1, PT_W | PT_G, PAGE_SIZE);
    fake_expect_at(&pt, VA + SZ_1G - 1, PA + SZ_1G - 1, PT_W | PT_G, SZ_2M);
    fake_expect_at(&pt, VA + SZ_1G + 12345, PA + SZ_1G + 12345, PT_W | PT_G, SZ_1G);
    fake_expect_at(&pt, VA + 2 * SZ_1G, PA + 2 * SZ_1G, PT_W | PT_G, SZ_2M);
    fake_expect_at(&pt, VA + 2 * SZ_1G + SZ_2M, PA + 2 * SZ_1G + SZ_2M, PT_W | PT_G, PAGE_SIZE);
    EXPECT_EQ(pagetable_lookup(&pt, VA + 2 * SZ_1G + SZ_2M + PAGE_SIZE, NULL, NULL, NULL), -ENOENT);
    EXPECT_EQ(pt.tables, 1 + 1 + 2 + 2);
    stop();
}

KTEST(pagetable, leaf_limits)
{
    start(false, true);
    REQUIRE_EQ(pagetable_map(&pt, VA, PA, SZ_1G, 0, 0), 0);
    expect_leaves(0, 512, 0);
    REQUIRE_EQ(pagetable_map(&pt, VA + SZ_1G, PA, SZ_2M, PT_MAX_4K, 0), 0);
    expect_leaves(512, 512, 0);
    /* The memory is not aligned as the address is. */
    REQUIRE_EQ(pagetable_map(&pt, VA + SZ_1G + SZ_2M, PA + PAGE_SIZE, SZ_2M, 0, 0), 0);
    expect_leaves(1024, 512, 0);
    stop();
    start(true, true);
    REQUIRE_EQ(pagetable_map(&pt, VA, PA, SZ_1G, PT_MAX_2M, 0), 0);
    expect_leaves(0, 512, 0);
    REQUIRE_EQ(pagetable_map(&pt, VA + SZ_1G, PA + SZ_2M, SZ_1G, 0, 0), 0);
    expect_leaves(0, 1024, 0);
    stop();
}

KTEST(pagetable, arguments)
{
    start(true, true);
    EXPECT_EQ(pagetable_map(&pt, VA, PA, 0, 0, 0), -EINVAL);
    EXPECT_EQ(pagetable_map(&pt, VA + 1, PA, PAGE_SIZE, 0, 0), -EINVAL);
    EXPECT_EQ(pagetable_map(&pt, VA, PA + 1, PAGE_SIZE, 0, 0), -EINVAL);
    EXPECT_EQ(pagetable_map(&pt, VA, PA, PAGE_SIZE + 1, 0, 0), -EINVAL);
    EXPECT_EQ(pagetable_map(&pt, VA, PA, PAGE_SIZE, 1u << 20, 0), -EINVAL);
    EXPECT_EQ(pagetable_map(&pt, 0x800000000000ULL, PA, PAGE_SIZE, 0, 0), -ERANGE);
    EXPECT_EQ(pagetable_map(&pt, 0x7ffffffff000ULL, PA, 2 * PAGE_SIZE, 0, 0), -ERANGE);
    EXPECT_EQ(pagetable_map(&pt, 0x7ffffffff000ULL, PA, 0xffff000000002000ULL, 0, 0), -ERANGE);
    EXPECT_EQ(pagetable_map(&pt, 0xffff7ffffffff000ULL, PA, 2 * PAGE_SIZE, 0, 0), -ERANGE);
    EXPECT_EQ(pagetable_map(&pt, 0xfffffffffffff000ULL, PA, PAGE_SIZE, 0, 0), -ERANGE);
    EXPECT_EQ(pagetable_map(&pt, VA, (1ULL << 52) - PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), -ERANGE);
    EXPECT_EQ(pagetable_map(&pt, VA, 1ULL << 52, PAGE_SIZE, 0, 0), -ERANGE);
    EXPECT_EQ(pagetable_lookup(&pt, 0x800000000000ULL, NULL, NULL, NULL), -ERANGE);
    EXPECT_EQ(pt.tables, 1);
    /* The ends of the two halves. */
    EXPECT_EQ(pagetable_map(&pt, 0x7ffffffff000ULL, PA, PAGE_SIZE, 0, 0), 0);
    EXPECT_EQ(pagetable_map(&pt, 0, PA, PAGE_SIZE, 0, 0), 0);
    EXPECT_EQ(pagetable_map(&pt, 0xffff800000000000ULL, PA, PAGE_SIZE, 0, 0), 0);
    EXPECT_EQ(pagetable_map(&pt, 0xffffffffffe00000ULL, PA, SZ_2M - PAGE_SIZE, 0, 0), 0);
    EXPECT_EQ(pagetable_map_page(&pt, VA, (1ULL << 52) - PAGE_SIZE, 0, 0), 0);
    fake_expect_at(&pt, VA, (1ULL << 52) - PAGE_SIZE, 0, PAGE_SIZE);
    stop();
}

KTEST(pagetable, refuses_to_remap)
{
    u64 hash, tables;

    start(true, true);
    REQUIRE_EQ(pagetable_map(&pt, VA, PA, SZ_2M, PT_W, 0), 0);
    hash = fake_walk_hash(&pt);
    tables = pt.tables;
    EXPECT_EQ(pagetable_map(&pt, VA, PA, SZ_2M, PT_W, 0), -EEXIST);
    EXPECT_EQ(pagetable_map_page(&pt, VA + SZ_1M, PA, PT_W, 0), -EEXIST);
    EXPECT_EQ(pagetable_map(&pt, VA - SZ_1G, PA, SZ_1G + PAGE_SIZE, PT_W, 0), -EEXIST);
    EXPECT_EQ(fake_walk_hash(&pt), hash);
    EXPECT_EQ(pt.tables, tables);
    stop();
}

struct raw {
    u64 entry;
    u32 count;
};

static int take_raw(void *ctx, const struct pt_leaf *leaf)
{
    struct raw *raw = ctx;

    raw->entry = leaf->entry;
    raw->count++;
    EXPECT_FALSE(leaf->user_any);
    return 0;
}

static u64 raw_entry(u64 va)
{
    struct raw raw = {0, 0};

    EXPECT_EQ(pagetable_walk(&pt, va, va + 1, take_raw, &raw), 0);
    EXPECT_EQ(raw.count, 1);
    return raw.entry;
}

KTEST(pagetable, entry_bits)
{
    start(true, true);
    REQUIRE_EQ(pagetable_map_page(&pt, VA, PA, 0, 0), 0);
    REQUIRE_EQ(pagetable_map_page(&pt, VA + 0x1000, PA, PT_X | PT_G, 0), 0);
    REQUIRE_EQ(pagetable_map_page(&pt, VA + 0x2000, PA, PT_W | PT_UC, 0), 0);
    REQUIRE_EQ(pagetable_map_page(&pt, VA + 0x7000, PA, PT_W | PT_WC, 0), 0);
    REQUIRE_EQ(pagetable_map(&pt, VA + SZ_2M, PA, SZ_2M, PT_W, 0), 0);
    EXPECT_EQ(raw_entry(VA), PA | 0x8000000000000061ULL);
    EXPECT_EQ(raw_entry(VA + 0x1000), PA | 0x161);
    EXPECT_EQ(raw_entry(VA + 0x2000), PA | 0x800000000000007bULL);
    EXPECT_EQ(raw_entry(VA + 0x7000), PA | 0x800000000000006bULL);
    EXPECT_EQ(raw_entry(VA + SZ_2M), PA | 0x80000000000000e3ULL);
    fake_expect_at(&pt, VA + 0x1000, PA, PT_X | PT_G, PAGE_SIZE);
    fake_expect_at(&pt, VA + 0x2000, PA, PT_W | PT_UC, PAGE_SIZE);
    fake_expect_at(&pt, VA + 0x7000, PA, PT_W | PT_WC, PAGE_SIZE);
    stop();
    start(true, false);
    REQUIRE_EQ(pagetable_map_page(&pt, VA, PA, PT_W, 0), 0);
    EXPECT_EQ(raw_entry(VA), PA | 0x63); /* bit 63 is reserved without EFER.NXE */
    fake_expect_at(&pt, VA, PA, PT_W | PT_X, PAGE_SIZE);
    stop();
}

KTEST(pagetable, unmap_frees_tables)
{
    struct pt_flush flush = PT_FLUSH_NONE;
    u32 live;

    start(true, true);
    REQUIRE_EQ(pagetable_map(&pt, VA, PA, SZ_1G, PT_W, 0), 0);
    REQUIRE_EQ(pagetable_unmap(&pt, VA + PAGE_SIZE, SZ_1G - 2 * PAGE_SIZE, 0, &flush), 0);
    expect_leaves(2, 0, 0);
    EXPECT_EQ(flush.tables, 0);
    EXPECT_EQ(pagetable_lookup(&pt, VA + PAGE_SIZE, NULL, NULL, NULL), -ENOENT);
    fake_expect_at(&pt, VA + SZ_1G - PAGE_SIZE, PA + SZ_1G - PAGE_SIZE, PT_W, PAGE_SIZE);
    live = pages.live;
    REQUIRE_EQ(pagetable_unmap(&pt, VA - SZ_1G, 4 * SZ_1G, 0, &flush), 0);
    EXPECT_EQ(pt.tables, 1);
    EXPECT_EQ(pages.live, live); /* freed only after the flush */
    EXPECT_EQ(flush.start, VA);
    EXPECT_EQ(flush.end, VA + SZ_1G);
    pagetable_release(&pt, &flush);
    EXPECT_EQ(pages.live, 1);
    EXPECT_EQ(flush.tables | flush.end, 0);
    stop();
}

KTEST(pagetable, unmap_keeps_tables)
{
    struct pt_flush flush = PT_FLUSH_NONE;

    start(true, true);
    REQUIRE_EQ(pagetable_map_page(&pt, VA, PA, PT_W, 0), 0);
    REQUIRE_EQ(pagetable_unmap(&pt, VA, PAGE_SIZE, PT_KEEP_TABLES, &flush), 0);
    EXPECT_EQ(pt.tables, 4);
    EXPECT_EQ(flush.tables, 0);
    pages.fail_after = 0; /* the tables are there */
    REQUIRE_EQ(pagetable_map_page(&pt, VA, PA, PT_W, 0), 0);
    REQUIRE_EQ(pagetable_unmap(&pt, VA, PAGE_SIZE, PT_KEEP_TABLES, &flush), 0);
    /* Unmapping nothing collects what was kept, and CPUs must forget the tables. */
    flush = PT_FLUSH_NONE;
    REQUIRE_EQ(pagetable_unmap(&pt, VA, PAGE_SIZE, 0, &flush), 0);
    EXPECT_EQ(pt.tables, 1);
    EXPECT_EQ(flush.start, VA);
    EXPECT_EQ(flush.end, VA + PAGE_SIZE);
    EXPECT_EQ(pagetable_unmap(&pt, VA, PAGE_SIZE, 2, &flush), -EINVAL);
    pagetable_release(&pt, &flush);
    stop();
}

/* What each injected failure must leave untouched: the tables, the counters, the pages. */
static int op_map(struct pt_flush *flush)
{
    (void)flush;
    return pagetable_map(&pt, VA + 5 * SZ_1G - PAGE_SIZE, PA + 5 * SZ_1G - PAGE_SIZE,
                         SZ_2M + 2 * PAGE_SIZE, PT_W, 0);
}

static int op_unmap_middle(struct pt_flush *flush)
{
    return pagetable_unmap(&pt, VA + SZ_1M, PAGE_SIZE, 0, flush);
}

static int op_unmap_across(struct pt_flush *flush)
{
    return pagetable_unmap(&pt, VA + SZ_1M, 2 * SZ_1G - 2 * SZ_1M, 0, flush);
}

KTEST(pagetable, every_failed_allocation_leaves_no_trace)
{
    static const struct {
        int (*run)(struct pt_flush *flush);
        long need;
    } ops[] = {{op_map, 4}, {op_unmap_middle, 2}, {op_unmap_across, 4}};

    for (size_t o = 0; o < ARRAY_SIZE(ops); o++) {
        start(true, true);
        REQUIRE_EQ(pagetable_map(&pt, VA, PA, 2 * SZ_1G, PT_W, 0), 0);
        for (long k = 0; k <= ops[o].need; k++) {
            struct pt_flush flush = PT_FLUSH_NONE;
            struct pagetable before = pt;
            u64 hash = fake_walk_hash(&pt), live = pages.live;

            pages.fail_after = k;
            if (k == ops[o].need) {
                EXPECT_EQ(ops[o].run(&flush), 0);
                EXPECT_EQ(pages.fail_after, 0); /* the plan was exact */
                pagetable_release(&pt, &flush);
                break;
            }
            EXPECT_EQ(ops[o].run(&flush), -ENOMEM);
            EXPECT_EQ(fake_walk_hash(&pt), hash);
            EXPECT_EQ(pages.live, live);
            EXPECT_EQ(memcmp(&before, &pt, sizeof(pt)), 0);
            EXPECT_EQ(flush.start | flush.end | flush.tables, 0);
        }
        pages.fail_after = -1;
        stop();
    }
}

struct seen {
    u64 va[8];
    u32 n, stop_at;
};

static int note_va(void *ctx, const struct pt_leaf *leaf)
{
    struct seen *seen = ctx;

    if (seen->n < ARRAY_SIZE(seen->va))
        seen->va[seen->n] = leaf->va;
    return ++seen->n == seen->stop_at ? 42 : 0;
}

KTEST(pagetable, walk_order_and_bounds)
{
    struct seen seen = {.n = 0};
    struct pagetable view;

    start(true, true);
    REQUIRE_EQ(pagetable_map_page(&pt, 0x7000, PA, 0, 0), 0);
    REQUIRE_EQ(pagetable_map(&pt, VA, PA, SZ_1G + SZ_2M, 0, 0), 0);
    REQUIRE_EQ(pagetable_map_page(&pt, 0xffffffffffffe000ULL, PA, 0, 0), 0);
    view = pagetable_view(pt.root_pa | 0x18, &pages.src, true);
    EXPECT_EQ(pagetable_walk(&view, 0, 0, note_va, &seen), 0);
    EXPECT_EQ(seen.n, 4);
    EXPECT_EQ(seen.va[0], 0x7000);
    EXPECT_EQ(seen.va[1], VA);
    EXPECT_EQ(seen.va[2], VA + SZ_1G);
    EXPECT_EQ(seen.va[3], 0xffffffffffffe000ULL);
    seen = (struct seen){.n = 0};
    EXPECT_EQ(pagetable_walk(&view, VA + SZ_1G - 1, VA + SZ_1G, note_va, &seen), 0);
    EXPECT_EQ(seen.n, 1);
    seen = (struct seen){.stop_at = 2};
    EXPECT_EQ(pagetable_walk(&view, 0, 0, note_va, &seen), 42);
    EXPECT_EQ(seen.n, 2);
    seen = (struct seen){.n = 0};
    EXPECT_EQ(pagetable_walk(&view, VA, VA, note_va, &seen), 0);
    EXPECT_EQ(seen.n, 0);
    stop();
}

/* Tables written by somebody else: W is the AND, NX the OR, user the OR of the levels. */
KTEST(pagetable, foreign_tables)
{
    u64 pa[4], *t[4], got;
    u32 prot;
    struct pagetable view;

    fake_init(&pages, SZ_1M);
    for (u32 i = 0; i < 4; i++) {
        REQUIRE_EQ(fake_alloc(&pages, 0, &pa[i]), 0);
        t[i] = memset(fake_map(&pages, pa[i]), 0, PAGE_SIZE);
    }
    view = pagetable_view(pa[0], &pages.src, true);
    t[0][0] = pa[1] | 3;
    t[1][0] = pa[2] | 1;              /* read-only above */
    t[1][1] = pa[2] | 3 | 1ULL << 63; /* no-execute above */
    t[2][0] = pa[3] | 7;
    t[2][1] = SZ_2M | 0x1083; /* large, PAT bit 12 */
    t[3][0] = 0x5003;
    EXPECT_EQ(pagetable_lookup(&view, 0x123, &got, &prot, NULL), 0);
    EXPECT_EQ(got, 0x5123);
    EXPECT_EQ(prot, PT_X);
    EXPECT_EQ(pagetable_lookup(&view, SZ_1G, &got, &prot, NULL), 0);
    EXPECT_EQ(prot, PT_W);
    EXPECT_EQ(pagetable_lookup(&view, SZ_2M + 0x1234, &got, &prot, NULL), 0);
    EXPECT_EQ(got, SZ_2M + 0x1234);
    t[1][2] = 0xdeadbeef000ULL | 3; /* a table that cannot be reached */
    EXPECT_EQ(pagetable_lookup(&view, 2 * SZ_1G, &got, &prot, NULL), -EFAULT);
    EXPECT_EQ(pagetable_walk(&view, 0, 0, note_va, &(struct seen){.n = 0}), -EFAULT);
    fake_done(&pages);
}
