/*
 * The dynamic allocator over a hosted machine: what an allocation promises.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/alloc/alloc_rig.h"

static const struct world_shape small = {.nr_nodes = 2, .nr_cpus = 4, .reserved_size = 8192};
static const struct world_shape dense = {.nr_nodes = 1, .nr_cpus = 32};

static size_t up_to_8(size_t size)
{
    return align_up(size, 8);
}

/* Each copy is aligned; the pointer itself as far as the template is. */
static bool aligned(const struct alloc_rig *r, const void *ptr, size_t align)
{
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++)
        if (!is_aligned((u64)(uintptr_t)rig_ptr(r, ptr, cpu), align))
            return false;
    return is_aligned((u64)(uintptr_t)ptr, MIN(align, (64 * SZ_1K)));
}

/* ---- sizes and alignments -------------------------------------------------------------------- */

KTEST(percpu_alloc, one_object)
{
    struct alloc_rig *r = rig_new(&small);
    u64 *p = pcpu_alloc(&r->a, 8, 8, 0);

    EXPECT_VALID(r);
    REQUIRE_TRUE(p);
    EXPECT_TRUE(rig_all_zero(r, p, 8));
    EXPECT_EQ(pcpu_size(&r->a, p), 8);
    rig_fill(r, p, 8, 1);
    EXPECT_TRUE(rig_holds(r, p, 8, 1));
    pcpu_free(&r->a, p);
    EXPECT_EQ(pcpu_size(&r->a, p), 0);
    EXPECT_VALID(r);
    rig_end(r);
}

KTEST(percpu_alloc, thousands)
{
    enum { N = 20000 };
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[N];
    u32 bad = 0;

    for (u32 i = 0; i < N; i++) {
        ptr[i] = pcpu_alloc(&r->a, 8 + i % 505, 8, 0);
        bad += !ptr[i] || !rig_all_zero(r, ptr[i], 8 + i % 505);
        if (ptr[i])
            rig_fill(r, ptr[i], 8 + i % 505, i);
    }
    EXPECT_EQ(bad, 0);
    EXPECT_VALID(r);
    for (u32 i = 0; i < N; i++)
        bad += !rig_holds(r, ptr[i], 8 + i % 505, i);
    EXPECT_EQ(bad, 0);
    for (u32 i = 0; i < N; i++)
        pcpu_free(&r->a, ptr[i]);
    EXPECT_VALID(r);
    rig_end(r);
}

static void one_size(struct alloc_rig *r, size_t size, size_t align)
{
    void *p = pcpu_alloc(&r->a, size, align, 0);

    if (!p || !aligned(r, p, align) || !rig_all_zero(r, p, size) || pcpu_size(&r->a, p) < size) {
        ktest_fail(__FILE__, __LINE__, "size %zu align %zu", size, align);
        return;
    }
    rig_fill(r, p, pcpu_size(&r->a, p), size);
    pcpu_free(&r->a, p);
}

KTEST(percpu_alloc, every_small_size_and_alignment)
{
    struct alloc_rig *r = rig_new(&small);

    for (size_t align = 1; align <= 64; align *= 2)
        for (size_t size = 1; size <= 600; size++)
            one_size(r, size, align);
    EXPECT_VALID(r);
    rig_end(r);
}

KTEST(percpu_alloc, up_to_a_whole_unit)
{
    static const size_t sizes[] = {601,    1023,   1024,   1025,   2048,  4095,  4096,
                                   4097,   12288,  32767,  32768,  32769, 65536, 100000,
                                   131072, 262143, 262144, 524284, 524288};
    struct alloc_rig *r = rig_new(&dense);
    struct alloc_rig *wide = rig_new(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 4});

    REQUIRE_EQ(r->a.unit_size, (64 * SZ_1K));
    REQUIRE_EQ(wide->a.unit_size, (512 * SZ_1K));
    for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (size_t align = 1; align <= wide->a.unit_size; align *= 4) {
            one_size(wide, sizes[i], align);
            if (sizes[i] <= r->a.unit_size && align <= r->a.unit_size)
                one_size(r, sizes[i], align);
        }
    }
    one_size(r, (64 * SZ_1K), (64 * SZ_1K));
    one_size(wide, 1, (512 * SZ_1K));
    one_size(wide, (512 * SZ_1K), (512 * SZ_1K));
    EXPECT_VALID(r);
    EXPECT_VALID(wide);
    rig_end(r);
    rig_end(wide);
}

