/*
 * The page allocator against one byte per page: random blocks of every order from several nodes,
 * given back whole, in parts, or in bulk. After each operation the allocator's invariants hold;
 * what it hands out was free, is aligned, and is of the node it says; what it refuses is nowhere
 * to be had; its counters are the model's.
 * SPDX-License-Identifier: MIT
 */
#include <time.h>
#include "kernel/base/ktest.h"
#include "tests/host/random.h"
#include "tests/mm/pages/buddy_rig.h"

#define MIB   SZ_1M
#define PAGES 40960u /* 160 MiB */
#define NODES 3
#define LIVE  2048

enum { HOLE, FREE, USED };

static struct buddy_rig rig;
static u8 state[PAGES];
static s8 zone[PAGES]; /* node * 2 + last */
static u64 free_of[2 * NODES];

static struct {
    u64 pa;
    u32 pages; /* from pa up, still ours */
    u32 order;
} live[LIVE];
static u32 nr_live;
static u64 seed;

static u32 rnd(u32 below)
{
    return (u32)((random_xorshift(&seed) >> 20) % below);
}

static void mark(u64 pa, u32 pages, u8 to)
{
    for (u32 i = 0; i < pages; i++) {
        u32 page = (u32)(pa >> PAGE_SHIFT) + i;

        if (state[page] == (to == FREE ? FREE : USED))
            ktest_fail(__FILE__, __LINE__, "page 0x%x is in that state already", page);
        state[page] = to;
        free_of[zone[page]] += to == FREE ? 1 : -1ULL;
    }
}

static void declare(s32 node, u64 start, u64 end, bool last)
{
    if (buddy_declare(&rig.b, node, start, end, last))
        abort();
    for (u64 pa = start; pa < end; pa += PAGE_SIZE) {
        state[pa >> PAGE_SHIFT] = USED;
        zone[pa >> PAGE_SHIFT] = (s8)(node * 2 + last);
    }
}

/* Hands over, and learns from the allocator's own count how many pages became records (top). */
static void add(u64 start, u64 end)
{
    u32 z = (u32)zone[start >> PAGE_SHIFT];
    u64 before = buddy_free_pages(&rig.b, (s32)z / 2), pages = (end - start) >> PAGE_SHIFT;

    if (buddy_add(&rig.b, start, end))
        abort();
    u64 gained = buddy_free_pages(&rig.b, (s32)z / 2) - before;
    if (gained > pages || pages - gained > 16)
        abort();
    mark(start, (u32)gained, FREE);
}

/* Is there an aligned free block in a zone of this node (any node: NODE_NONE)? */
static bool available(s32 node, u32 order, bool plain_only)
{
    u32 n = 1u << order;

    for (u32 at = 0; at + n <= PAGES; at += n) {
        u32 i = 0;

        if ((node != NODE_NONE && zone[at] / 2 != node) || (plain_only && zone[at] % 2))
            continue;
        while (i < n && state[at + i] == FREE && zone[at + i] == zone[at])
            i++;
        if (i == n)
            return true;
    }
    return false;
}

static u32 random_order(void)
{
    u32 r = rnd(64);

    if (r < 34)
        return 0;
    if (r < 56)
        return 1 + rnd(8);
    return r < 62 ? 9 : 10 + rnd(6);
}

static void took(u64 pa, u32 order, s32 node, s32 got, u32 flags)
{
    if (!is_aligned(pa, PAGE_SIZE << order) || pa >> PAGE_SHIFT >= PAGES)
        abort();
    EXPECT_EQ(zone[pa >> PAGE_SHIFT] / 2, got);
    EXPECT_EQ(buddy_node_of(&rig.b, pa), got);
    if (flags & BUDDY_EXACT_NODE)
        EXPECT_EQ(got, node);
    mark(pa, 1u << order, USED);
    live[nr_live].pa = pa;
    live[nr_live].order = order;
    live[nr_live++].pages = 1u << order;
}

static void op_alloc(void)
{
    u32 order = random_order(), flags = rnd(2) ? BUDDY_EXACT_NODE : 0;
    s32 node = (s32)rnd(NODES), got = NODE_NONE;
    bool near = false;
    u64 pa = 0;

    if (nr_live == LIVE)
        return;
    if (!flags && order >= 6) /* the slow question, asked now and then */
        near = available(node, order, true);
    if (buddy_alloc(&rig.b, node, order, flags, &pa, &got) == 0) {
        if (near)
            EXPECT_EQ(zone[pa >> PAGE_SHIFT], node * 2); /* plain memory of the node itself */
        took(pa, order, node, got, flags);
    } else {
        EXPECT_FALSE(available(flags ? node : NODE_NONE, order, false));
    }
}

static void drop(u32 k)
{
    live[k] = live[--nr_live];
}

/* The whole block, or its upper part: as one page, or as the largest blocks it consists of. */
static void op_free(void)
{
    u32 k = rnd(nr_live), pages = live[k].pages, give = rnd(4) ? pages : 1 + rnd(pages);

    while (give) {
        u64 end = live[k].pa + live[k].pages * PAGE_SIZE;
        u32 order = 0;

        while (order < live[k].order && (2u << order) <= give &&
               is_aligned(end, PAGE_SIZE << (order + 1)) && rnd(16))
            order++;
        u64 pa = end - (PAGE_SIZE << order);
        buddy_free(&rig.b, pa, order);
        mark(pa, 1u << order, FREE);
        live[k].pages -= 1u << order;
        give -= 1u << order;
    }
    if (!live[k].pages)
        drop(k);
}

