/*
 * What Linux's memblock suite leaves out: nodes and flags, queries, the walk over free memory, and
 * memblock_verify().
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/memblock/memblock_fixture.h"

#define P PAGE_SIZE

static void have(struct fixture *f, u64 first, u64 pages, s32 nid, u32 flags)
{
    EXPECT_EQ(memblock_add_node(&f->mb, first * P, pages * P, nid, flags), 0);
}

MB_CASE(memblock_attr, set_node_splits_and_merges)
{
    struct memblock_type *mem = &f->mb.memory;

    have(f, 16, 16, NODE_NONE, 0);
    EXPECT_EQ(memblock_set_node(&f->mb, 20 * P, 4 * P, 1), 0);
    EXPECT_LIST(mem, 3, 16 * P);
    EXPECT_REGION(mem, 1, 20 * P, 4 * P);
    EXPECT_EQ(mem->regions[1].nid, 1);
    /* The rest follows: one region again. Absent pages are ignored. */
    EXPECT_EQ(memblock_set_node(&f->mb, 0, 64 * P, 1), 0);
    EXPECT_LIST(mem, 1, 16 * P);
    EXPECT_EQ(memblock_addr_nid(&f->mb, 16 * P), 1);
    EXPECT_EQ(memblock_addr_nid(&f->mb, 32 * P), NODE_NONE);
    /* Joins its neighbour of that node. */
    have(f, 32, 8, 2, 0);
    EXPECT_EQ(memblock_set_node(&f->mb, 30 * P, 2 * P, 2), 0);
    EXPECT_LIST(mem, 2, 24 * P);
    EXPECT_REGION(mem, 1, 30 * P, 10 * P);
}

MB_CASE(memblock_attr, set_node_saturates)
{
    have(f, 16, 16, NODE_NONE, 0);
    EXPECT_EQ(memblock_set_node(&f->mb, 24 * P, ~0ULL, 5), 0);
    EXPECT_EQ(f->mb.memory.cnt, 2);
    EXPECT_EQ(memblock_addr_nid(&f->mb, 31 * P), 5);
}

MB_CASE(memblock_attr, flags_set)
{
    struct memblock_type *mem = &f->mb.memory;

    have(f, 16, 16, 0, 0);
    EXPECT_EQ(memblock_mark(&f->mb, 20 * P, 4 * P, MEMBLOCK_HOTPLUG), 0);
    EXPECT_EQ(memblock_mark(&f->mb, 22 * P, 4 * P, MEMBLOCK_NOMAP), 0);
    EXPECT_EQ(mem->cnt, 5);
    EXPECT_EQ(mem->regions[2].flags, MEMBLOCK_HOTPLUG | MEMBLOCK_NOMAP);
    EXPECT_TRUE(memblock_is_memory(&f->mb, 23 * P));
    EXPECT_FALSE(memblock_is_map_memory(&f->mb, 23 * P));
    EXPECT_EQ(memblock_mark(&f->mb, 0, 64 * P, MEMBLOCK_NOMAP | MEMBLOCK_HOTPLUG), 0);
    EXPECT_LIST(mem, 1, 16 * P);
}

/* Regression: Linux's trim leaves total_size (and so memblock_phys_mem_size) as it was. */
MB_CASE(memblock_attr, trim_adjusts_totals)
{
    EXPECT_EQ(memblock_add_node(&f->mb, P + 1, 4 * P, 0, 0), 0);
    EXPECT_EQ(memblock_add_node(&f->mb, 8 * P + 1, P / 2, 0, 0), 0);
    EXPECT_EQ(memblock_add_node(&f->mb, 16 * P, P + 1, 1, 0), 0);
    memblock_trim_memory(&f->mb, P);
    EXPECT_LIST(&f->mb.memory, 2, 4 * P);
    EXPECT_EQ(memblock_phys_mem_size(&f->mb), 4 * P);
    EXPECT_REGION(&f->mb.memory, 0, 2 * P, 3 * P);
    EXPECT_EQ(memblock_node_size(&f->mb, 1), P);
}

/* A region in the last unit of the address space: rounding its start up would wrap. */
MB_CASE(memblock_attr, trim_at_the_end)
{
    EXPECT_EQ(memblock_add(&f->mb, ~0ULL - 100, 100), 0);
    memblock_trim_memory(&f->mb, P);
    EXPECT_LIST(&f->mb.memory, 0, 0);
}

MB_CASE(memblock_attr, queries)
{
    have(f, 4, 4, 0, 0);
    have(f, 8, 4, 1, 0);
    have(f, 16, 4, 1, 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 10 * P, P), 0);
    EXPECT_EQ(memblock_phys_mem_size(&f->mb), 12 * P);
    EXPECT_EQ(memblock_reserved_size(&f->mb), P);
    EXPECT_TRUE(memblock_is_memory(&f->mb, 12 * P - 1));
    EXPECT_FALSE(memblock_is_memory(&f->mb, 12 * P));
    EXPECT_TRUE(memblock_is_region_memory(&f->mb, 5 * P, 7 * P));
    EXPECT_FALSE(memblock_is_region_memory(&f->mb, 5 * P, 7 * P + 1));
    EXPECT_FALSE(memblock_is_region_memory(&f->mb, 3 * P, 2 * P));
    EXPECT_FALSE(memblock_is_region_memory(&f->mb, 10 * P, 7 * P));
    EXPECT_TRUE(memblock_is_region_reserved(&f->mb, 9 * P, P + 1));
    EXPECT_FALSE(memblock_is_region_reserved(&f->mb, 9 * P, P));
    EXPECT_TRUE(memblock_is_reserved(&f->mb, 10 * P));
    EXPECT_TRUE(memblock_search(&f->mb.memory, 15 * P) == NULL);
    EXPECT_EQ(memblock_search(&f->mb.memory, 19 * P)->base, 16 * P);
}