KTEST(percpu_alloc, bad_sizes_and_alignments)
{
    struct alloc_rig *r = rig_new(&dense);
    static const size_t bad[][2] = {{0, 8},
                                    {8, 0},
                                    {8, 3},
                                    {8, 12},
                                    {(64 * SZ_1K) + 1, 8},
                                    {8, (128 * SZ_1K)},
                                    {~0ULL, 8},
                                    {~0ULL - 6, 8},
                                    {8, 1ULL << 63},
                                    {0, 0}};
    struct percpu_stats st;

    for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
        for (u32 flags = 0; flags < 8; flags++)
            EXPECT_TRUE(!pcpu_alloc(&r->a, bad[i][0], bad[i][1], flags));
    EXPECT_TRUE(shim_log_contains("illegal size or align"));
    pcpu_get_stats(&r->a, &st);
    EXPECT_EQ(st.nr_failed, 8 * ARRAY_SIZE(bad));
    EXPECT_EQ(st.nr_alloc, 0);
    /* A line for the atomic ones, too; few of them; none where it is not wanted. */
    EXPECT_LE(shim_log_matches("illegal"), 16);
    shim_log_reset();
    EXPECT_TRUE(!pcpu_alloc(&r->a, 0, 8, PCPU_NOWARN));
    EXPECT_EQ(shim_log_count(), 0);
    /* What was never asked for is no demand for memory. */
    pcpu_balance(&r->a);
    pcpu_get_stats(&r->a, &st);
    EXPECT_LE(st.reserve_target, PCPU_RESERVE_BOOT);
    rig_end(r);
}

KTEST(percpu_alloc, an_illegal_atomic_size_says_so)
{
    struct alloc_rig *r = rig_new(&dense);

    EXPECT_TRUE(!pcpu_alloc(&r->a, 0, 8, PCPU_ATOMIC));
    EXPECT_TRUE(shim_log_contains("illegal size or align"));
    rig_end(r);
}

/* ---- contents -------------------------------------------------------------------------------- */

/* Rounds of dirty objects: what comes back is zero, in each unit, whatever way it took. */
static void dirty_rounds(struct alloc_rig *r, u32 n, size_t size, size_t align)
{
    void *ptr[512];

    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < n; i++) {
            ptr[i] = pcpu_alloc(&r->a, size, align, 0);
            if (!ptr[i] || !rig_all_zero(r, ptr[i], size))
                ktest_fail(__FILE__, __LINE__, "size %zu align %zu", size, align);
        }
        for (u32 i = 0; i < n; i++)
            rig_fill(r, ptr[i], pcpu_size(&r->a, ptr[i]), i);
        EXPECT_VALID(r);
        for (u32 i = 0; i < n; i++)
            pcpu_free(&r->a, ptr[i * 7 % n]);
        EXPECT_VALID(r);
    }
}

KTEST(percpu_alloc, dirty_memory_comes_back_zero)
{
    struct alloc_rig *r = rig_new(&small);

    dirty_rounds(r, 500, 4, 4);
    dirty_rounds(r, 500, 8, 8);
    dirty_rounds(r, 500, 12, 4);
    dirty_rounds(r, 300, 72, 8);
    dirty_rounds(r, 200, 512, 8);
    dirty_rounds(r, 200, 64, 64);
    dirty_rounds(r, 100, 700, 8);
    dirty_rounds(r, 100, 4096, 4096);
    dirty_rounds(r, 20, 20000, 8);
    rig_end(r);
}

