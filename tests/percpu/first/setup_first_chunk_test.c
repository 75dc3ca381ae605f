/*
 * pcpu_setup_first_chunk: the tables it makes, every check of its list, and the verifier.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/first/first_chunk_rig.h"

static const u32 nodes[] = {1, 0, 1, 1, 0};
static u8 base[64] ALIGNED(4096);

/* Groups {0, 2, 3, -} and {1, 4}; the second lies below the first. */
static struct pcpu_alloc_info *start(void)
{
    struct pcpu_alloc_info *ai = NULL;

    rig_start(nodes, 5, 2, SZ_1M, 64);
    rig.heap_tables = true;
    rig_set_template(5001, 5002);
    if (pcpu_build_alloc_info(&rig.env, 4096, 20480, 128 * SZ_1K, rig_distance, &ai) == 0 &&
        ai->nr_groups == 2) {
        ai->groups[0].base_offset = 2 * SZ_1M;
        ai->groups[1].base_offset = 0;
    }
    return ai;
}

KTEST(setup_first_chunk, tables_and_regions)
{
    struct pcpu_alloc_info *ai = start();
    struct pcpu_first_chunk fc;

    REQUIRE_TRUE(ai != NULL);
    REQUIRE_EQ(pcpu_setup_first_chunk(&rig.env, ai, base, &fc), 0);
    EXPECT_TRUE(pcpu_first_chunk_verify(&fc) == NULL);
    EXPECT_EQ(fc.unit_size, 64 * SZ_1K);
    EXPECT_EQ(fc.unit_off[0], 2 * SZ_1M);
    EXPECT_EQ(fc.unit_off[3], 2 * SZ_1M + 2 * fc.unit_size);
    EXPECT_EQ(fc.unit_off[1], 0);
    EXPECT_EQ(fc.unit_off[4], fc.unit_size);
    EXPECT_EQ(fc.unit_map[3], 2);
    EXPECT_EQ(fc.unit_map[1], 4);
    EXPECT_EQ(fc.unit_cpu[3], PCPU_NO_CPU);
    EXPECT_EQ(fc.unit_cpu[5], 4);
    EXPECT_EQ(fc.low_unit_cpu, 1);
    EXPECT_EQ(fc.high_unit_cpu, 3);
    EXPECT_EQ(fc.group_sizes[0], 4 * fc.unit_size);
    EXPECT_EQ(fc.static_area.end, 5004);
    EXPECT_EQ(fc.reserved_area.start, 5004);
    EXPECT_EQ(fc.reserved_area.end, 9100);
    EXPECT_EQ(fc.dyn_area.start, 9100);
    EXPECT_EQ(fc.dyn_area.end, fc.size_sum);
    EXPECT_EQ(fc.size_sum, 32768);
    EXPECT_EQ((uintptr_t)fc.tables % 64, 0);
    EXPECT_TRUE(pcpu_unit_addr(&fc, 1) == base);
    pcpu_first_chunk_release(&rig.env, &fc);
    EXPECT_TRUE(fc.tables == NULL);
    pcpu_free_alloc_info(&rig.env, ai);
}

KTEST(setup_first_chunk, no_memory_for_tables)
{
    struct pcpu_alloc_info *ai = start();
    struct pcpu_first_chunk fc;

    REQUIRE_TRUE(ai != NULL);
    rig.fail_at = rig.calls + 1;
    EXPECT_EQ(pcpu_setup_first_chunk(&rig.env, ai, base, &fc), -ENOMEM);
    EXPECT_TRUE(fc.tables == NULL);
    pcpu_free_alloc_info(&rig.env, ai);
}

/* The statement breaks one thing; set-up must refuse it by this condition and print the layout. */
#define REFUSED(condition, ...)                                                                    \
    do {                                                                                           \
        struct pcpu_alloc_info *ai = start();                                                      \
        struct pcpu_first_chunk fc;                                                                \
        void *at = base;                                                                           \
        u64 groups_ = ai->nr_groups;                                                               \
        __VA_ARGS__;                                                                               \
        EXPECT_EQ(pcpu_setup_first_chunk(&rig.env, ai, at, &fc), -EINVAL);                         \
        EXPECT_STREQ(shim_log_line(0), "percpu: failed to initialize, " condition);                \
        EXPECT_TRUE(shim_log_contains_prefix("percpu: cpu_possible_mask=1f"));                     \
        EXPECT_TRUE(shim_log_contains_prefix("pcpu-alloc: "));                                     \
        EXPECT_EQ(shim_log_level(0), LOG_ERR);                                                     \
        EXPECT_TRUE(fc.tables == NULL);                                                            \
        (void)groups_, (void)at;                                                                   \
        pcpu_free_alloc_info(&rig.env, ai);                                                        \
    } while (0)

