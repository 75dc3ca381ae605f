/*
 * Add, reserve, remove, free: the counterparts of the basic_api cases of Linux's memblock suite,
 * under their names. Representation differs in one place: an empty list has no region, where
 * Linux's has one of size 0.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/memblock/memblock_fixture.h"

MB_CASE(memblock_basic, initialization)
{
    EXPECT_LIST(&f->mb.memory, 0, 0);
    EXPECT_LIST(&f->mb.reserved, 0, 0);
    EXPECT_EQ(f->mb.memory.max, INIT_REGIONS);
    EXPECT_EQ(f->mb.reserved.max, INIT_REGIONS);
    EXPECT_STREQ(f->mb.memory.name, "memory");
    EXPECT_STREQ(f->mb.reserved.name, "reserved");
    EXPECT_FALSE(f->mb.bottom_up);
    EXPECT_EQ(f->mb.current_limit, MEMBLOCK_NO_LIMIT);
}

/*
 * Insertion means the same for both lists, so each case below is a sequence of ranges and the
 * regions that must come out, run through memblock_add and through memblock_reserve.
 */
struct rng {
    u64 base, size;
};

typedef int (*insert_fn)(struct memblock *mb, u64 base, u64 size);

static void check_insert(struct memblock *mb, struct memblock_type *type, insert_fn insert,
                         const struct rng *in, const struct rng *out)
{
    u64 total = 0;
    u32 n = 0;

    for (; in->size; in++)
        EXPECT_EQ(insert(mb, in->base, in->size), 0);
    for (; out->size; out++, n++) {
        EXPECT_REGION(type, n, out->base, out->size);
        EXPECT_EQ(type->regions[n].nid, NODE_NONE);
        EXPECT_EQ(type->regions[n].flags, 0);
        total += out->size;
    }
    EXPECT_LIST(type, n, total);
    EXPECT_EQ(memblock_verify(mb), 0);
}

