/*
 * Allocation by node: the counterparts of the NUMA cases of Linux's alloc_nid suite (suite
 * memblock_numa) and alloc_exact_nid suite (suite memblock_exact), on its machine of eight nodes,
 * in both directions. Linux runs the first once more for the _raw variant; nothing is cleared here,
 * so that is one case. What only Perch has (node lists, last-resort memory) is in suite
 * memblock_list.
 *
 * Cases whose result differs from Linux's:
 *
 * | case                         | Linux                    | here                               |
 * |------------------------------|--------------------------|------------------------------------|
 * | memblock_numa.no_overlap_low | the range's end (its     | the end (start) of node 0, the     |
 * | (both directions)            | start bottom-up): on     | wanted one, below min_addr         |
 * |                              | another node             |                                    |
 *
 * Reason: a node of the list is tried above min_addr, then below it, before the next node is; Linux
 * keeps min_addr rather than the node. For all others Linux's order (node above min_addr, any node
 * above it, node below, any node below), worked out by hand on these sizes, gives the same address;
 * the sizes are ours, and Linux's own suite was not run beside this one.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/memblock/memblock_fixture.h"

#define NODES 8

/* Shares of the memory in 1/10000, as in Linux's fixture; the nodes are adjacent. */
static const u32 share[NODES] = {2500, 625, 1250, 1250, 625, 625, 2500, 625};

static u64 node_size(u32 nid)
{
    return MEM * share[nid] / 10000;
}

static u64 node_base(u32 nid)
{
    u64 base = START;

    for (u32 i = 0; i < nid; i++)
        base += node_size(i);
    return base;
}

static u64 node_end(u32 nid)
{
    return node_base(nid) + node_size(nid);
}

static void eight_nodes(struct fixture *f)
{
    for (u32 i = 0; i < NODES; i++)
        EXPECT_EQ(memblock_add_node(&f->mb, node_base(i), node_size(i), (s32)i, 0), 0);
    EXPECT_LIST(&f->mb.memory, NODES, MEM);
}

/* The base, or 0 when it fails; the node told must be the node of the memory. */
static u64 alloc_list(struct fixture *f, u64 size, u64 min, u64 max, const s32 *nodes, u32 nr,
                      bool exact)
{
    struct memblock_request req = {size, LINE, min, max, nodes, nr, exact, 0};
    struct memblock_result got;
    u64 reserved = memblock_reserved_size(&f->mb);
    int rc = memblock_alloc(&f->mb, &req, &got);

    EXPECT_EQ(memblock_reserved_size(&f->mb), reserved + (rc ? 0 : size));
    if (rc) {
        EXPECT_EQ(rc, -ENOMEM);
        return 0;
    }
    EXPECT_EQ(got.nid, memblock_addr_nid(&f->mb, got.base));
    EXPECT_EQ(got.nid, memblock_addr_nid(&f->mb, got.base + size - 1));
    return got.base;
}

static u64 alloc(struct fixture *f, u64 size, u64 min, u64 max, s32 nid, bool exact)
{
    return alloc_list(f, size, min, max, &nid, 1, exact);
}

/* Where a piece of this size lies in an empty node. */
static u64 in_node(u32 nid, u64 size, bool up)
{
    return up ? node_base(nid) : node_end(nid) - size;
}

/* A case that means the same for the preferred and for the exact node. */
#define NODE_CASE(name)                                                                            \
    static void node_##name(struct fixture *f, bool up, bool exact);                               \
    MB_BOTH(memblock_numa, name)                                                                   \
    {                                                                                              \
        node_##name(f, up, false);                                                                 \
    }                                                                                              \
    MB_BOTH(memblock_exact, name)                                                                  \
    {                                                                                              \
        node_##name(f, up, true);                                                                  \
    }                                                                                              \
    static void node_##name(struct fixture *f, UNUSED bool up, bool exact)

NODE_CASE(simple)
{
    u64 size = node_size(3) / 4;

    eight_nodes(f);
    EXPECT_EQ(alloc(f, size, START, END, 3, exact), in_node(3, size, up));
    EXPECT_LIST(&f->mb.reserved, 1, size);
}

