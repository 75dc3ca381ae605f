/*
 * The embedded first chunk: contents, node-local memory, what goes back, and one regression for
 * each fault of Linux's 2009 version (linux-percpu reference, B1 to B10).
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/first/first_chunk_rig.h"

#define ATOM (256 * SZ_1K)

/* Two nodes: CPUs 0, 2, 3, 4, 6 and 1, 5, 7; 64 KiB units, groups of 8 and 4. */
static const u32 mixed[] = {0, 1, 0, 0, 0, 1, 0, 1};

static void start_mixed(void)
{
    rig_start(mixed, 8, 2, 4 * SZ_1M, 64);
    rig.heap_tables = true;
    rig_set_template(9000, 10001);
}

static int embed(struct pcpu_first_chunk *fc)
{
    return pcpu_embed_first_chunk(&rig.env, 8192, 28672, ATOM, rig_distance, rig_alloc_fn,
                                  rig_free_fn, fc);
}

/* A tail or an unused unit: never written, and free. */
static void check_given_back(const u8 *ptr, size_t size)
{
    EXPECT_TRUE(rig_all_are(ptr, size, RIG_POISON));
    EXPECT_FALSE(memblock_is_region_reserved(&rig.mb, rig_pa(ptr), size));
}

static void check_all_units(const struct pcpu_first_chunk *fc)
{
    u32 unit = 0;

    for (u32 i = 0; i < fc->nr_groups; i++) {
        u8 *ptr = fc->base_addr + fc->group_offsets[i];

        for (u32 j = 0; j < fc->group_units[i]; j++, unit++, ptr += fc->unit_size) {
            u32 cpu = fc->unit_cpu[unit];

            if (cpu == PCPU_NO_CPU) {
                check_given_back(ptr, fc->unit_size);
                continue;
            }
            EXPECT_TRUE(ptr == pcpu_unit_addr(fc, cpu));
            rig_check_unit(fc, cpu);
            check_given_back(ptr + fc->size_sum, fc->unit_size - fc->size_sum);
            EXPECT_EQ(memblock_addr_nid(&rig.mb, rig_pa(ptr)), (s32)rig.cpu_node[cpu]);
        }
    }
}

KTEST(first_chunk, contents_nodes_and_what_goes_back)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    REQUIRE_EQ(embed(&fc), 0);
    EXPECT_TRUE(fc.embedded);
    EXPECT_TRUE(pcpu_first_chunk_verify(&fc) == NULL);
    EXPECT_EQ(fc.unit_size, 128 * SZ_1K);
    EXPECT_EQ(fc.nr_units, 10);
    check_all_units(&fc);
    EXPECT_EQ(memblock_reserved_size(&rig.mb), 8 * fc.size_sum);
    EXPECT_EQ(fc.lost_bytes, 0);
    EXPECT_STREQ(shim_log_line(0), "percpu: Embedded 12 pages/cpu s10001 r8192 d30959 u131072");
    EXPECT_STREQ(shim_log_line(1), "pcpu-alloc: s10001 r8192 d30959 u131072 alloc=1*262144");
    EXPECT_STREQ(shim_log_line(2), "pcpu-alloc: [0] 0 2 [0] 3 4 [0] 6 - [1] 1 5");
    EXPECT_STREQ(shim_log_line(3), "pcpu-alloc: [1] 7 -");
    EXPECT_EQ(shim_log_count(), 4);
    EXPECT_EQ(memblock_verify(&rig.mb), 0);
    pcpu_first_chunk_release(&rig.env, &fc);
}

KTEST(first_chunk, every_template_and_static_size)
{
    static const size_t sizes[][2] = {{0, 1}, {1, 1}, {4095, 4096}, {4096, 4097}, {65536, 65536}};
    struct pcpu_first_chunk fc;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        start_mixed();
        rig_set_template(sizes[i][0], sizes[i][1]);
        REQUIRE_EQ(embed(&fc), 0);
        check_all_units(&fc);
        EXPECT_EQ(fc.static_area.end, align_up(sizes[i][1], 4));
        EXPECT_EQ(fc.reserved_area.end - fc.reserved_area.start, 8192);
        EXPECT_EQ(fc.dyn_area.end, fc.size_sum);
        EXPECT_GE(fc.dyn_area.end - fc.dyn_area.start, 28672 - 3);
        pcpu_first_chunk_release(&rig.env, &fc);
    }
}

