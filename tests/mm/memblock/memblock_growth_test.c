/*
 * Growth of the region arrays: where the new array goes, what becomes of the old one, slots that
 * are reserved ahead, and the failure of every single growth, after which nothing may have changed.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/memblock/memblock_fixture.h"

#define P PAGE_SIZE

static struct fixture fx;

static struct fixture *tiny(void)
{
    fixture_init_sized(&fx, 4);
    return &fx;
}

/* Fills the reserved list with n single pages, each apart from the next, from page `first` up. */
static void fill_reserved(struct memblock *mb, u64 first, u32 n)
{
    for (u32 i = 0; i < n; i++)
        EXPECT_EQ(memblock_reserve(mb, (first + 2 * i) * P, P), 0);
}

struct snapshot {
    struct memblock_region mem[256], res[256];
    u32 mem_cnt, res_cnt, grown;
    u64 mem_total, res_total;
};

static void snapshot(const struct memblock *mb, struct snapshot *s)
{
    memset(s, 0, sizeof(*s));
    REQUIRE_TRUE(mb->memory.cnt <= 256 && mb->reserved.cnt <= 256);
    memcpy(s->mem, mb->memory.regions, mb->memory.cnt * sizeof(s->mem[0]));
    memcpy(s->res, mb->reserved.regions, mb->reserved.cnt * sizeof(s->res[0]));
    s->mem_cnt = mb->memory.cnt;
    s->res_cnt = mb->reserved.cnt;
    s->grown = mb->memory.grown + mb->reserved.grown;
    s->mem_total = mb->memory.total_size;
    s->res_total = mb->reserved.total_size;
}

static bool unchanged(const struct memblock *mb, const struct snapshot *before)
{
    static struct snapshot now;

    snapshot(mb, &now);
    return memcmp(&now, before, sizeof(now)) == 0;
}

/* The static array is never freed, an array of ours is, and the list survives five doublings. */
KTEST(memblock_growth, doubles_and_frees_the_old)
{
    struct fixture *f = tiny();
    struct memblock_type *res = &f->mb.reserved;

    EXPECT_EQ(memblock_add(&f->mb, P, 1023 * P), 0);
    fill_reserved(&f->mb, 256, 4);
    EXPECT_EQ(res->grown, 0);
    fill_reserved(&f->mb, 256, 120);
    EXPECT_EQ(res->max, 128);
    EXPECT_EQ(res->grown, 5);
    EXPECT_EQ(res->total_size, 120 * P + res->array_size);
    EXPECT_TRUE(res->regions == (void *)(fixture_phys + res->array_pa));
    EXPECT_EQ(memblock_verify(&f->mb), 0);
    for (u32 i = 0; i < 120; i++)
        EXPECT_EQ(memblock_phys_free(&f->mb, (256 + 2 * i) * P, P), 0);
    EXPECT_LIST(res, 1, res->array_size);
}

/* First above the range that is being reserved, then below it, never inside. */
KTEST(memblock_growth, keeps_clear_of_the_range)
{
    struct fixture *f = tiny();
    u64 range = 32 * P, len = 16 * P;

    EXPECT_EQ(memblock_add(&f->mb, P, 63 * P), 0);
    fill_reserved(&f->mb, 2, 4);
    EXPECT_EQ(memblock_reserve(&f->mb, range, len), 0);
    EXPECT_EQ(f->mb.reserved.array_pa, 63 * P);

    f = tiny();
    EXPECT_EQ(memblock_add(&f->mb, P, 47 * P), 0);
    fill_reserved(&f->mb, 2, 4);
    EXPECT_EQ(memblock_reserve(&f->mb, range, len), 0);
    EXPECT_EQ(f->mb.reserved.array_pa, 31 * P);

    f = tiny();
    memblock_set_bottom_up(&f->mb, true);
    EXPECT_EQ(memblock_add(&f->mb, P, 47 * P), 0);
    fill_reserved(&f->mb, 2, 4);
    EXPECT_EQ(memblock_reserve(&f->mb, range, len), 0);
    EXPECT_EQ(f->mb.reserved.array_pa, P);
    EXPECT_EQ(memblock_verify(&f->mb), 0);
}