struct piece {
    u64 first, end; /* pages */
    s32 nid;
};

static void check_walk(struct memblock *mb, s32 nid, u32 skip, const struct piece *want, u32 n)
{
    struct memblock_cursor c;
    struct memblock_free_range r;
    u32 i = 0;

    for_each_free_range(&r, mb, nid, skip, &c)
    {
        REQUIRE_TRUE(i < n);
        EXPECT_EQ(r.start, want[i].first * P);
        EXPECT_EQ(r.end, want[i].end * P);
        EXPECT_EQ(r.nid, want[i++].nid);
    }
    EXPECT_EQ(i, n);
}

MB_CASE(memblock_attr, walks)
{
    static const struct piece all[] = {
        {4, 6, 0}, {8, 10, 0}, {10, 12, 1}, {18, 20, 1}, {21, 24, 1}};
    static const struct piece node1[] = {{10, 12, 1}, {18, 20, 1}, {21, 24, 1}};
    static const struct piece plain[] = {{4, 6, 0}, {8, 10, 0}, {10, 12, 1}};

    check_walk(&f->mb, MEMBLOCK_NODE_ANY, 0, NULL, 0);
    have(f, 4, 6, 0, 0);
    have(f, 10, 3, 1, 0);
    have(f, 16, 8, 1, MEMBLOCK_HOTPLUG);
    EXPECT_EQ(memblock_reserve(&f->mb, 6 * P, 2 * P), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 12 * P, 6 * P), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 20 * P, P), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 24 * P, P), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 0, P), 0);
    check_walk(&f->mb, MEMBLOCK_NODE_ANY, 0, all, ARRAY_SIZE(all));
    check_walk(&f->mb, 1, 0, node1, ARRAY_SIZE(node1));
    check_walk(&f->mb, MEMBLOCK_NODE_ANY, MEMBLOCK_HOTPLUG, plain, ARRAY_SIZE(plain));
    check_walk(&f->mb, 7, 0, NULL, 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 0, 64 * P), 0);
    check_walk(&f->mb, MEMBLOCK_NODE_ANY, 0, NULL, 0);
}

MB_CASE(memblock_attr, region_walks)
{
    const struct memblock_region *r;
    u64 sum = 0;

    for_each_mem_region(r, &f->mb) sum += r->size;
    EXPECT_EQ(sum, 0);
    have(f, 4, 6, 0, 0);
    have(f, 10, 3, 1, 0);
    for_each_mem_region(r, &f->mb) sum += r->size;
    EXPECT_EQ(sum, 9 * P);
    for_each_region(r, &f->mb.reserved) sum += r->size;
    EXPECT_EQ(sum, 9 * P);
}

/* memblock_verify() finds each kind of damage and names the list. */
static void check_damage(void (*damage)(struct memblock *mb), const char *says)
{
    static struct fixture f;

    fixture_init_sized(&f, 4);
    have(&f, 4, 4, 0, 0);
    have(&f, 8, 4, 1, 0);
    for (u32 i = 0; i < 5; i++)
        EXPECT_EQ(memblock_reserve(&f.mb, 2 * i * P, P), 0);
    EXPECT_EQ(memblock_verify(&f.mb), 0);
    damage(&f.mb);
    EXPECT_EQ(memblock_verify(&f.mb), -EINVAL);
    EXPECT_TRUE(shim_log_contains(says));
}

static void damage_order(struct memblock *mb)
{
    mb->memory.regions[1].base = 2 * P;
}

static void damage_merge(struct memblock *mb)
{
    mb->memory.regions[1].nid = 0;
}

static void damage_total(struct memblock *mb)
{
    mb->reserved.total_size++;
}

static void damage_empty(struct memblock *mb)
{
    mb->memory.regions[0].size = 0;
}

static void damage_wrap(struct memblock *mb)
{
    mb->memory.regions[1].size = ~0ULL;
}

static void damage_count(struct memblock *mb)
{
    mb->memory.cnt = mb->memory.max + 1;
}

static void damage_array(struct memblock *mb)
{
    mb->reserved.array_pa = 100 * P;
}

static void damage_array_page(struct memblock *mb)
{
    mb->reserved.array_pa += 8;
}

static void damage_floor(struct memblock *mb)
{
    mb->min_floor = 0;
}

KTEST(memblock_attr, verify_finds_damage)
{
    check_damage(damage_order, "memblock: memory[1]: not sorted, or overlaps the one before");
    check_damage(damage_merge, "memblock: memory[1]: not merged with the one before");
    check_damage(damage_total, "memblock: reserved[");
    check_damage(damage_empty, "memblock: memory[0]: empty, or wraps");
    check_damage(damage_wrap, "memblock: memory[1]: empty, or wraps");
    check_damage(damage_count, "memblock: memory[5]: more regions than slots");
    check_damage(damage_array, "memblock: reserved[0]: its array is not reserved");
    check_damage(damage_array_page, "memblock: reserved[0]: its array is not whole pages");
    check_damage(damage_floor, "memblock: the floor is inside page 0");
}