/* Sizes that share memory with what others left. */
KTEST(percpu_alloc, dirty_memory_of_other_sizes)
{
    struct alloc_rig *r = rig_new(&dense);
    void *ptr[256];
    u32 bad = 0;

    for (u32 round = 0; round < 6; round++) {
        size_t size = 4 << (round * 5 % 9);

        for (u32 i = 0; i < 200; i++) {
            ptr[i] = pcpu_alloc(&r->a, size + i % 3 * 4, 4, 0);
            bad += !rig_all_zero(r, ptr[i], size + i % 3 * 4);
            rig_fill(r, ptr[i], size, i);
        }
        pcpu_free_bulk(&r->a, 200, ptr);
        EXPECT_VALID(r);
        pcpu_trim(&r->a);
        EXPECT_VALID(r);
    }
    EXPECT_EQ(bad, 0);
    rig_end(r);
}

KTEST(percpu_alloc, nozero_leaves_nothing_dirty_for_others)
{
    struct alloc_rig *r = rig_new(&small);
    void *kept[100];
    u32 bad = 0, n = 0;

    for (u32 round = 0; round < 200; round++) {
        void *p = pcpu_alloc(&r->a, 40, 8, PCPU_NOZERO), *q;

        rig_fill(r, p, 40, round);
        pcpu_free(&r->a, p);
        p = pcpu_alloc(&r->a, 40, 8, PCPU_NOZERO); /* may be the dirty one */
        EXPECT_VALID(r);
        q = pcpu_alloc(&r->a, 40, 8, 0);
        bad += !rig_all_zero(r, q, 40);
        pcpu_free(&r->a, p);
        if (round % 2)
            pcpu_free(&r->a, q);
        else
            kept[n++] = q;
    }
    EXPECT_EQ(bad, 0);
    pcpu_free_bulk(&r->a, n, kept);
    rig_end(r);
}

/* ---- flags ----------------------------------------------------------------------------------- */

KTEST(percpu_alloc, reserved_area_only)
{
    struct alloc_rig *r = rig_new(&small);
    size_t room = r->w.fc.reserved_area.end - r->w.fc.reserved_area.start, used = 0;
    void *ptr[512];
    u32 n = 0;

    while (n < 512 && (ptr[n] = pcpu_alloc(&r->a, 64 + n, 8, PCPU_RESERVED | PCPU_NOWARN))) {
        struct percpu_location loc;

        REQUIRE_EQ(pcpu_decode(&r->a, (u64)(uintptr_t)rig_ptr(r, ptr[n], 1), &loc), 0);
        EXPECT_EQ(loc.where, PERCPU_IN_RESERVED);
        EXPECT_EQ(loc.cpu, 1);
        EXPECT_TRUE(rig_all_zero(r, ptr[n], 64 + n));
        rig_fill(r, ptr[n], 64 + n, n);
        used += up_to_8(64 + n);
        n++;
    }
    EXPECT_LE(used, room);
    EXPECT_GE(used + up_to_8(64 + n), room);
    EXPECT_TRUE(!pcpu_alloc(&r->a, room, 8, PCPU_RESERVED));
    EXPECT_TRUE(shim_log_contains("no room in the reserved area"));
    EXPECT_VALID(r);
    for (u32 i = 0; i < n; i++) {
        EXPECT_TRUE(rig_holds(r, ptr[i], 64 + i, i));
        pcpu_free(&r->a, ptr[i]);
    }
    /* It is whole again, and clean. */
    ptr[0] = pcpu_alloc(&r->a, room, 8, PCPU_RESERVED | PCPU_ATOMIC);
    REQUIRE_TRUE(ptr[0]);
    EXPECT_TRUE(rig_all_zero(r, ptr[0], room));
    EXPECT_EQ(pcpu_size(&r->a, ptr[0]), room);
    pcpu_free(&r->a, ptr[0]);
    rig_end(r);
}

KTEST(percpu_alloc, no_reserved_area)
{
    struct alloc_rig *r = rig_new(&dense);

    EXPECT_TRUE(!pcpu_alloc(&r->a, 8, 8, PCPU_RESERVED));
    rig_end(r);
}

KTEST(percpu_alloc, others_stay_out_of_the_reserved_area)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[4000];
    struct percpu_location loc;
    u32 n, bad = 0;

    n = pcpu_alloc_bulk(&r->a, 24, 8, 0, ARRAY_SIZE(ptr), ptr);
    EXPECT_EQ(n, ARRAY_SIZE(ptr));
    for (u32 i = 0; i < n; i++)
        bad += pcpu_decode(&r->a, (u64)(uintptr_t)rig_ptr(r, ptr[i], 0), &loc) ||
               (loc.where != PERCPU_IN_FIRST && loc.where != PERCPU_IN_CHUNK);
    EXPECT_EQ(bad, 0);
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