/* The array obeys the limit, and prefers memory that stays. */
KTEST(memblock_growth, obeys_limit_and_flags)
{
    struct fixture *f = tiny();

    EXPECT_EQ(memblock_add(&f->mb, P, 63 * P), 0);
    EXPECT_EQ(memblock_add_node(&f->mb, 64 * P, 64 * P, 0, MEMBLOCK_HOTPLUG), 0);
    memblock_set_current_limit(&f->mb, 96 * P);
    fill_reserved(&f->mb, 2, 5);
    EXPECT_EQ(f->mb.reserved.array_pa, 63 * P);

    f = tiny();
    EXPECT_EQ(memblock_add_node(&f->mb, 64 * P, 64 * P, 0, MEMBLOCK_HOTPLUG), 0);
    memblock_set_current_limit(&f->mb, 96 * P);
    fill_reserved(&f->mb, 2, 5);
    EXPECT_EQ(f->mb.reserved.array_pa, 95 * P);
}

/* `memory` doubles while `reserved` is full: both do. */
KTEST(memblock_growth, memory_while_reserved_is_full)
{
    struct fixture *f = tiny();

    EXPECT_EQ(memblock_add(&f->mb, P, 200 * P), 0);
    fill_reserved(&f->mb, 2, 4);
    for (u32 i = 0; i < 40; i++)
        EXPECT_EQ(memblock_add(&f->mb, (300 + 2 * i) * P, P), 0);
    EXPECT_EQ(f->mb.memory.cnt, 41);
    EXPECT_EQ(f->mb.memory.max, 64);
    EXPECT_TRUE(f->mb.reserved.grown > 0);
    EXPECT_EQ(f->mb.reserved.total_size,
              4 * P + f->mb.memory.array_size + f->mb.reserved.array_size);
    EXPECT_EQ(memblock_verify(&f->mb), 0);
}

/* Without ops, or with memory that no pointer reaches, the static slots are all there is. */
KTEST(memblock_growth, cannot_grow)
{
    struct fixture *f = tiny();

    EXPECT_EQ(memblock_add(&f->mb, PHYS_BYTES, 64 * P), 0);
    fill_reserved(&f->mb, 2, 4);
    EXPECT_EQ(memblock_reserve(&f->mb, 64 * P, P), -ENOMEM);
    EXPECT_LIST(&f->mb.reserved, 4, 4 * P);
    f->mb.ops = NULL;
    EXPECT_EQ(memblock_reserve(&f->mb, 64 * P, P), -ENOMEM);
    EXPECT_LIST(&f->mb.reserved, 4, 4 * P);
    EXPECT_EQ(memblock_verify(&f->mb), 0);
}

/* What merges needs no slot: a full list grows only when it must. */
KTEST(memblock_growth, merging_needs_no_slot)
{
    struct fixture *f = tiny();

    EXPECT_EQ(memblock_add(&f->mb, P, 63 * P), 0);
    fill_reserved(&f->mb, 2, 4); /* pages 2 4 6 8 */
    f->fail_all = true;
    EXPECT_EQ(memblock_reserve(&f->mb, 9 * P, P), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, P, P), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 3 * P, 3 * P), 0);
    EXPECT_LIST(&f->mb.reserved, 2, 8 * P);
    EXPECT_EQ(memblock_reserve(&f->mb, 0, 64 * P), 0);
    EXPECT_LIST(&f->mb.reserved, 1, 64 * P);
    EXPECT_EQ(f->growths, 0);

    /* Around a region with another node: each gap joins the neighbour on its other side. */
    f = tiny();
    fill_reserved(&f->mb, 2, 2); /* pages 2 4 */
    EXPECT_EQ(memblock_reserve_node(&f->mb, 6 * P, P, 1, 0), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 8 * P, P), 0);
    f->fail_all = true;
    EXPECT_EQ(memblock_reserve(&f->mb, 5 * P, 3 * P), 0);
    EXPECT_LIST(&f->mb.reserved, 4, 6 * P);
    EXPECT_REGION(&f->mb.reserved, 1, 4 * P, 2 * P);
    EXPECT_EQ(memblock_verify(&f->mb), 0);
}