KTEST(setup_first_chunk, sizes_are_checked)
{
    REFUSED("ai->nr_groups > 0", ai->nr_groups = 0);
    REFUSED("ai->static_size != 0", rig.env.static_size = ai->static_size = 0,
            rig.env.template_size = 0);
    REFUSED("ai->static_size == env->static_size", ai->static_size += 4);
    REFUSED("env->template_size <= env->static_size", rig.env.template_size = 5003);
    REFUSED("env->static_start != NULL || env->template_size == 0", rig.env.static_start = NULL);
    REFUSED("is_aligned((uintptr_t)env->static_start, PAGE_SIZE)",
            rig.env.static_start = rig_template + 64);
    REFUSED("base != NULL", at = NULL);
    REFUSED("is_aligned((uintptr_t)base, PAGE_SIZE)", at = base + 32);
    REFUSED("ai->unit_size >= size_sum", ai->unit_size = 28672);
    REFUSED("is_aligned(ai->unit_size, PAGE_SIZE)", ai->unit_size += 32);
    REFUSED("is_aligned(size_sum, PAGE_SIZE)", ai->dyn_size += 4);
    REFUSED("ai->dyn_size >= PCPU_DYN_EARLY_SIZE", ai->dyn_size -= 4096);
    REFUSED("ai->unit_size >= PCPU_MIN_UNIT_SIZE", ai->dyn_size -= 8192, ai->unit_size = 28672);
    REFUSED("is_aligned(ai->reserved_size, PCPU_MIN_ALLOC_SIZE)", ai->reserved_size += 2,
            ai->dyn_size -= 2);
    REFUSED("!__builtin_add_overflow(size_sum, ai->dyn_size, &size_sum)", ai->dyn_size = ~0ULL);
    REFUSED("is_pow2(ai->atom_size) && ai->atom_size >= PAGE_SIZE", ai->atom_size = 12288);
    REFUSED("ai->alloc_size >= ai->unit_size && ai->alloc_size % ai->unit_size == 0",
            ai->alloc_size = 0);
}

KTEST(setup_first_chunk, groups_and_maps_are_checked)
{
    REFUSED("ai->nr_cpus == env->nr_cpus", ai->nr_cpus = 4);
    REFUSED("g->nr_units > 0", ai->groups[1].nr_units = 0);
    REFUSED("g->nr_units % upa == 0", ai->alloc_size *= 2);
    REFUSED("is_aligned(g->base_offset, ai->atom_size)", ai->groups[0].base_offset += 4096);
    REFUSED("g->base_offset >= end2 || ai->groups[j].base_offset >= end",
            ai->groups[0].base_offset = 0);
    REFUSED("group_at_base", ai->groups[1].base_offset = 128 * SZ_1K);
    REFUSED("ai->nr_units == nr_units", ai->nr_units++);
    REFUSED("!__builtin_add_overflow(g->base_offset, g->nr_units * (u64)ai->unit_size, &end)",
            ai->groups[0].base_offset = align_down(~0ULL, 128 * SZ_1K));
    REFUSED("cpu < env->nr_cpus", ai->groups[0].cpu_map[1] = 5);
    REFUSED("fc->unit_map[cpu] == PCPU_NO_CPU", ai->groups[1].cpu_map[1] = 0);
    REFUSED("mapped == env->nr_cpus", ai->groups[1].cpu_map[1] = PCPU_NO_CPU);
}

/* The verifier sees each table that is wrong. */
#define FOUND(what, ...)                                                                           \
    do {                                                                                           \
        struct pcpu_alloc_info *ai = start();                                                      \
        struct pcpu_first_chunk fc;                                                                \
        const char *found;                                                                         \
        REQUIRE_EQ(pcpu_setup_first_chunk(&rig.env, ai, base, &fc), 0);                            \
        __VA_ARGS__;                                                                               \
        found = pcpu_first_chunk_verify(&fc);                                                      \
        EXPECT_STREQ(found ? found : "nothing", what);                                             \
        pcpu_first_chunk_release(&rig.env, &fc);                                                   \
        pcpu_free_alloc_info(&rig.env, ai);                                                        \
    } while (0)

KTEST(setup_first_chunk, verify_finds_what_is_wrong)
{
    struct pcpu_first_chunk none = {0};

    EXPECT_STREQ(pcpu_first_chunk_verify(&none), "not set up");
    FOUND("base is not a page", fc.base_addr++);
    FOUND("unit size", fc.unit_size += 4);
    FOUND("block size", fc.alloc_size = 0);
    FOUND("regions do not follow each other", fc.dyn_area.start += 4);
    FOUND("group size", fc.group_units[0]++);
    FOUND("group is not whole blocks", fc.group_offsets[0] += 4096);
    FOUND("groups overlap", fc.group_offsets[0] = 0);
    FOUND("no group at the base", fc.group_offsets[1] = SZ_1M);
    FOUND("number of units", fc.nr_units++);
    FOUND("the two unit maps differ", fc.unit_map[2] = 0);
    FOUND("unit offset", fc.unit_off[2] += 4096);
    FOUND("lowest or highest unit", fc.low_unit_cpu = 4);
    FOUND("lowest or highest unit", fc.high_unit_cpu = 5);
    FOUND("a CPU has no unit", fc.unit_cpu[0] = PCPU_NO_CPU);
}