KTEST(first_chunk, one_block_per_group)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    REQUIRE_EQ(embed(&fc), 0);
    EXPECT_EQ(rig.block_calls, 2);
    EXPECT_LE(rig.distance_calls, 2 * 2 * 8);
    pcpu_first_chunk_release(&rig.env, &fc);
}

/* B1: nothing is given back before the last block is taken. */
KTEST(first_chunk, b1_no_group_lands_in_the_hole_of_another)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    memset(rig.cpu_node, 0, sizeof(rig.cpu_node));
    rig.node_distance[0][0] = 20; /* eight groups side by side on one node */
    REQUIRE_EQ(embed(&fc), 0);
    EXPECT_EQ(fc.nr_groups, 8);
    EXPECT_TRUE(pcpu_first_chunk_verify(&fc) == NULL);
    EXPECT_FALSE(rig.allocs_after_free);
    pcpu_first_chunk_release(&rig.env, &fc);
}

/* B2: the undo gives back what was taken, and nothing else. */
KTEST(first_chunk, b2_undo_frees_only_what_was_taken)
{
    struct rig_regions before, after;
    struct pcpu_first_chunk fc;

    start_mixed();
    memblock_reserve(&rig.mb, 0, 3 * SZ_1M + 512 * SZ_1K); /* node 0 has room for no group */
    rig_snapshot(&rig.mb.reserved, &before);
    memblock_reserve(&rig.mb, 4 * SZ_1M, 4 * SZ_1M); /* and node 1 for none */
    EXPECT_EQ(embed(&fc), -ENOMEM);
    EXPECT_EQ(rig.frees, 0);
    EXPECT_EQ(rig.null_frees, 0);
    memblock_phys_free(&rig.mb, 4 * SZ_1M, 256 * SZ_1K); /* one group fits now, the other not */
    EXPECT_EQ(embed(&fc), -ENOMEM);
    EXPECT_EQ(rig.null_frees, 0);
    memblock_phys_free(&rig.mb, 4 * SZ_1M, 4 * SZ_1M);
    rig_snapshot(&rig.mb.reserved, &after);
    EXPECT_TRUE(rig_same(&before, &after));
    EXPECT_TRUE(fc.tables == NULL);
}

/* B3, B5: the span is checked, from the base to the end of the highest group. */
KTEST(first_chunk, b3_b5_span_counts_the_whole_highest_group)
{
    struct pcpu_first_chunk fc;
    u64 span;

    start_mixed();
    REQUIRE_EQ(embed(&fc), 0);
    span = MAX(fc.group_offsets[0] + fc.group_sizes[0], fc.group_offsets[1] + fc.group_sizes[1]);
    pcpu_first_chunk_release(&rig.env, &fc);

    start_mixed();
    rig.env.window_size = span / 3 * 4;
    REQUIRE_EQ(span % 3, 1); /* so that 3/4 of the window is just too small */
    EXPECT_EQ(embed(&fc), -EINVAL);
    start_mixed();
    rig.env.window_size = span / 3 * 4 + 4;
    REQUIRE_EQ(embed(&fc), 0);
    pcpu_first_chunk_release(&rig.env, &fc);
}

/* B4: and nothing leaks when it fails. */
KTEST(first_chunk, b4_span_failure_gives_everything_back)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    rig.env.window_size = 0x100000;
    EXPECT_EQ(embed(&fc), -EINVAL);
    EXPECT_EQ(memblock_reserved_size(&rig.mb), 0);
    EXPECT_EQ(rig.frees, 2);
    EXPECT_TRUE(shim_log_contains("percpu: max_distance=0x"));
    EXPECT_TRUE(shim_log_contains(" too large for vmalloc space 0x100000"));
    EXPECT_FALSE(shim_log_contains("Embedded"));
    EXPECT_TRUE(rig_all_are(rig.memory, rig.size, RIG_POISON));
}