/* A reservation over our own array keeps that memory reserved when the array moves on. */
KTEST(memblock_growth, claimed_array_stays_reserved)
{
    struct fixture *f = tiny();
    struct memblock_type *res = &f->mb.reserved;
    u64 old;

    EXPECT_EQ(memblock_add(&f->mb, P, 1023 * P), 0);
    fill_reserved(&f->mb, 2, 5);
    old = res->array_pa;
    EXPECT_EQ(memblock_reserve(&f->mb, old, P), 0);
    EXPECT_EQ(memblock_phys_free(&f->mb, old - P, 4 * P), -EBUSY);
    fill_reserved(&f->mb, 2, 8);
    EXPECT_NE(res->array_pa, old);
    EXPECT_TRUE(memblock_is_reserved(&f->mb, old));
    EXPECT_EQ(memblock_verify(&f->mb), 0);
    EXPECT_EQ(memblock_phys_free(&f->mb, old, P), 0);
    EXPECT_FALSE(memblock_is_reserved(&f->mb, old));
}

/* The same for the array of `memory`. */
KTEST(memblock_growth, claimed_memory_array_stays_reserved)
{
    struct fixture *f = tiny();
    struct memblock_type *mem = &f->mb.memory;
    u64 old = 0;

    EXPECT_EQ(memblock_add(&f->mb, P, 511 * P), 0);
    for (u32 i = 0; i < 10; i++) {
        EXPECT_EQ(memblock_add(&f->mb, (600 + 2 * i) * P, P), 0);
        if (i == 4) {
            old = mem->array_pa;
            EXPECT_EQ(memblock_reserve(&f->mb, old, P), 0);
        }
    }
    EXPECT_EQ(mem->grown, 2);
    EXPECT_NE(mem->array_pa, old);
    EXPECT_TRUE(memblock_is_reserved(&f->mb, old));
    EXPECT_EQ(memblock_phys_free(&f->mb, mem->array_pa, 1), -EBUSY);
    EXPECT_EQ(memblock_verify(&f->mb), 0);
}

/* A split without a slot: -ENOMEM, nothing changed, and give_back() counts and says so. */
KTEST(memblock_growth, free_without_a_slot)
{
    static struct snapshot before;
    struct fixture *f = tiny();

    EXPECT_EQ(memblock_add(&f->mb, P, 63 * P), 0);
    fill_reserved(&f->mb, 2, 3);
    EXPECT_EQ(memblock_reserve(&f->mb, 20 * P, 8 * P), 0);
    f->fail_all = true;
    snapshot(&f->mb, &before);
    EXPECT_EQ(memblock_phys_free(&f->mb, 22 * P, P), -ENOMEM);
    EXPECT_TRUE(unchanged(&f->mb, &before));
    EXPECT_EQ(memblock_give_back(&f->mb, 22 * P, P), -ENOMEM);
    EXPECT_TRUE(unchanged(&f->mb, &before));
    EXPECT_EQ(f->mb.kept_bytes, P);
    EXPECT_EQ(f->mb.kept_count, 1);
    EXPECT_TRUE(shim_log_contains("cannot give back [mem 0x00016000-0x00016fff]"));
    /* At an end no slot is needed. */
    EXPECT_EQ(memblock_give_back(&f->mb, 20 * P, P), 0);
    EXPECT_EQ(f->mb.kept_count, 1);
    f->fail_all = false;
    EXPECT_EQ(memblock_phys_free(&f->mb, 22 * P, P), 0);
    EXPECT_FALSE(memblock_is_reserved(&f->mb, 22 * P));
}

