/*
 * The page allocator: orders, nodes, tiers, hand-over with holes, partial frees, refusals.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/events.h"
#include "kernel/base/ktest.h"
#include "tests/host/shim.h"
#include "tests/mm/pages/buddy_rig.h"

#define MIB SZ_1M

static struct buddy_rig rig;

static u64 must_alloc(s32 node, u32 order, u32 flags, s32 want)
{
    u64 pa = ~0ULL;
    s32 got = NODE_NONE;

    EXPECT_EQ(buddy_alloc(&rig.b, node, order, flags, &pa, &got), 0);
    EXPECT_EQ(got, want);
    EXPECT_EQ(buddy_node_of(&rig.b, pa), want);
    EXPECT_TRUE(is_aligned(pa, PAGE_SIZE << order));
    return pa;
}

static struct buddy_stats stats(s32 node)
{
    struct buddy_stats s;

    buddy_stats(&rig.b, node, &s);
    return s;
}

KTEST(buddy, every_order_is_aligned_and_merges_again)
{
    rig_simple(&rig, 1, 4 * SZ_1G);
    for (u32 order = 0; order <= BUDDY_MAX_ORDER; order++) {
        u64 a = must_alloc(0, order, 0, 0), c = must_alloc(0, order, 0, 0);

        EXPECT_TRUE(a + (PAGE_SIZE << order) <= c || c + (PAGE_SIZE << order) <= a);
        EXPECT_EQ(buddy_verify(&rig.b), 0);
        buddy_free(&rig.b, a, order);
        EXPECT_EQ(buddy_verify(&rig.b), 0);
        buddy_free(&rig.b, c, order);
        EXPECT_EQ(buddy_verify(&rig.b), 0);
    }
    struct buddy_stats s = stats(0);
    EXPECT_EQ(s.blocks[BUDDY_MAX_ORDER], 2); /* two were split, and hold their own records */
    EXPECT_EQ(s.blocks[17], 2);
    EXPECT_EQ(s.records, 32);
    EXPECT_EQ(s.free + s.records, s.declared);
    EXPECT_EQ(s.declared, 4 << 18);
    EXPECT_EQ(rig.b.bad_frees, 0);
    rig_done(&rig);
}

KTEST(buddy, hand_over_of_whole_sections_touches_no_memory)
{
    rig_init(&rig, 1, 64ULL << 30);
    rig_declare(&rig, 0, 0, 64ULL << 30);
    mprotect(rig.memory, rig.size, PROT_NONE); /* a touch would be a fault */
    EXPECT_EQ(buddy_add(&rig.b, 0, 64ULL << 30), 0);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(stats(0).blocks[BUDDY_MAX_ORDER], 64);
    u64 pa = must_alloc(0, BUDDY_MAX_ORDER, 0, 0);
    EXPECT_EQ(stats(0).free, 63 << 18);
    buddy_free(&rig.b, pa, BUDDY_MAX_ORDER);
    EXPECT_EQ(stats(0).free, 64 << 18);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(rig.b.bad_frees, 0);
    rig_done(&rig);
}

KTEST(buddy, parts_of_an_order_9_block_merge_again)
{
    rig_simple(&rig, 1, 64 * MIB);
    u64 blocks = stats(0).blocks[BUDDY_BLOCK_ORDER], pages = buddy_free_pages(&rig.b, 0);
    u64 pa = must_alloc(0, BUDDY_BLOCK_ORDER, 0, 0);

    for (u32 i = 0; i < 256; i++)
        buddy_free(&rig.b, pa + i * PAGE_SIZE, 0);
    buddy_free(&rig.b, pa + 256 * PAGE_SIZE, 7);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(buddy_free_pages(&rig.b, 0), pages - 128);
    buddy_free(&rig.b, pa + 384 * PAGE_SIZE, 7);
    EXPECT_EQ(buddy_free_pages(&rig.b, 0), pages);
    EXPECT_EQ(stats(0).blocks[BUDDY_BLOCK_ORDER], blocks);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(rig.b.bad_frees, 0);
    rig_done(&rig);
}

KTEST(buddy, small_orders_come_from_the_fullest_block)
{
    rig_simple(&rig, 1, 64 * MIB);
    u64 high = 0, pages[3 * 512];
    struct buddy_stats before = stats(0);

    for (u32 i = 0; i < 3 * 512; i++)
        pages[i] = must_alloc(0, 0, 0, 0);
    /* One page of the first pageblock, many of the second: single pages refill the first. */
    buddy_free(&rig.b, pages[5], 0);
    for (u32 i = 512; i < 900; i++)
        buddy_free(&rig.b, pages[i], 0);
    EXPECT_EQ(must_alloc(0, 0, 0, 0), pages[5]);
    for (u32 i = 512; i < 900; i++)
        high |= must_alloc(0, 0, 0, 0);
    EXPECT_NE(high, 0);
    for (u32 i = 0; i < 3 * 512; i++)
        buddy_free(&rig.b, pages[i], 0);
    struct buddy_stats after = stats(0);
    EXPECT_EQ(memcmp(before.blocks, after.blocks, sizeof(before.blocks)), 0);
    rig_done(&rig);
}