/* The node is too small: another serves, the first that fits; exact: none. */
NODE_CASE(small_node)
{
    u64 size = 2 * node_size(1);

    eight_nodes(f);
    EXPECT_EQ(alloc(f, size, START, END, 1, exact), exact ? 0 : in_node(up ? 0 : 6, size, up));
}

NODE_CASE(node_reserved)
{
    u64 size = node_size(2);

    eight_nodes(f);
    fixture_reserve(f, node_base(2), size);
    EXPECT_EQ(alloc(f, size, START, END, 2, exact), exact ? 0 : in_node(up ? 0 : 6, size, up));
}

NODE_CASE(part_reserved)
{
    u64 half = node_size(4) / 2, size = half / 2;

    eight_nodes(f);
    fixture_reserve(f, node_base(4), half);
    EXPECT_EQ(alloc(f, size, START, END, 4, exact), up ? node_base(4) + half : node_end(4) - size);
    EXPECT_EQ(f->mb.reserved.cnt, up ? 1 : 2);
}

/* More than what is left in the node. */
static void part_reserved_too_much(struct fixture *f, bool up, bool exact)
{
    u64 size = node_size(4) / 2 + LINE;

    eight_nodes(f);
    fixture_reserve(f, node_base(4), node_size(4) / 2);
    EXPECT_EQ(alloc(f, size, START, END, 4, exact), exact ? 0 : in_node(up ? 0 : 7, size, up));
}

MB_BOTH(memblock_numa, part_reserved_fallback)
{
    part_reserved_too_much(f, up, false);
}

MB_BOTH(memblock_exact, part_reserved_fail)
{
    part_reserved_too_much(f, up, true);
}

/* The range begins in the node and ends in the next: its lower end is given up. */
NODE_CASE(split_range_low)
{
    u64 min = node_end(2) - 256;

    eight_nodes(f);
    EXPECT_EQ(alloc(f, 512, min, min + 512, 2, exact), in_node(2, 512, up));
}

/* The range begins before the node and ends inside: only lower nodes are left. */
NODE_CASE(split_range_high)
{
    u64 min = node_base(3) - 256;

    eight_nodes(f);
    EXPECT_EQ(alloc(f, 512, min, min + 512, 3, exact), exact ? 0 : in_node(up ? 0 : 2, 512, up));
}

/* The range lies across the border of two other, higher nodes. */
NODE_CASE(no_overlap_split)
{
    u64 min = node_base(6) - 256;

    eight_nodes(f);
    EXPECT_EQ(alloc(f, 512, min, min + 512, 2, exact), in_node(2, 512, up));
}

/* The range lies above the node. Unlike Linux, the node is kept, not min_addr (see above). */
NODE_CASE(no_overlap_low)
{
    eight_nodes(f);
    EXPECT_EQ(alloc(f, LINE, node_base(2), node_end(5), 0, exact), in_node(0, LINE, up));
}

/* The range lies below the node. */
NODE_CASE(no_overlap_high)
{
    u64 min = node_base(2), max = node_end(5);

    eight_nodes(f);
    EXPECT_EQ(alloc(f, LINE, min, max, 7, exact), exact ? 0 : up ? min : max - LINE);
}

NODE_CASE(large_region)
{
    eight_nodes(f);
    EXPECT_EQ(alloc(f, MEM / 2, START, END, 3, exact), 0);
    EXPECT_LIST(&f->mb.reserved, 0, 0);
}

/* The whole node between two reservations of its neighbours: one region remains. */
NODE_CASE(reserved_full_merge)
{
    u64 below = node_size(5) / 2, above = node_size(7) / 2;

    eight_nodes(f);
    fixture_reserve(f, node_base(6) - below, below);
    fixture_reserve(f, node_end(6), above);
    EXPECT_EQ(alloc(f, node_size(6), node_base(6), node_end(6), 6, exact), node_base(6));
    EXPECT_LIST(&f->mb.reserved, 1, below + node_size(6) + above);
    EXPECT_EQ(memblock_node_reserved(&f->mb, 5), below);
    EXPECT_EQ(memblock_node_reserved(&f->mb, 6), node_size(6));
    EXPECT_EQ(memblock_node_reserved(&f->mb, 7), above);
}