static void op_bulk(void)
{
    static u64 pas[256];
    u32 want = 1 + rnd(ARRAY_SIZE(pas)), n = 0;
    s32 node = (s32)rnd(NODES);

    if (rnd(2) && nr_live + want <= LIVE) {
        u32 flags = rnd(2) ? BUDDY_EXACT_NODE : 0;

        n = buddy_alloc_bulk(&rig.b, node, want, flags, pas);
        for (u32 i = 0; i < n; i++)
            took(pas[i], 0, node, buddy_node_of(&rig.b, pas[i]), flags);
        if (n < want)
            EXPECT_FALSE(available(flags ? node : NODE_NONE, 0, false));
        return;
    }
    for (u32 k = 0; k < nr_live && n < want; k++)
        while (live[k].order == 0 && k < nr_live && n < want) {
            pas[n++] = live[k].pa;
            drop(k);
        }
    buddy_free_bulk(&rig.b, pas, n);
    for (u32 i = 0; i < n; i++)
        mark(pas[i], 1, FREE);
}

/* What is free, misaligned or no memory is refused, and nothing changes. */
static void op_wrong(void)
{
    u32 page = rnd(PAGES), order = rnd(4);
    u64 bad = rig.b.bad_frees, pa = (u64)page << PAGE_SHIFT;

    if (state[page] == USED)
        return;
    buddy_free(&rig.b, align_down(pa, PAGE_SIZE << order), order);
    EXPECT_EQ(rig.b.bad_frees, bad + 1);
}

static void check_counts(void)
{
    for (s32 node = 0; node < NODES; node++) {
        struct buddy_stats s;
        u64 sum = 0;

        buddy_stats(&rig.b, node, &s);
        EXPECT_EQ(s.free, free_of[node * 2] + free_of[node * 2 + 1]);
        EXPECT_EQ(s.free_last, free_of[node * 2 + 1]);
        for (u32 i = 0; i < BUDDY_ORDERS; i++)
            sum += s.blocks[i] << i;
        EXPECT_EQ(sum, s.free);
    }
}

/* Every free pageblock stands in the lists as part of a block of order >= 9. */
static void check_order9(void)
{
    u64 whole = 0, listed = 0;

    for (u32 at = 0; at < PAGES; at += 512) {
        u32 i = 0;

        while (i < 512 && state[at + i] == FREE && zone[at + i] == zone[at])
            i++;
        whole += i == 512;
    }
    for (s32 node = 0; node < NODES; node++) {
        struct buddy_stats s;

        buddy_stats(&rig.b, node, &s);
        for (u32 order = 9; order < BUDDY_ORDERS; order++)
            listed += s.blocks[order] << (order - 9);
    }
    EXPECT_EQ(whole, listed);
}

static void set_up(void)
{
    u64 border = 67 * MIB + 0x7000;

    memset(state, HOLE, sizeof(state));
    memset(free_of, 0, sizeof(free_of));
    nr_live = 0;
    rig_init(&rig, NODES, (u64)PAGES << PAGE_SHIFT);
    declare(0, 0x1000, 0x9f000, false);
    declare(0, MIB, 40 * MIB + 0x3000, false);
    declare(0, 42 * MIB, 50 * MIB, true);
    declare(1, 50 * MIB, border, false);
    declare(2, border, 140 * MIB, false);
    declare(1, 141 * MIB + 0x1000, 160 * MIB - 0x1000, false);
    add(2 * MIB + 0x1000, 40 * MIB + 0x3000);
    add(42 * MIB, 50 * MIB);
    add(50 * MIB, border);
    add(border, 100 * MIB);
    add(101 * MIB + 0x5000, 140 * MIB);
    add(141 * MIB + 0x1000, 160 * MIB - 0x1000);
}

static void run(u64 start, u32 ops)
{
    seed = start * 0x9e3779b97f4a7c15ULL + 1;
    set_up();
    u64 all = buddy_free_pages(&rig.b, NODE_NONE);
    u32 lean = 2;

    for (u32 i = 0; i < ops; i++) {
        u32 r = rnd(64);

        if (i % 4096 == 0)
            lean = rnd(4); /* phases that fill, and phases that drain */
        if (r == 0)
            op_bulk();
        else if (r == 1)
            op_wrong();
        else if (nr_live && rnd(4) >= lean)
            op_free();
        else
            op_alloc();
        if (buddy_verify(&rig.b)) {
            ktest_fail(__FILE__, __LINE__, "after operation %u", i);
            return;
        }
        if (i % 512 == 0) {
            check_counts();
            check_order9();
        }
    }
    while (nr_live)
        op_free();
    check_counts();
    EXPECT_EQ(buddy_free_pages(&rig.b, NODE_NONE), all);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    rig_done(&rig);
}

KTEST(buddy_model, seed_1)
{
    run(1, 400000);
}

KTEST(buddy_model, seed_2)
{
    run(2, 400000);
}

KTEST(buddy_model, seed_3)
{
    run(3, 400000);
}