KTEST(buddy, falls_back_in_order_of_distance_and_counts)
{
    rig_simple(&rig, 3, 8 * MIB);
    u64 pa, n = buddy_free_pages(&rig.b, 2), far = buddy_free_pages(&rig.b, 0);
    u64 events = event_total(EVENT_NODE_FALLBACK);

    for (u64 i = 0; i < n; i++)
        must_alloc(2, 0, 0, 2);
    EXPECT_EQ(buddy_alloc(&rig.b, 2, 0, BUDDY_EXACT_NODE, &pa, NULL), -ENOMEM);
    n = buddy_free_pages(&rig.b, 1);
    for (u64 i = 0; i < n; i++)
        must_alloc(2, 0, 0, 1);
    must_alloc(2, 3, 0, 0);
    struct buddy_stats two = stats(2), one = stats(1), zero = stats(0);
    EXPECT_EQ(two.local, two.handed_over - two.records);
    EXPECT_EQ(two.fallen_back, n + 1);
    EXPECT_EQ(event_total(EVENT_NODE_FALLBACK) - events, n + 1);
    EXPECT_EQ(two.failed, 1);
    EXPECT_EQ(one.foreign, n);
    EXPECT_EQ(zero.foreign, 1);
    EXPECT_EQ(zero.local + one.local + one.fallen_back, 0);
    EXPECT_EQ(buddy_free_pages(&rig.b, NODE_NONE), far - 8);
    EXPECT_EQ(buddy_alloc(&rig.b, 2, 19, 0, &pa, NULL), -EINVAL);
    EXPECT_EQ(buddy_alloc(&rig.b, 3, 0, 0, &pa, NULL), -EINVAL);
    EXPECT_EQ(buddy_alloc(&rig.b, NODE_NONE, 0, 0, &pa, NULL), 0);
    rig_done(&rig);
}

/* A node without memory is served by the nearest one: that is as it should be, and no event. */
KTEST(buddy, what_has_no_memory_falls_back_without_an_event)
{
    u64 events = event_total(EVENT_NODE_FALLBACK);

    rig_init(&rig, 2, 8 * MIB);
    rig_declare(&rig, 0, 0, 8 * MIB);
    REQUIRE_EQ(buddy_add(&rig.b, 0, 8 * MIB), 0);
    must_alloc(1, 0, 0, 0);
    EXPECT_EQ(stats(1).fallen_back, 1);
    EXPECT_EQ(event_total(EVENT_NODE_FALLBACK), events);
    rig_done(&rig);
}

KTEST(buddy, bulk_takes_and_gives)
{
    static u64 pas[5000];

    rig_simple(&rig, 2, 8 * MIB);
    u32 near = (u32)buddy_free_pages(&rig.b, 1), all = (u32)buddy_free_pages(&rig.b, NODE_NONE);

    EXPECT_EQ(buddy_alloc_bulk(&rig.b, 1, 5000, BUDDY_EXACT_NODE, pas), near);
    for (u32 i = 0; i < near; i++)
        EXPECT_EQ(buddy_node_of(&rig.b, pas[i]), 1);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    buddy_free_bulk(&rig.b, pas, near);
    EXPECT_EQ(buddy_alloc_bulk(&rig.b, 1, 5000, 0, pas), all);
    EXPECT_EQ(buddy_node_of(&rig.b, pas[0]), 1);
    EXPECT_EQ(buddy_node_of(&rig.b, pas[all - 1]), 0);
    EXPECT_EQ(stats(1).fallen_back, all - near);
    buddy_free_bulk(&rig.b, pas, all);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(buddy_free_pages(&rig.b, NODE_NONE), all);
    EXPECT_EQ(rig.b.bad_frees, 0);
    rig_done(&rig);
}