/* After memblock_reserve_slots(n), n inserts or splits never ask for growth. */
KTEST(memblock_growth, slots_reserved_ahead)
{
    struct fixture *f = tiny();
    struct memblock_request req = {.size = P, .align = 4 * P};
    struct memblock_result got;
    u32 attempts;

    EXPECT_EQ(memblock_add(&f->mb, P, 1023 * P), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 256 * P, 256 * P), 0);
    EXPECT_EQ(memblock_reserve_slots(&f->mb, 90), 0);
    EXPECT_GE(f->mb.reserved.max - f->mb.reserved.cnt, 90);
    attempts = f->growths;
    f->fail_all = true;
    for (u32 i = 0; i < 60; i++)
        EXPECT_EQ(memblock_phys_free(&f->mb, (257 + 2 * i) * P, P), 0);
    for (u32 i = 0; i < 30; i++)
        EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(f->growths, attempts);
    EXPECT_EQ(memblock_reserve_slots(&f->mb, 90), -ENOMEM);
    EXPECT_EQ(memblock_verify(&f->mb), 0);
}

/* The promise counts the slots that the growth itself uses. */
KTEST(memblock_growth, slots_for_any_number)
{
    for (u32 n = 0; n < 300; n++) {
        struct fixture *f = tiny();

        EXPECT_EQ(memblock_add(&f->mb, P, 1023 * P), 0);
        fill_reserved(&f->mb, 2, n % 11);
        EXPECT_EQ(memblock_reserve_slots(&f->mb, n), 0);
        EXPECT_GE(f->mb.reserved.max - f->mb.reserved.cnt, n);
        EXPECT_EQ(memblock_verify(&f->mb), 0);
    }
}

/* ---- failure of every growth -------------------------------------------------------------- */

/* Step i of a scenario in which every kind of call has to grow something. */
static int step(struct memblock *mb, u32 i)
{
    static const s32 nodes[] = {1, 0};
    struct memblock_request req = {.size = P, .align = 2 * P, .nodes = nodes, .nr_nodes = 2};
    struct memblock_result got;
    u64 page = 8 + 6 * (i / 6);

    switch (i % 6) {
    case 0:
        return memblock_reserve(mb, (300 + page) * P, P);
    case 1:
        return memblock_alloc(mb, &req, &got);
    case 2:
        return memblock_set_node(mb, (400 + page) * P, 2 * P, (s32)(i / 6 % 3) + 1);
    case 3:
        return memblock_phys_free(mb, (201 + i / 6 * 2) * P, P);
    case 4:
        return memblock_mark(mb, (700 + page) * P, P, MEMBLOCK_NOMAP);
    default:
        return i / 6 % 2 ? memblock_remove(mb, (100 + page) * P, P)
                         : memblock_add_node(mb, (1010 + page) * P, P, 1, MEMBLOCK_SPECIAL);
    }
}

#define STEPS 200

static void scenario_start(struct fixture *f)
{
    fixture_init_sized(f, 4);
    EXPECT_EQ(memblock_add(&f->mb, P, 999 * P), 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 200 * P, 90 * P), 0);
}

/* The k-th growth fails: that call says so and changes nothing; repeated, it works. */
static bool fail_growth_number(u32 k, const struct snapshot *expected)
{
    static struct snapshot before;
    struct fixture *f = &fx;
    u32 failures = 0;

    scenario_start(f);
    f->fail_at = k;
    for (u32 i = 0; i < STEPS; i++) {
        snapshot(&f->mb, &before);
        int rc = step(&f->mb, i);
        if (rc) {
            EXPECT_EQ(rc, -ENOMEM);
            EXPECT_TRUE(unchanged(&f->mb, &before));
            EXPECT_EQ(memblock_verify(&f->mb), 0);
            failures++;
            EXPECT_EQ(step(&f->mb, i), 0);
        }
    }
    EXPECT_EQ(memblock_verify(&f->mb), 0);
    EXPECT_TRUE(unchanged(&f->mb, expected));
    return failures != 0;
}

KTEST(memblock_growth, every_failure_changes_nothing)
{
    static struct snapshot expected;
    u32 growths, k;

    scenario_start(&fx);
    for (u32 i = 0; i < STEPS; i++)
        EXPECT_EQ(step(&fx.mb, i), 0);
    snapshot(&fx.mb, &expected);
    growths = fx.growths;
    EXPECT_GE(growths, 8);
    for (k = 1; k <= growths; k++)
        EXPECT_TRUE(fail_growth_number(k, &expected));
    EXPECT_FALSE(fail_growth_number(growths + 1, &expected));
    ktest_note("%u growths, each failed once", growths);
}