/* The only free range is large enough but lies across two nodes. */
NODE_CASE(split_all_reserved)
{
    u64 hole = node_end(6) - 256;

    eight_nodes(f);
    fixture_reserve(f, START, hole - START);
    fixture_reserve(f, hole + 512, END - hole - 512);
    EXPECT_EQ(alloc_list(f, 512, hole, hole + 512, NULL, 0, exact), 0);
    EXPECT_EQ(alloc_list(f, 256, hole, hole + 512, NULL, 0, exact), up ? hole : hole + 256);
}

MB_BOTH(memblock_numa, node_on_correct_nid)
{
    eight_nodes(f);
    EXPECT_EQ(alloc(f, 512, 0, 0, 3, false), in_node(3, 512, up));
    EXPECT_EQ(memblock_node_reserved(&f->mb, 3), 512);
    EXPECT_EQ(memblock_node_free(&f->mb, 3), node_size(3) - 512);
    EXPECT_EQ(memblock_node_reserved(&f->mb, MEMBLOCK_NODE_ANY), 512);
}

/* ---- node lists ----------------------------------------------------------------------------- */

/* Nodes are tried in the order of the list, then any; exact stops at the list's end. */
MB_BOTH(memblock_list, order)
{
    static const s32 list[] = {5, 2, 4};

    eight_nodes(f);
    for (u32 i = 0; i < ARRAY_SIZE(list); i++) {
        u32 nid = (u32)list[i];
        EXPECT_EQ(alloc_list(f, node_size(nid), 0, 0, list, 3, i % 2), node_base(nid));
    }
    EXPECT_EQ(alloc_list(f, LINE, 0, 0, list, 3, true), 0);
    EXPECT_EQ(alloc_list(f, LINE, 0, 0, list, 3, false), in_node(up ? 0 : 7, LINE, up));
}

/* A later node is used when the earlier ones are too full for this size, not before. */
MB_BOTH(memblock_list, by_size)
{
    static const s32 list[] = {1, 4, 6};

    eight_nodes(f);
    EXPECT_EQ(alloc_list(f, node_size(6), 0, 0, list, 3, true), node_base(6));
    EXPECT_EQ(alloc_list(f, 1024, 0, 0, list, 3, true), in_node(1, 1024, up));
    EXPECT_EQ(alloc_list(f, 2048, 0, 0, list, 3, true), in_node(4, 2048, up));
}

/* The nearest node below min_addr goes before the next node above it. */
MB_BOTH(memblock_list, node_before_min_addr)
{
    static const s32 list[] = {1, 6};

    eight_nodes(f);
    EXPECT_EQ(alloc_list(f, LINE, node_base(3), 0, list, 2, true), in_node(1, LINE, up));
    fixture_reserve(f, node_base(1), node_size(1));
    EXPECT_EQ(alloc_list(f, LINE, node_base(3), 0, list, 2, true), in_node(6, LINE, up));
}

/* Any node: min_addr is kept while it can be. */
MB_BOTH(memblock_list, any_keeps_min_addr)
{
    eight_nodes(f);
    EXPECT_EQ(alloc_list(f, LINE, node_base(3), 0, NULL, 0, false), up ? node_base(3) : END - LINE);
}

/* A node without memory, a node that is listed twice, NODE_NONE for memory without a node. */
MB_BOTH(memblock_list, odd_lists)
{
    static const s32 list[] = {99, 3, 3, NODE_NONE};

    eight_nodes(f);
    EXPECT_EQ(memblock_add(&f->mb, END, MEM), 0);
    EXPECT_EQ(alloc_list(f, node_size(3), 0, 0, list, 4, true), node_base(3));
    EXPECT_EQ(alloc_list(f, MEM, 0, 0, list, 4, true), END);
    EXPECT_EQ(alloc_list(f, LINE, 0, 0, list, 4, true), 0);
}