/* Plain memory of every node before the last tier of any; the exact node's last tier at the end. */
KTEST(buddy, last_tier_serves_last)
{
    rig_init(&rig, 2, 16 * MIB);
    EXPECT_EQ(buddy_declare(&rig.b, 0, 0, 4 * MIB, false), 0);
    EXPECT_EQ(buddy_declare(&rig.b, 0, 4 * MIB, 8 * MIB, true), 0);
    EXPECT_EQ(buddy_declare(&rig.b, 1, 8 * MIB, 12 * MIB, false), 0);
    for (u64 i = 0; i < 3; i++)
        EXPECT_EQ(buddy_add(&rig.b, i * 4 * MIB, (i + 1) * 4 * MIB), 0);
    EXPECT_EQ(stats(0).free_last, 1024);
    EXPECT_LT(must_alloc(0, 9, 0, 0), 4 * MIB);
    must_alloc(0, 9, 0, 1);
    EXPECT_GE(must_alloc(0, 9, BUDDY_EXACT_NODE, 0), 4 * MIB);
    /* Two tiers side by side do not merge. */
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    rig_done(&rig);
}

/* Holes, reserved memory that comes later, and two nodes inside one pageblock. */
KTEST(buddy, odd_borders)
{
    u64 border = 9 * MIB + 0x5000, hole = 13 * MIB + 0x3000, pa;

    rig_init(&rig, 2, 32 * MIB);
    rig_declare(&rig, 0, 0x1000, border);
    rig_declare(&rig, 1, border, hole);
    rig_declare(&rig, 1, 14 * MIB, 32 * MIB);
    EXPECT_EQ(buddy_add(&rig.b, MIB, border), 0);
    EXPECT_EQ(buddy_add(&rig.b, border, hole - 0x1000), 0);
    EXPECT_EQ(buddy_add(&rig.b, 14 * MIB, 32 * MIB), 0);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(buddy_node_of(&rig.b, border - 1), 0);
    EXPECT_EQ(buddy_node_of(&rig.b, border), 1);
    EXPECT_EQ(buddy_node_of(&rig.b, hole), NODE_NONE);
    EXPECT_EQ(buddy_node_of(&rig.b, 0), NODE_NONE);

    u64 n0 = buddy_free_pages(&rig.b, 0), n1 = buddy_free_pages(&rig.b, 1);
    while (buddy_alloc(&rig.b, 0, 0, BUDDY_EXACT_NODE, &pa, NULL) == 0)
        EXPECT_LT(pa, border);
    while (buddy_alloc(&rig.b, 1, 0, BUDDY_EXACT_NODE, &pa, NULL) == 0)
        EXPECT_TRUE(pa >= border && (pa < hole - 0x1000 || pa >= 14 * MIB));
    EXPECT_EQ(stats(0).local, n0);
    EXPECT_EQ(stats(1).local, n1);
    EXPECT_EQ(buddy_verify(&rig.b), 0);

    /* Reserved until now; single pages around the border. */
    buddy_free(&rig.b, 0x1000, 0);
    buddy_free(&rig.b, hole - 0x1000, 0);
    buddy_free(&rig.b, border - 0x1000, 0);
    buddy_free(&rig.b, border, 0);
    EXPECT_EQ(rig.b.bad_frees, 0);
    EXPECT_EQ(buddy_free_pages(&rig.b, 0), 2);
    EXPECT_EQ(buddy_free_pages(&rig.b, 1), 2);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    buddy_free(&rig.b, hole, 0);
    buddy_free(&rig.b, 0, 0);
    buddy_free(&rig.b, align_down(border, 0x10000), 4); /* of two nodes */
    buddy_free(&rig.b, 8 * MIB, 9);
    EXPECT_EQ(rig.b.bad_frees, 4);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    rig_done(&rig);
}

KTEST(buddy, wrong_frees_are_refused_and_named)
{
    static const struct {
        u64 add;
        u32 order;
        const char *why;
    } cases[] = {
        {0, 0, "free already"}, {0x800, 0, "not aligned"},     {0x1000, 1, "not aligned"},
        {0, 3, "free already"}, {1ULL << 50, 0, "not memory"}, {0, 19, "not aligned"},
        {0, 70, "not aligned"}, {SZ_1G, 0, "not allocated"},
    };

    rig_simple(&rig, 1, 2 * SZ_1G);
    u64 first = must_alloc(0, 3, 0, 0), pages;

    buddy_free(&rig.b, first, 3);
    EXPECT_EQ(rig.b.bad_frees, 0);
    pages = buddy_free_pages(&rig.b, 0);
    for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
        shim_log_reset();
        buddy_free(&rig.b, (first + cases[i].add) % (cases[i].add == SZ_1G ? 2 * SZ_1G : ~0ULL),
                   cases[i].order);
        EXPECT_EQ(rig.b.bad_frees, i + 1);
        EXPECT_TRUE(shim_log_contains(cases[i].why));
        EXPECT_EQ(buddy_verify(&rig.b), 0);
    }
    u64 big = must_alloc(0, 12, 0, 0), one = big + 5 * SZ_2M, bad[3] = {one, one, big + 1};
    buddy_free_bulk(&rig.b, bad, 3);
    EXPECT_EQ(rig.b.bad_frees, ARRAY_SIZE(cases) + 2);
    buddy_free(&rig.b, big, 12); /* one page of it is free */
    EXPECT_EQ(rig.b.bad_frees, ARRAY_SIZE(cases) + 3);
    EXPECT_EQ(buddy_free_pages(&rig.b, 0), pages - 4096 + 1);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    rig_done(&rig);
}

