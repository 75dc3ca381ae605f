/*
 * Bump regions: where objects are placed that no magazine stocks, and what remains after a free.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_lookup.h"
#include "tests/host/random.h"
#include "tests/percpu/alloc/alloc_rig.h"

static u64 populated(struct alloc_rig *r)
{
    struct percpu_stats st;

    pcpu_get_stats(&r->a, &st);
    return st.populated_blocks;
}

static u64 refills(struct alloc_rig *r)
{
    struct percpu_stats st;

    pcpu_get_stats(&r->a, &st);
    return st.refills;
}

/* One of each size that goes by steps; how many refills they took. */
static u64 one_of_each(struct alloc_rig *r, u32 flags, void **ptr)
{
    u64 before = refills(r);

    for (u32 i = 0; i < 64; i++) {
        ptr[i] = pcpu_alloc(&r->a, 8 + 8 * i, 8, flags);
        EXPECT_TRUE(ptr[i] != NULL);
        EXPECT_EQ(pcpu_size(&r->a, ptr[i]), 8 + 8 * i);
    }
    EXPECT_VALID(r);
    return refills(r) - before;
}

/* One object behind the other, as they were asked for, and a page of them for each refill. */
KTEST(percpu_alloc_bump, sizes_that_are_not_stocked_are_cut_from_a_bump_region)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[4][64];
    u32 beside = 0;

    EXPECT_LE(one_of_each(r, 0, ptr[0]), 64 * 260 / 4096 + 2); /* 260: the mean size */
    for (u32 i = 1; i < 64; i++)
        beside += (u8 *)ptr[0][i - 1] + 8 * i == ptr[0][i];
    EXPECT_GE(beside, 60);
    EXPECT_TRUE(rig_cached(r, 0) > 0);
    pcpu_trim(&r->a);
    EXPECT_EQ(rig_cached(r, 0), 0);
    /* Atomic callers too: what they leave of a bump region is not lost to the next ones. */
    EXPECT_LE(one_of_each(r, PCPU_ATOMIC, ptr[1]), 64 * 260 / 4096 + 3);
    /* Each CPU has its own. */
    host_cpu_number = 1;
    EXPECT_LE(one_of_each(r, 0, ptr[2]), 64 * 260 / 4096 + 3);
    EXPECT_TRUE(rig_cached(r, 0) > 0 && rig_cached(r, 1) > 0);
    host_cpu_number = 0;
    EXPECT_LE(one_of_each(r, 0, ptr[3]), 64 * 260 / 4096 + 3);
    for (u32 i = 0; i < 4; i++)
        pcpu_free_bulk(&r->a, 64, ptr[i]);
    EXPECT_VALID(r);
    rig_end(r);
}

KTEST(percpu_alloc_bump, a_hot_size_is_stocked)
{
    enum { N = 400 };
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    const struct pcpu_mag *mag = &r->a.mags[0]->mag[pcpu_class_of(16, 8)];
    static void *ptr[N];
    u32 stocked = 0;

    for (u32 i = 0; i < N; i++) {
        ptr[i] = pcpu_alloc(&r->a, 16, 8, 0);
        stocked += mag->clean != 0;
    }
    EXPECT_GE(stocked, N * 9 / 10);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, N, ptr);
    rig_end(r);
}

/* The last bytes of a bump region serve a caller for whom no chunk has anything. */
KTEST(percpu_alloc_bump, an_atomic_caller_gets_what_the_bump_region_has)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[20000];
    const struct pcpu_bump *bump = &r->a.mags[0]->bump;
    u32 n = 0;

    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_LT(bump->bytes, 64);
    EXPECT_LT(r->a.mags[0]->mag[pcpu_class_of(64, 8)].clean, 1);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

/* Freed objects that overflow the magazines, and none asked for: a balance empties them. */
static void overflow(bool idle)
{
    enum { N = 2000 };
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[N];

    for (u32 i = 0; i < N; i++)
        ptr[i] = pcpu_alloc(&r->a, 8 + i % 505, 8, 0);
    for (u32 i = 0; i < 10; i++)
        pcpu_free(&r->a, ptr[i]);
    (idle ? pcpu_idle_work : pcpu_balance)(&r->a);
    EXPECT_TRUE(rig_cached(r, 0) > 0); /* few were freed: they may serve again */
    pcpu_free_bulk(&r->a, N - 10, ptr + 10);
    EXPECT_TRUE(rig_cached(r, 0) > 0);
    EXPECT_TRUE((idle ? pcpu_idle_work : pcpu_balance)(&r->a));
    EXPECT_EQ(rig_cached(r, 0), 0);
    EXPECT_VALID(r);
    rig_end(r);
}

KTEST(percpu_alloc_bump, magazines_that_overflowed_are_emptied)
{
    overflow(false);
    overflow(true);
}

KTEST(percpu_alloc_bump, verify_sees_damage_in_a_bump_region)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 2});
    struct pcpu_bump *bump = &r->a.mags[0]->bump;
    void *p = pcpu_alloc(&r->a, 200, 8, 0);
    u8 *tag, *copy;

    REQUIRE_TRUE(bump->bytes > 64);
    EXPECT_VALID(r);
    tag = pcpu_tag_of(&r->a, bump->ptr + 16);
    *tag = PCPU_CLASS_8;
    EXPECT_TRUE(pcpu_verify(&r->a) != NULL);
    *tag = 0;
    copy = rig_ptr(r, (void *)(bump->ptr + bump->bytes - 1), 1);
    *copy = 1;
    EXPECT_TRUE(pcpu_verify(&r->a) != NULL);
    *copy = 0;
    bump->bytes -= 8;
    r->a.mags[0]->headroom += 8;
    EXPECT_TRUE(pcpu_verify(&r->a) != NULL);
    bump->bytes += 8;
    r->a.mags[0]->headroom -= 8;
    EXPECT_VALID(r);
    pcpu_free(&r->a, p);
    rig_end(r);
}

/*
 * What was asked for together lies together: when the older nine of ten go, the pages that stay are
 * those that the others need, and two for the borders; no magazine keeps one.
 */
KTEST(percpu_alloc_bump, the_oldest_go_and_so_do_their_pages)
{
    enum { N = 20000, FREED = N / 10 * 9 };
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 1});
    static void *ptr[N];
    u64 x = 0x5eed, start = populated(r), bytes = 0;

    for (u32 i = 0; i < N; i++) {
        u32 size;

        size = 8 + (u32)(random_lcg(&x) >> 33) % 505;
        ptr[i] = pcpu_alloc(&r->a, size, 8, 0);
        REQUIRE_TRUE(ptr[i] != NULL);
        bytes += i < FREED ? 0 : align_up(size, 8);
    }
    pcpu_free_bulk(&r->a, FREED, ptr);
    pcpu_balance(&r->a);
    EXPECT_LE(populated(r) - start, (bytes + 4095) / 4096 + 2);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, N - FREED, ptr + FREED);
    rig_end(r);
}