/* B6: the last unit is unused, and group 0 is not the lowest. */
KTEST(first_chunk, b6_low_and_high_unit_are_real_cpus)
{
    static const u32 high_first[] = {1, 0, 1, 1, 1, 0, 1, 0};
    struct pcpu_first_chunk fc;

    rig_start(high_first, 8, 2, 4 * SZ_1M, 64);
    rig.heap_tables = true;
    rig_set_template(100, 100);
    REQUIRE_EQ(embed(&fc), 0);
    EXPECT_TRUE(fc.group_offsets[0] > 0);
    EXPECT_EQ(fc.group_offsets[1], 0);
    EXPECT_EQ(fc.unit_cpu[fc.nr_units - 1], PCPU_NO_CPU);
    EXPECT_EQ(fc.low_unit_cpu, 1);
    EXPECT_EQ(fc.high_unit_cpu, 6);
    EXPECT_TRUE(pcpu_first_chunk_verify(&fc) == NULL);
    check_all_units(&fc);
    pcpu_first_chunk_release(&rig.env, &fc);
}

/* B7: no address in the log. B8: whole pages in it. */
KTEST(first_chunk, b7_b8_log_has_no_address_and_whole_pages)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    REQUIRE_EQ(embed(&fc), 0);
    for (size_t i = 0; i < shim_log_count(); i++) {
        EXPECT_TRUE(strchr(shim_log_line(i), '@') == NULL);
        EXPECT_TRUE(strstr(shim_log_line(i), "0x") == NULL);
    }
    EXPECT_EQ(fc.size_sum % PAGE_SIZE, 0);
    pcpu_first_chunk_release(&rig.env, &fc);
}

/* B9: everything kept is known to its owner: units and nothing else stays reserved. */
KTEST(first_chunk, b9_owner_knows_every_kept_byte)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    rig.heap_tables = false;
    REQUIRE_EQ(embed(&fc), 0);
    EXPECT_EQ(memblock_reserved_size(&rig.mb),
              8 * fc.size_sum + fc.tables_bytes + rig.mb.reserved.array_size);
    for (u32 cpu = 0; cpu < 8; cpu++) {
        EXPECT_TRUE(memblock_is_reserved(&rig.mb, rig_pa(pcpu_unit_addr(&fc, cpu))));
        rig_check_unit(&fc, cpu);
    }
}

/* B10: a write to one unit reaches neither the template nor another unit. */
KTEST(first_chunk, b10_template_is_only_read)
{
    static u8 copy[sizeof(rig_template)];
    struct pcpu_first_chunk fc;

    start_mixed();
    memcpy(copy, rig_template, sizeof(copy));
    REQUIRE_EQ(embed(&fc), 0);
    memset(pcpu_unit_addr(&fc, 0), 0xee, fc.size_sum);
    EXPECT_TRUE(memcmp(copy, rig_template, sizeof(copy)) == 0);
    for (u32 cpu = 1; cpu < 8; cpu++)
        rig_check_unit(&fc, cpu);
    pcpu_first_chunk_release(&rig.env, &fc);
}

KTEST(first_chunk, what_cannot_be_given_back_is_kept_and_counted)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    rig.fail_free_from = 6; /* CPU 6's tail is the 5th */
    REQUIRE_EQ(embed(&fc), 0);
    EXPECT_EQ(rig.frees, 10);
    EXPECT_EQ(fc.lost_bytes, 2 * fc.unit_size + 3 * (fc.unit_size - fc.size_sum));
    EXPECT_EQ(memblock_reserved_size(&rig.mb), 8 * fc.size_sum + fc.lost_bytes);
    EXPECT_TRUE(shim_log_contains("percpu: 81920 bytes of CPU 1's unit could not be given back"));
    EXPECT_EQ(shim_log_matches("of an unused unit of group"), 2);
    EXPECT_TRUE(pcpu_first_chunk_verify(&fc) == NULL);
    pcpu_first_chunk_release(&rig.env, &fc);
}