static u64 memory_calls(const struct alloc_rig *r)
{
    u64 calls = 0;

    for (u32 kind = 0; kind < WORLD_KINDS; kind++)
        calls += r->w.calls[kind];
    return calls;
}

KTEST(percpu_alloc, atomic_never_populates)
{
    static const size_t sizes[] = {8, 64, 512, 600, 4096, 5000, 40000};
    struct percpu_stats before, after;

    for (u32 s = 0; s < ARRAY_SIZE(sizes); s++) {
        struct alloc_rig *r = rig_new(&small);
        static void *ptr[20000];
        u64 calls = memory_calls(r);
        u32 n = 0;

        pcpu_get_stats(&r->a, &before);
        while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, sizes[s], 8, PCPU_ATOMIC)))
            n++;
        EXPECT_LT(n, ARRAY_SIZE(ptr));
        EXPECT_EQ(memory_calls(r), calls);
        pcpu_get_stats(&r->a, &after);
        EXPECT_EQ(after.populated_blocks, before.populated_blocks);
        EXPECT_EQ(after.nr_failed_atomic, 1);
        EXPECT_EQ(after.nr_alloc, n);
        /* All of it was used, but for what is too small. */
        EXPECT_LT(after.free_bytes + after.cached_bytes, sizes[s] < 4096 ? 2 * sizes[s] : 41000);
        EXPECT_EQ(shim_log_count(), 0);
        pcpu_free_bulk(&r->a, n, ptr);
        EXPECT_EQ(memory_calls(r), calls);
        EXPECT_VALID(r);
        rig_end(r);
    }
}

/* ---- many at once ---------------------------------------------------------------------------- */

static void bulk(struct alloc_rig *r, size_t size, size_t align, u32 n)
{
    static void *ptr[3000];
    u32 bad = 0;

    EXPECT_EQ(pcpu_alloc_bulk(&r->a, size, align, 0, n, ptr), n);
    for (u32 i = 0; i < n; i++) {
        bad += !rig_all_zero(r, ptr[i], size) || !aligned(r, ptr[i], align);
        rig_fill(r, ptr[i], size, i);
    }
    for (u32 i = 0; i < n; i++)
        bad += !rig_holds(r, ptr[i], size, i);
    EXPECT_EQ(bad, 0);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, n, ptr);
    EXPECT_VALID(r);
}

KTEST(percpu_alloc, bulk)
{
    struct alloc_rig *r = rig_new(&small);
    static const u32 counts[] = {0, 1, 7, 8, 63, 64, 65, 1000};

    for (u32 i = 0; i < ARRAY_SIZE(counts); i++) {
        bulk(r, 4, 4, counts[i]);
        bulk(r, 8, 8, counts[i]);
        bulk(r, 72, 8, counts[i]);
        bulk(r, 64, 64, counts[i]);
        bulk(r, 900, 16, counts[i]);
    }
    rig_end(r);
}

KTEST(percpu_alloc, bulk_stops_where_memory_ends)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[20000];
    struct percpu_stats st;
    u32 n, m;

    n = pcpu_alloc_bulk(&r->a, 64, 8, PCPU_ATOMIC, ARRAY_SIZE(ptr), ptr);
    EXPECT_LT(n, ARRAY_SIZE(ptr));
    EXPECT_GE(n, 512);
    pcpu_get_stats(&r->a, &st);
    EXPECT_LT(st.free_bytes, 128);
    EXPECT_EQ(st.nr_alloc, n);
    m = pcpu_alloc_bulk(&r->a, 0, 8, 0, 10, ptr + n);
    EXPECT_EQ(m, 0);
    pcpu_free_bulk(&r->a, n, ptr);
    pcpu_get_stats(&r->a, &st);
    EXPECT_EQ(st.nr_free, n);
    rig_end(r);
}
