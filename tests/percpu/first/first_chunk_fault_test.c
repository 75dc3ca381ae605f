/*
 * Fault injection: the k-th boot allocation fails, for every k, while a first chunk is built over a
 * real memblock; its lists must end as they began. Growth of memblock's own array is one of the
 * allocations. The machine is also started with lists that are full, fragmented, or both.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/first/first_chunk_rig.h"

static const u32 nodes[] = {0, 1, 0, 0, 1};

enum kind { EMBED, PAGE, PLAIN };

static int build(enum kind kind, struct pcpu_first_chunk *fc)
{
    switch (kind) {
    case EMBED:
        return pcpu_embed_first_chunk(&rig.env, 0, 0, 64 * SZ_1K, rig_distance, rig_alloc_fn,
                                      rig_free_fn, fc);
    case PAGE:
        return pcpu_page_first_chunk(&rig.env, 0, rig_alloc_fn, rig_free_fn, fc);
    default:
        return pcpu_plain_first_chunk(&rig.env, 0, 0, fc);
    }
}

/* holes: so many single reserved pages, every third page from the top of each node. */
static void start(u32 slots, u32 holes)
{
    rig_start(nodes, 5, 2, SZ_1M, slots);
    rig_set_template(100, 4096);
    for (u32 i = 0; i < holes; i++) {
        memblock_reserve(&rig.mb, SZ_1M - (3 * i + 1) * PAGE_SIZE, PAGE_SIZE);
        memblock_reserve(&rig.mb, 2 * SZ_1M - (3 * i + 1) * PAGE_SIZE, PAGE_SIZE);
    }
    rig.calls = 0;
}

static void check_undone(enum kind kind, u64 k, const struct rig_regions *memory,
                         const struct rig_regions *reserved)
{
    static struct rig_regions after;

    rig_snapshot(&rig.mb.memory, &after);
    EXPECT_TRUE(rig_same(memory, &after));
    rig_snapshot(&rig.mb.reserved, &after);
    if (!rig_same(reserved, &after))
        ktest_fail(__FILE__, __LINE__, "kind %d, call %llu: reserved regions differ", (int)kind,
                   (unsigned long long)k);
    EXPECT_EQ(memblock_verify(&rig.mb), 0);
    EXPECT_EQ(rig.null_frees, 0);
    EXPECT_TRUE(rig.mapped == 0 && rig.area == NULL);
    EXPECT_FALSE(shim_log_contains("could not be given back"));
}

static void check_built(struct pcpu_first_chunk *fc)
{
    EXPECT_TRUE(pcpu_first_chunk_verify(fc) == NULL);
    for (u32 cpu = 0; cpu < rig.env.nr_cpus; cpu++)
        rig_check_unit(fc, cpu);
    EXPECT_EQ(fc->lost_bytes, 0);
    EXPECT_EQ(memblock_verify(&rig.mb), 0);
    if (rig.area)
        munmap(rig.area, rig.area_size);
    rig.area = NULL;
}

static void fail_calls(enum kind kind, u32 slots, u32 holes, bool keep_failing)
{
    static struct rig_regions memory, reserved;
    struct pcpu_first_chunk fc;
    u64 k, failed = 0;

    for (k = 1;; k++) {
        int err;

        start(slots, holes);
        rig_snapshot(&rig.mb.memory, &memory);
        rig_snapshot(&rig.mb.reserved, &reserved);
        rig.fail_at = k;
        rig.keep_failing = keep_failing;
        err = build(kind, &fc);
        if (!err) {
            check_built(&fc);
            if (rig.calls < k)
                break;
            continue; /* a call that is allowed to fail */
        }
        failed++;
        EXPECT_EQ(err, -ENOMEM);
        EXPECT_TRUE(fc.tables == NULL && fc.base_addr == NULL);
        check_undone(kind, k, &memory, &reserved);
    }
    ktest_note("%llu calls, %llu of them fatal", (unsigned long long)k - 1,
               (unsigned long long)failed);
    EXPECT_GE(failed, 5);
}

static void fail_each_call(enum kind kind, u32 slots, u32 holes)
{
    fail_calls(kind, slots, holes, false);
    fail_calls(kind, slots, holes, true);
}

KTEST(first_chunk_fault, embed)
{
    fail_each_call(EMBED, 256, 0);
}

KTEST(first_chunk_fault, embed_with_small_array)
{
    fail_each_call(EMBED, 4, 0);
}

KTEST(first_chunk_fault, embed_in_fragmented_memory)
{
    fail_each_call(EMBED, 8, 3);
    fail_each_call(EMBED, 256, 20);
}

KTEST(first_chunk_fault, page)
{
    fail_each_call(PAGE, 256, 0);
}

KTEST(first_chunk_fault, page_with_small_array_in_fragmented_memory)
{
    fail_each_call(PAGE, 8, 3);
}

KTEST(first_chunk_fault, plain)
{
    fail_each_call(PLAIN, 256, 0);
    fail_each_call(PLAIN, 4, 0);
    fail_each_call(PLAIN, 8, 3);
}

/* Memory that really runs out, page by page less. */
KTEST(first_chunk_fault, every_amount_of_free_memory)
{
    static struct rig_regions memory, reserved;
    struct pcpu_first_chunk fc;
    u32 built = 0;

    for (enum kind kind = EMBED; kind <= PLAIN; kind++) {
        for (u64 pages = 0; pages < 512; pages += 3) {
            start(256, 0);
            memblock_reserve(&rig.mb, 0, pages * PAGE_SIZE);
            rig_snapshot(&rig.mb.memory, &memory);
            rig_snapshot(&rig.mb.reserved, &reserved);
            if (build(kind, &fc) == 0) {
                built++;
                check_built(&fc);
            } else {
                check_undone(kind, pages, &memory, &reserved);
            }
        }
    }
    EXPECT_TRUE(built > 100);
}

/* After trimming nothing is kept but the units, the tables and memblock's own array. */
KTEST(first_chunk_fault, prepared_slots_are_enough)
{
    struct pcpu_first_chunk fc;

    start(16, 3);
    REQUIRE_EQ(build(EMBED, &fc), 0);
    rig.fail_at = 0;
    EXPECT_GE(rig.prepared, 2 * fc.nr_groups + fc.nr_units);
    EXPECT_LE(rig.mb.reserved.grown, 1);
    EXPECT_EQ(memblock_reserved_size(&rig.mb),
              6 * PAGE_SIZE + 5 * fc.size_sum + fc.tables_bytes + rig.mb.reserved.array_size);
}