static void *misaligned_fn(void *ctx, u32 cpu, size_t size, size_t align)
{
    u8 *p = rig_alloc_fn(ctx, cpu, size + align, align);

    if (p)
        memblock_phys_free(&rig.mb, rig_pa(p), PAGE_SIZE);
    if (p)
        memblock_phys_free(&rig.mb, rig_pa(p) + PAGE_SIZE + size, align - PAGE_SIZE);
    return p ? p + PAGE_SIZE : NULL;
}

static void *same_block_fn(void *ctx, u32 cpu, size_t size, size_t align)
{
    static u8 *last;

    last = rig.block_calls == 0 ? rig_alloc_fn(ctx, cpu, size, align) : (rig.block_calls++, last);
    return last;
}

static int count_free_fn(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)ptr, (void)size;
    rig.frees++;
    return 0;
}

KTEST(first_chunk, bad_blocks_are_refused)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    EXPECT_EQ(pcpu_embed_first_chunk(&rig.env, 8192, 28672, ATOM, rig_distance, misaligned_fn,
                                     rig_free_fn, &fc),
              -EINVAL);
    EXPECT_TRUE(shim_log_contains("not aligned to 262144"));
    EXPECT_EQ(memblock_reserved_size(&rig.mb), 0);
    start_mixed();
    EXPECT_EQ(pcpu_embed_first_chunk(&rig.env, 8192, 28672, ATOM, rig_distance, same_block_fn,
                                     count_free_fn, &fc),
              -EINVAL);
    EXPECT_TRUE(shim_log_contains("percpu: failed to initialize, "));
    EXPECT_EQ(rig.frees, 2);
}

KTEST(first_chunk, bad_arguments)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    EXPECT_EQ(
        pcpu_embed_first_chunk(&rig.env, 0, 0, 3 * PAGE_SIZE, NULL, rig_alloc_fn, rig_free_fn, &fc),
        -EINVAL);
    EXPECT_EQ(
        pcpu_embed_first_chunk(&rig.env, 2, 0, PAGE_SIZE, NULL, rig_alloc_fn, rig_free_fn, &fc),
        -EINVAL); /* reserved is no multiple of 4 */
    EXPECT_EQ(
        pcpu_embed_first_chunk(&rig.env, ~0ULL, 0, PAGE_SIZE, NULL, rig_alloc_fn, rig_free_fn, &fc),
        -EOVERFLOW);
    EXPECT_EQ(memblock_reserved_size(&rig.mb), 0);
}

KTEST(first_chunk, plain_is_one_block_of_single_page_atoms)
{
    struct pcpu_first_chunk fc;

    start_mixed();
    rig.heap_tables = false;
    REQUIRE_EQ(pcpu_plain_first_chunk(&rig.env, 8192, 28672, &fc), 0);
    EXPECT_EQ(fc.nr_groups, 1);
    EXPECT_EQ(fc.nr_units, 8);
    EXPECT_EQ(fc.atom_size, PAGE_SIZE);
    EXPECT_EQ(fc.unit_size, fc.size_sum);
    EXPECT_TRUE(pcpu_first_chunk_verify(&fc) == NULL);
    for (u32 cpu = 0; cpu < 8; cpu++)
        rig_check_unit(&fc, cpu);
    EXPECT_EQ(memblock_reserved_size(&rig.mb),
              8 * fc.size_sum + fc.tables_bytes + rig.mb.reserved.array_size);
    EXPECT_EQ(rig.block_calls, 0);
    EXPECT_STREQ(shim_log_line(1), "pcpu-alloc: s10001 r8192 d30959 u49152 alloc=12*4096");
}