#define RANGES(...) ((const struct rng[]){__VA_ARGS__, {0, 0}})
#define INSERT_CASE(name, in, out)                                                                 \
    MB_CASE(memblock_basic, add_##name)                                                            \
    {                                                                                              \
        check_insert(&f->mb, &f->mb.memory, memblock_add, in, out);                                \
    }                                                                                              \
    MB_CASE(memblock_basic, reserve_##name)                                                        \
    {                                                                                              \
        check_insert(&f->mb, &f->mb.reserved, memblock_reserve, in, out);                          \
    }

#define A SZ_1G
#define M SZ_1M

INSERT_CASE(simple, RANGES({A, 4 * M}), RANGES({A, 4 * M}))
INSERT_CASE(disjoint, RANGES({A, 8 * M}, {A + 16 * M, 8 * M}),
            RANGES({A, 8 * M}, {A + 16 * M, 8 * M}))
INSERT_CASE(overlap_top, RANGES({2 * A, A}, {A + 512 * M, A}), RANGES({A + 512 * M, A + 512 * M}))
INSERT_CASE(overlap_bottom, RANGES({128 * M, 512 * M}, {256 * M, A}),
            RANGES({128 * M, A + 128 * M}))
INSERT_CASE(within, RANGES({8 * M, 32 * M}, {16 * M, 1 * M}), RANGES({8 * M, 32 * M}))
INSERT_CASE(twice, RANGES({16 * 1024, 2 * M}, {16 * 1024, 2 * M}), RANGES({16 * 1024, 2 * M}))
INSERT_CASE(between, RANGES({A, 8 * M}, {A + 16 * M, 8 * M}, {A + 8 * M, 8 * M}),
            RANGES({A, 24 * M}))
/* base + size would wrap: the end saturates. */
INSERT_CASE(near_max, RANGES({~0ULL - M, 2 * M}), RANGES({~0ULL - M, M}))
/* Not upstream: many at once, swallowed with both neighbours. */
INSERT_CASE(swallow, RANGES({A, M}, {A + 2 * M, M}, {A + 4 * M, M}, {A + 6 * M, M}, {A + M, 5 * M}),
            RANGES({A, 7 * M}))
INSERT_CASE(touch_below, RANGES({A + M, M}, {A, M}), RANGES({A, 2 * M}))

KTEST(memblock_basic, size_zero_does_nothing)
{
    static struct fixture f;

    fixture_init(&f);
    EXPECT_EQ(memblock_add(&f.mb, A, 0), 0);
    EXPECT_EQ(memblock_reserve(&f.mb, A, 0), 0);
    EXPECT_EQ(memblock_add(&f.mb, ~0ULL, 5), 0);
    EXPECT_LIST(&f.mb.memory, 0, 0);
    EXPECT_EQ(memblock_add(&f.mb, A, M), 0);
    EXPECT_EQ(memblock_remove(&f.mb, A, 0), 0);
    EXPECT_EQ(memblock_phys_free(&f.mb, A, 0), 0);
    EXPECT_EQ(memblock_set_node(&f.mb, A, 0, 3), 0);
    EXPECT_LIST(&f.mb.memory, 1, M);
}

MB_CASE(memblock_basic, add_node_simple)
{
    EXPECT_EQ(memblock_add_node(&f->mb, M, 16 * M, 1, MEMBLOCK_HOTPLUG), 0);
    EXPECT_REGION(&f->mb.memory, 0, M, 16 * M);
    EXPECT_EQ(f->mb.memory.regions[0].nid, 1);
    EXPECT_EQ(f->mb.memory.regions[0].flags, MEMBLOCK_HOTPLUG);
}

/* Existing attributes win, only gaps are inserted, and a line says so. */
MB_CASE(memblock_basic, add_node_over_others)
{
    EXPECT_EQ(memblock_add_node(&f->mb, 2 * M, M, 1, 0), 0);
    EXPECT_EQ(memblock_add_node(&f->mb, 4 * M, M, 2, 0), 0);
    EXPECT_EQ(memblock_add_node(&f->mb, M, 5 * M, 1, 0), 0);
    EXPECT_LIST(&f->mb.memory, 3, 5 * M);
    EXPECT_REGION(&f->mb.memory, 0, M, 3 * M);
    EXPECT_REGION(&f->mb.memory, 1, 4 * M, M);
    EXPECT_REGION(&f->mb.memory, 2, 5 * M, M);
    EXPECT_EQ(f->mb.memory.regions[1].nid, 2);
    EXPECT_TRUE(shim_log_contains("node 2 flags 0x0 is there and stays"));
}

MB_CASE(memblock_basic, add_many)
{
    struct memblock_type *mem = &f->mb.memory;

    for (u32 i = 0; i < INIT_REGIONS; i++)
        EXPECT_EQ(memblock_add(&f->mb, START + i * 2 * MEM / 4, MEM / 4), 0);
    EXPECT_LIST(mem, INIT_REGIONS, INIT_REGIONS * MEM / 4);
    EXPECT_EQ(mem->max, INIT_REGIONS);
    EXPECT_EQ(memblock_add(&f->mb, START + INIT_REGIONS * 2 * MEM / 4, MEM / 4), 0);
    EXPECT_LIST(mem, INIT_REGIONS + 1, (INIT_REGIONS + 1) * MEM / 4);
    EXPECT_EQ(mem->max, 2 * INIT_REGIONS);
    EXPECT_EQ(mem->grown, 1);
    EXPECT_LIST(&f->mb.reserved, 1, mem->array_size);
    EXPECT_REGION(&f->mb.reserved, 0, mem->array_pa, mem->array_size);
    /* Filling a gap merges three into one. */
    EXPECT_EQ(memblock_add(&f->mb, START + MEM / 4, MEM / 4), 0);
    EXPECT_EQ(mem->cnt, INIT_REGIONS);
}

#define SLOT_SIZE 0x1000ULL
#define SLOT(i)   (SZ_2M + (i)*2 * SLOT_SIZE)

/* Reserves slots [0, n) but one, each apart from the next. */
static void reserve_slots_but(struct memblock *mb, u32 n, u32 skip)
{
    for (u32 i = 0; i < n; i++)
        if (i != skip)
            EXPECT_EQ(memblock_reserve(mb, SLOT(i), SLOT_SIZE), 0);
}

MB_CASE(memblock_basic, reserve_many)
{
    struct memblock_type *res = &f->mb.reserved;

    EXPECT_EQ(memblock_add(&f->mb, START, SZ_1M - START % SZ_1M + SZ_2M), 0);
    reserve_slots_but(&f->mb, INIT_REGIONS, INIT_REGIONS);
    EXPECT_LIST(res, INIT_REGIONS, INIT_REGIONS * SLOT_SIZE);
    EXPECT_EQ(memblock_reserve(&f->mb, SLOT(INIT_REGIONS), SLOT_SIZE), 0);
    EXPECT_EQ(res->max, 2 * INIT_REGIONS);
    EXPECT_EQ(res->total_size, (INIT_REGIONS + 1) * SLOT_SIZE + res->array_size);
    EXPECT_TRUE(memblock_is_region_reserved(&f->mb, res->array_pa, res->array_size));
}

/* The range that makes the array double is at each place of the list in turn. */
KTEST(memblock_basic, reserve_all_locations)
{
    static struct fixture f;
    struct memblock_type *res = &f.mb.reserved;

    for (u32 skip = 0; skip <= INIT_REGIONS; skip++) {
        fixture_init(&f);
        EXPECT_EQ(memblock_add(&f.mb, START, 3 * SZ_1M), 0);
        reserve_slots_but(&f.mb, INIT_REGIONS + 1, skip);
        EXPECT_LIST(res, INIT_REGIONS, INIT_REGIONS * SLOT_SIZE);
        EXPECT_EQ(memblock_reserve(&f.mb, SLOT(skip), SLOT_SIZE), 0);
        EXPECT_EQ(res->max, 2 * INIT_REGIONS);
        EXPECT_EQ(res->total_size, (INIT_REGIONS + 1) * SLOT_SIZE + res->array_size);
        for (u32 i = 0; i <= INIT_REGIONS; i++)
            EXPECT_TRUE(memblock_is_reserved(&f.mb, SLOT(i)));
        EXPECT_EQ(memblock_verify(&f.mb), 0);
    }
}

/*
 * The only hole above what is reserved is the range itself: the array must go below it, and when
 * there is nothing below either, the call fails and changes nothing.
 */
KTEST(memblock_basic, reserve_many_may_conflict)
{
    static struct fixture f;
    struct memblock_type *res = &f.mb.reserved;
    u64 hole = SLOT(INIT_REGIONS);

    for (int below = 0; below < 2; below++) {
        fixture_init(&f);
        EXPECT_EQ(memblock_add(&f.mb, hole, 4 * SLOT_SIZE), 0);
        if (below)
            EXPECT_EQ(memblock_add(&f.mb, START, 4 * SLOT_SIZE), 0);
        reserve_slots_but(&f.mb, INIT_REGIONS, INIT_REGIONS);
        EXPECT_EQ(memblock_reserve(&f.mb, hole, 4 * SLOT_SIZE), below ? 0 : -ENOMEM);
        EXPECT_EQ(memblock_verify(&f.mb), 0);
        if (below) {
            EXPECT_TRUE(res->array_pa >= START && res->array_pa < START + 4 * SLOT_SIZE);
            EXPECT_TRUE(memblock_is_reserved(&f.mb, hole));
        } else {
            EXPECT_LIST(res, INIT_REGIONS, INIT_REGIONS * SLOT_SIZE);
            EXPECT_TRUE(shim_log_contains("no room for 1 more reserved regions (128 of 128)"));
        }
    }
}

/* Removal likewise: what is there, what goes, what stays; for memory and for reserved. */
static void check_delete(struct memblock *mb, struct memblock_type *type, insert_fn insert,
                         insert_fn delete, const struct rng *in, struct rng gone,
                         const struct rng *out)
{
    check_insert(mb, type, insert, in, in);
    EXPECT_EQ(delete (mb, gone.base, gone.size), 0);
    check_insert(mb, type, insert, RANGES({0, 0}), out);
}

#define RANGE(...) ((struct rng){__VA_ARGS__})
#define DELETE_CASE(name, in, gone, out)                                                           \
    MB_CASE(memblock_basic, remove_##name)                                                         \
    {                                                                                              \
        check_delete(&f->mb, &f->mb.memory, memblock_add, memblock_remove, in, gone, out);         \
    }                                                                                              \
    MB_CASE(memblock_basic, free_##name)                                                           \
    {                                                                                              \
        check_delete(&f->mb, &f->mb.reserved, memblock_reserve, memblock_phys_free, in, gone,      \
                     out);                                                                         \
    }

DELETE_CASE(simple, RANGES({2 * M, 4 * M}, {128 * M, 4 * M}), RANGE(2 * M, 4 * M),
            RANGES({128 * M, 4 * M}))
DELETE_CASE(absent, RANGES({512 * 1024, 4 * M}), RANGE(64 * M, A), RANGES({512 * 1024, 4 * M}))
DELETE_CASE(overlap_top, RANGES({32 * M, 32 * M}), RANGE(16 * M, 32 * M), RANGES({48 * M, 16 * M}))
DELETE_CASE(overlap_bottom, RANGES({2 * M, 64 * M}), RANGE(32 * M, 256 * M),
            RANGES({2 * M, 30 * M}))
DELETE_CASE(within, RANGES({M, 4 * M}), RANGE(2 * M, M), RANGES({M, M}, {3 * M, 2 * M}))
DELETE_CASE(only_region, RANGES({2 * M, 4 * M}), RANGE(2 * M, 4 * M), RANGES({0, 0}))
DELETE_CASE(near_max, RANGES({~0ULL - 2 * M, 2 * M}), RANGE(~0ULL - M, 2 * M),
            RANGES({~0ULL - 2 * M, M}))
DELETE_CASE(overlap_two, RANGES({16 * M, 32 * M}, {64 * M, 64 * M}), RANGE(32 * M, 64 * M),
            RANGES({16 * M, 16 * M}, {96 * M, 32 * M}))
DELETE_CASE(overlap_many, RANGES({M, M}, {3 * M, M}, {5 * M, M}, {7 * M, 2 * M}),
            RANGE(3 * M, 5 * M), RANGES({M, M}, {8 * M, M}))

MB_CASE(memblock_basic, set_bottom_up)
{
    memblock_set_bottom_up(&f->mb, true);
    EXPECT_TRUE(f->mb.bottom_up);
    memblock_set_bottom_up(&f->mb, false);
    EXPECT_FALSE(f->mb.bottom_up);
}

static void check_trim(struct memblock *mb, struct rng a, struct rng b, struct rng want)
{
    EXPECT_EQ(memblock_add(mb, a.base, a.size), 0);
    EXPECT_EQ(memblock_add(mb, b.base, b.size), 0);
    memblock_trim_memory(mb, 8);
    EXPECT_REGION(&mb->memory, 0, a.base, a.size);
    if (want.size)
        EXPECT_REGION(&mb->memory, 1, want.base, want.size);
    /* Unlike Linux, whose total keeps what was trimmed. */
    EXPECT_LIST(&mb->memory, want.size ? 2 : 1, a.size + want.size);
    EXPECT_EQ(memblock_verify(mb), 0);
}

MB_CASE(memblock_basic, trim_memory_aligned)
{
    check_trim(&f->mb, RANGE(512, 64), RANGE(1024, 64), RANGE(1024, 64));
}

MB_CASE(memblock_basic, trim_memory_too_small)
{
    check_trim(&f->mb, RANGE(512, 64), RANGE(1026, 4), RANGE(0, 0));
}

MB_CASE(memblock_basic, trim_memory_unaligned_base)
{
    check_trim(&f->mb, RANGE(512, 64), RANGE(1026, 62), RANGE(1032, 56));
}

MB_CASE(memblock_basic, trim_memory_unaligned_end)
{
    check_trim(&f->mb, RANGE(512, 64), RANGE(1024, 62), RANGE(1024, 56));
}

MB_CASE(memblock_basic, overlaps_region)
{
    struct memblock_type *mem = &f->mb.memory;

    EXPECT_EQ(memblock_add(&f->mb, A, 4 * M), 0);
    EXPECT_FALSE(memblock_overlaps_region(mem, A - M, M));
    EXPECT_FALSE(memblock_overlaps_region(mem, A + 4 * M, M));
    EXPECT_TRUE(memblock_overlaps_region(mem, A - M, M + 1));
    EXPECT_TRUE(memblock_overlaps_region(mem, A + M, 2 * M));
    EXPECT_TRUE(memblock_overlaps_region(mem, A + 3 * M, 2 * M));
    EXPECT_TRUE(memblock_overlaps_region(mem, A - M, 8 * M));
    EXPECT_FALSE(memblock_overlaps_region(mem, A, 0));
}