KTEST(buddy, set_up_refuses_nonsense)
{
    rig_init(&rig, 2, SZ_1G);
    struct buddy_config cfg = rig.b.cfg;
    struct buddy other;

    cfg.nr_nodes = 0;
    EXPECT_EQ(buddy_init(&other, &cfg), -EINVAL);
    cfg = rig.b.cfg;
    cfg.max_pa = 0;
    EXPECT_EQ(buddy_init(&other, &cfg), -EINVAL);
    EXPECT_EQ(buddy_declare(&rig.b, 2, 0, MIB, false), -EINVAL);
    EXPECT_EQ(buddy_declare(&rig.b, 0, 0, 1025 * MIB, false), -EINVAL);
    EXPECT_EQ(buddy_declare(&rig.b, 0, 8 * MIB, 16 * MIB, false), 0);
    EXPECT_EQ(buddy_declare(&rig.b, 1, 15 * MIB, 32 * MIB, false), -EINVAL);
    EXPECT_EQ(buddy_add(&rig.b, 7 * MIB, 9 * MIB), -EINVAL);
    EXPECT_EQ(buddy_add(&rig.b, 15 * MIB, 17 * MIB), -EINVAL);
    /* Too small for its own records, and nobody has any yet: lost, and said. */
    EXPECT_EQ(buddy_declare(&rig.b, 1, 16 * MIB, 1024 * MIB, false), 0);
    EXPECT_EQ(buddy_add(&rig.b, 8 * MIB, 8 * MIB + 0x1000), -ENOMEM);
    EXPECT_EQ(rig.b.lost_pages, 1);
    EXPECT_EQ(buddy_add(&rig.b, 16 * MIB, 1024 * MIB), 0);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    rig_done(&rig);
}

/* A part of a section too small for its own records gets them from elsewhere. */
KTEST(buddy, records_are_borrowed)
{
    rig_init(&rig, 2, 2 * SZ_1G);
    rig_declare(&rig, 0, 0, SZ_1G + 0x2000);
    rig_declare(&rig, 1, SZ_1G + 0x2000, 2 * SZ_1G);
    EXPECT_EQ(buddy_add(&rig.b, 0, SZ_1G + 0x2000), 0);
    EXPECT_EQ(rig.b.lost_pages, 0);
    EXPECT_EQ(buddy_free_pages(&rig.b, 0), (1 << 18) + 2 - stats(0).records);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(buddy_add(&rig.b, SZ_1G + 0x2000, 2 * SZ_1G), 0);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    rig_done(&rig);
}

/* A section that the boot holds whole: what it gives back later is taken. */
KTEST(buddy, reserved_sections_are_sealed)
{
    rig_init(&rig, 1, 3 * SZ_1G);
    rig_declare(&rig, 0, 0, 3 * SZ_1G);
    EXPECT_EQ(buddy_add(&rig.b, 0, SZ_1G), 0);
    buddy_free(&rig.b, 2 * SZ_1G, 9);
    EXPECT_EQ(rig.b.bad_frees, 1);
    EXPECT_EQ(buddy_seal(&rig.b), 0);
    u64 pages = buddy_free_pages(&rig.b, 0);
    buddy_free(&rig.b, 2 * SZ_1G, 9);
    buddy_free(&rig.b, SZ_1G + 0x3000, 0);
    EXPECT_EQ(rig.b.bad_frees, 1);
    EXPECT_EQ(buddy_free_pages(&rig.b, 0), pages + 513);
    EXPECT_EQ(stats(0).records, 16 * 3);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    rig_done(&rig);
}

KTEST(buddy, failure_can_be_injected)
{
    u64 pa, pas[4];

    rig_simple(&rig, 1, 8 * MIB);
    rig.fail_after = 1;
    EXPECT_EQ(buddy_alloc(&rig.b, 0, 0, 0, &pa, NULL), 0);
    EXPECT_EQ(buddy_alloc(&rig.b, 0, 0, 0, &pa, NULL), -ENOMEM);
    EXPECT_EQ(stats(0).failed, 1);
    EXPECT_EQ(buddy_alloc_bulk(&rig.b, 0, 4, 0, pas), 0);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    rig_done(&rig);
}