/*
 * Hot-pluggable and special-purpose memory of the nearest node goes after normal memory of any
 * node; within the last round the list counts again.
 */
static void check_last(struct fixture *f, bool up, u32 flag)
{
    static const s32 list[] = {3, 5};
    u64 rest = node_size(6);

    eight_nodes(f);
    EXPECT_EQ(memblock_mark(&f->mb, node_base(3), node_size(3), flag), 0);
    EXPECT_EQ(memblock_mark(&f->mb, node_base(7), node_size(7), flag), 0);
    EXPECT_EQ(alloc_list(f, 1024, 0, 0, list, 2, false), in_node(5, 1024, up));
    fixture_reserve(f, node_base(4), node_size(4) + node_size(5) + rest);
    EXPECT_EQ(alloc_list(f, 1024, 0, 0, list, 1, false), in_node(up ? 0 : 2, 1024, up));
    fixture_reserve(f, START, node_base(3) - START);
    EXPECT_EQ(alloc_list(f, 1024, 0, 0, list, 2, false), in_node(3, 1024, up));
    EXPECT_EQ(alloc_list(f, 1024, 0, 0, list, 1, true),
              up ? node_base(3) + 1024 : node_end(3) - 2048);
}

MB_BOTH(memblock_list, hotplug_last)
{
    check_last(f, up, MEMBLOCK_HOTPLUG);
}

MB_BOTH(memblock_list, nonvolatile_last)
{
    check_last(f, up, MEMBLOCK_NONVOLATILE);
}

MB_BOTH(memblock_list, special_last)
{
    check_last(f, up, MEMBLOCK_SPECIAL);
}

MB_BOTH(memblock_list, nomap_never)
{
    eight_nodes(f);
    EXPECT_EQ(memblock_mark(&f->mb, node_base(3), node_size(3), MEMBLOCK_NOMAP), 0);
    EXPECT_EQ(alloc(f, LINE, 0, 0, 3, true), 0);
    EXPECT_EQ(alloc(f, LINE, 0, 0, 3, false), in_node(up ? 0 : 7, LINE, up));
    EXPECT_EQ(memblock_node_free(&f->mb, 3), 0);
}

/* Mirrored memory anywhere goes before the wanted node; when there is none, a line says so. */
MB_BOTH(memblock_list, mirror_first)
{
    static const s32 list[] = {3};
    struct memblock_request req = {
        .size = 512, .nodes = list, .nr_nodes = 1, .flags = MEMBLOCK_MIRROR};
    struct memblock_result got;

    eight_nodes(f);
    EXPECT_EQ(memblock_mark(&f->mb, node_base(1), 512, MEMBLOCK_MIRROR), 0);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.base, node_base(1));
    EXPECT_EQ(got.nid, 1);
    EXPECT_FALSE(shim_log_contains("no mirrored memory"));
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.base, in_node(3, 512, up));
    EXPECT_EQ(shim_log_matches("memblock: no mirrored memory for 0x200 bytes"), 1);
}

/* What was reserved before the nodes were known counts for the right node. */
MB_CASE(memblock_list, accounting_after_set_node)
{
    EXPECT_EQ(memblock_add(&f->mb, START, MEM), 0);
    fixture_reserve(f, START + MEM / 2 - 256, 512);
    EXPECT_EQ(memblock_node_reserved(&f->mb, NODE_NONE), 512);
    EXPECT_EQ(memblock_set_node(&f->mb, START, MEM / 2, 0), 0);
    EXPECT_EQ(memblock_set_node(&f->mb, START + MEM / 2, MEM / 2, 1), 0);
    EXPECT_EQ(memblock_node_reserved(&f->mb, 0), 256);
    EXPECT_EQ(memblock_node_reserved(&f->mb, 1), 256);
    EXPECT_EQ(memblock_node_free(&f->mb, 0), MEM / 2 - 256);
    EXPECT_EQ(memblock_node_size(&f->mb, 1), MEM / 2);
    EXPECT_EQ(memblock_node_reserved(&f->mb, NODE_NONE), 0);
}
