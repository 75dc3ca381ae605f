/*
 * The layout of a chunk: Linux's worked numbers, the lines of the log in Linux's widths, and sizes
 * at their limits. All 85 recorded machines are compared in tests/tools/test_layout.py.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "percpu/first/layout.h"
#include "percpu/first/layout_print.h"
#include "tests/host/shim.h"

static const u32 *cpu_node; /* of the case that runs */
static u64 distance_calls, allocs, fail_alloc;
static s64 live;

static void *heap_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    if (++allocs == fail_alloc)
        return NULL;
    live++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static int heap_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)size;
    live--;
    free(ptr);
    return 0;
}

static int by_node(void *ctx, u32 from, u32 to)
{
    (void)ctx;
    distance_calls++;
    return cpu_node[from] == cpu_node[to] ? 10 : 20;
}

static struct pcpu_env new_env(u32 nr_cpus, size_t static_size)
{
    allocs = fail_alloc = distance_calls = 0;
    live = 0;
    shim_log_reset();
    return (struct pcpu_env){
        .nr_cpus = nr_cpus, .static_size = static_size, .alloc = heap_alloc, .free = heap_free};
}

/* CPUs per node, ended by 0, and what linux-percpu section 1.2 says comes out. */
struct worked {
    u32 per_node[17];
    u64 unit_size, units;
};

static void check_worked(const struct worked *w)
{
    static u32 nodes[1024];
    struct pcpu_alloc_info *ai;
    struct pcpu_env env;
    u32 n = 0, groups;

    for (groups = 0; w->per_node[groups]; groups++)
        for (u32 i = 0; i < w->per_node[groups]; i++)
            nodes[n++] = groups;
    env = new_env(n, 212992);
    cpu_node = nodes;
    REQUIRE_EQ(pcpu_build_alloc_info(&env, 8192, 28672, SZ_2M, by_node, &ai), 0);
    EXPECT_EQ(ai->unit_size, w->unit_size);
    EXPECT_EQ(ai->nr_units, w->units);
    EXPECT_EQ(ai->nr_groups, groups);
    EXPECT_EQ(pcpu_size_sum(ai), 249856);
    EXPECT_EQ(ai->dyn_size, 28672);
    EXPECT_LE(distance_calls, 2ULL * groups * n);
    pcpu_free_alloc_info(&env, ai);
    EXPECT_EQ(live, 0);
}

KTEST(layout, worked_numbers_of_linux)
{
    static const struct worked table[] = {
        {{1}, 2097152, 1},
        {{2}, 1048576, 2},
        {{4}, 524288, 4},
        {{8}, 262144, 8},
        {{2, 2}, 1048576, 4},
        {{4, 4}, 524288, 8},
        {{5, 3}, 1048576, 10},
        {{1, 7}, 1048576, 10},
        {{3, 3, 3}, 524288, 12},
        {{8, 8}, 262144, 16},
        {{28, 28}, 262144, 64},
        {{64, 64}, 262144, 128},
        {{96, 96}, 262144, 192},
        {{60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60}, 262144, 1024},
        {{1, 1, 1, 1}, 2097152, 4},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        check_worked(&table[i]);
}

KTEST(layout, smallest_static_area)
{
    static const u32 nodes[] = {0, 0, 0, 0, 1, 1, 1, 1};
    struct pcpu_env env = new_env(8, 4096);
    struct pcpu_alloc_info *ai;

    cpu_node = nodes;
    REQUIRE_EQ(pcpu_build_alloc_info(&env, 8192, 28672, SZ_2M, by_node, &ai), 0);
    EXPECT_EQ(ai->unit_size, 524288);
    EXPECT_EQ(pcpu_size_sum(ai), 40960);
    pcpu_free_alloc_info(&env, ai);
    env = new_env(1, 1);
    REQUIRE_EQ(pcpu_build_alloc_info(&env, 0, 0, PAGE_SIZE, NULL, &ai), 0);
    EXPECT_EQ(ai->unit_size, PCPU_MIN_UNIT_SIZE);
    EXPECT_EQ(pcpu_size_sum(ai), 24576);
    EXPECT_EQ(ai->dyn_size, 24575);
    pcpu_free_alloc_info(&env, ai);
}

KTEST(layout, atom_larger_and_smaller_than_the_unit)
{
    struct pcpu_env env = new_env(3, 3 * SZ_1M);
    struct pcpu_alloc_info *ai;

    REQUIRE_EQ(pcpu_build_alloc_info(&env, 0, 0, SZ_2M, NULL, &ai), 0);
    EXPECT_EQ(ai->unit_size, 4 * SZ_1M);
    EXPECT_EQ(ai->alloc_size, 4 * SZ_1M);
    pcpu_free_alloc_info(&env, ai);
    REQUIRE_EQ(pcpu_build_alloc_info(&env, 0, 0, 1ULL << 40, NULL, &ai), 0);
    EXPECT_EQ(ai->unit_size, 1ULL << 38); /* 4 units, 1 of them unused: a third of 3 CPUs */
    EXPECT_EQ(ai->nr_units, 4);
    pcpu_free_alloc_info(&env, ai);
}

/* Only the founder of a group is asked, and both directions count, and exactly 10. */
static const int *matrix4;
static int by_matrix4(void *ctx, u32 from, u32 to)
{
    (void)ctx;
    return matrix4[from * 4 + to];
}

KTEST(layout, grouping_rules)
{
    /* 0-1 near, 1-2 near, 0-2 far: 2 is not in 0's group. 3 is near 0 in one direction only. */
    static const int m[] = {10, 10, 20, 10, 10, 10, 10, 20, 20, 10, 10, 9, 11, 20, 9, 10};
    struct pcpu_env env = new_env(4, 4096);
    struct pcpu_alloc_info *ai;

    matrix4 = m;
    REQUIRE_EQ(pcpu_build_alloc_info(&env, 0, 0, PAGE_SIZE, by_matrix4, &ai), 0);
    REQUIRE_EQ(ai->nr_groups, 3);
    EXPECT_EQ(ai->groups[0].nr_units, 2);
    EXPECT_EQ(ai->groups[0].cpu_map[0], 0);
    EXPECT_EQ(ai->groups[0].cpu_map[1], 1);
    EXPECT_EQ(ai->groups[1].cpu_map[0], 2);
    EXPECT_EQ(ai->groups[2].cpu_map[0], 3);
    EXPECT_EQ(ai->groups[2].base_offset, 3 * ai->unit_size);
    pcpu_free_alloc_info(&env, ai);
}

KTEST(layout, bad_arguments_and_no_memory)
{
    static const size_t atoms[] = {0, 1, 2048, 4095, 12288, SZ_2M + 4096};
    struct pcpu_alloc_info *ai;
    struct pcpu_env env = new_env(4, 4096);

    for (size_t i = 0; i < ARRAY_SIZE(atoms); i++)
        EXPECT_EQ(pcpu_build_alloc_info(&env, 0, 0, atoms[i], NULL, &ai), -EINVAL);
    EXPECT_EQ(pcpu_build_alloc_info(&env, ~0ULL, 0, 4096, NULL, &ai), -EOVERFLOW);
    EXPECT_EQ(pcpu_build_alloc_info(&env, 0, INT64_MAX, 4096, NULL, &ai), -EOVERFLOW);
    EXPECT_EQ(pcpu_build_alloc_info(&env, 0, 0, 1ULL << 63, NULL, &ai), -EOVERFLOW);
    EXPECT_EQ(pcpu_build_alloc_info(&env, 0, 1LL << 61, 4096, NULL, &ai), -EOVERFLOW); /* 4 times */
    env.nr_cpus = 0;
    EXPECT_EQ(pcpu_build_alloc_info(&env, 0, 0, 4096, NULL, &ai), -EINVAL);
    env.nr_cpus = PCPU_MAX_CPUS + 1;
    EXPECT_EQ(pcpu_build_alloc_info(&env, 0, 0, 4096, NULL, &ai), -EINVAL);
    for (u64 k = 1; k <= 2; k++) {
        env = new_env(4, 4096);
        fail_alloc = k;
        EXPECT_EQ(pcpu_build_alloc_info(&env, 0, 0, 4096, NULL, &ai), -ENOMEM);
        EXPECT_TRUE(ai == NULL && live == 0);
    }
    pcpu_free_alloc_info(&env, NULL);
}

static void dump(struct pcpu_env *env, size_t atom, pcpu_distance_fn distance)
{
    struct pcpu_alloc_info *ai;

    shim_log_reset();
    REQUIRE_EQ(pcpu_build_alloc_info(env, 8192, 28672, atom, distance, &ai), 0);
    pcpu_log_embedded(ai);
    pcpu_log_paged(ai);
    pcpu_dump_alloc_info(env, LOG_INFO, ai);
    pcpu_free_alloc_info(env, ai);
    EXPECT_EQ(live, 0);
}

KTEST(layout, lines_in_linux_widths)
{
    static const u32 nodes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    static const u32 uneven[] = {0, 1, 1, 1, 2, 2, 2, 2, 2};
    struct pcpu_env env = new_env(11, 233472);

    cpu_node = nodes;
    dump(&env, SZ_2M, by_node);
    EXPECT_STREQ(shim_log_line(0), "percpu: Embedded 66 pages/cpu s233472 r8192 d28672 u2097152");
    EXPECT_STREQ(shim_log_line(1), "percpu: 512 4K pages/cpu s233472 r8192 d28672");
    EXPECT_STREQ(shim_log_line(2), "pcpu-alloc: s233472 r8192 d28672 u2097152 alloc=1*2097152");
    EXPECT_STREQ(shim_log_line(3), "pcpu-alloc: [00] 00 [01] 01 [02] 02 [03] 03");
    EXPECT_STREQ(shim_log_line(5), "pcpu-alloc: [08] 08 [09] 09 [10] 10");
    EXPECT_EQ(shim_log_count(), 6);
    env = new_env(9, 233472);
    cpu_node = uneven;
    dump(&env, SZ_2M, by_node);
    EXPECT_STREQ(shim_log_line(3), "pcpu-alloc: [0] 0 - [1] 1 2 [1] 3 - [2] 4 5");
    EXPECT_STREQ(shim_log_line(4), "pcpu-alloc: [2] 6 7 [2] 8 -");
}

/* Two units of 4 digits and a group of 2 are 15 columns: four blocks fill the 60 exactly. */
KTEST(layout, blocks_that_fill_a_line_exactly)
{
    static u32 nodes[1000];
    struct pcpu_env env = new_env(1000, 700000);

    for (u32 cpu = 0; cpu < 1000; cpu++)
        nodes[cpu] = cpu / 100;
    cpu_node = nodes;
    dump(&env, SZ_2M, by_node);
    EXPECT_STREQ(shim_log_line(3),
                 "pcpu-alloc: [00] 0000 0001 [00] 0002 0003 [00] 0004 0005 [00] 0006 0007");
    EXPECT_EQ(shim_log_count(), 3 + 125);
}

KTEST(layout, long_lines_are_continued)
{
    struct pcpu_env env = new_env(60, 4096);
    size_t shown = 0;

    dump(&env, 8 * SZ_1M, NULL); /* 64 units in one block: 208 columns */
    EXPECT_EQ(shim_log_count(), 4);
    EXPECT_EQ(strlen(shim_log_line(3)), 12 + 4 + 64 * 3 - 1);
    env.line_max = 80;
    dump(&env, 8 * SZ_1M, NULL);
    EXPECT_EQ(shim_log_count(), 6);
    for (size_t i = 3; i < shim_log_count(); i++) {
        EXPECT_LE(strlen(shim_log_line(i)), 80);
        EXPECT_TRUE(strncmp(shim_log_line(i), "pcpu-alloc: ", 12) == 0);
        for (const char *c = shim_log_line(i) + 11; *c; c++)
            shown += *c == ' ' && c[1] != '[';
    }
    EXPECT_EQ(shown, 64);
    env = new_env(300, 4096);
    env.line_max = 0;
    dump(&env, 64 * SZ_1M, NULL); /* 3 blocks of 128 units; a line needs memory */
    EXPECT_EQ(shim_log_count(), 6);
    EXPECT_EQ(strlen(shim_log_line(3)), 12 + 4 + 128 * 4 - 1);
    env = new_env(300, 4096);
    fail_alloc = 3; /* which there is not */
    dump(&env, 64 * SZ_1M, NULL);
    EXPECT_TRUE(shim_log_count() > 6);
}

KTEST(layout, possible_mask)
{
    shim_log_reset();
    pcpu_log_possible(8);
    pcpu_log_possible(33);
    pcpu_log_possible(70);
    pcpu_log_possible(8192);
    EXPECT_STREQ(shim_log_line(0), "percpu: cpu_possible_mask=ff");
    EXPECT_STREQ(shim_log_line(1), "percpu: cpu_possible_mask=1,ffffffff");
    EXPECT_STREQ(shim_log_line(2), "percpu: cpu_possible_mask=3f,ffffffff,ffffffff");
    EXPECT_LE(strlen(shim_log_line(3)), 300);
}

KTEST(layout, largest_machine)
{
    static u32 nodes[8192];
    struct pcpu_env env = new_env(8192, 233472);
    struct pcpu_alloc_info *ai;

    for (u32 cpu = 0; cpu < 8192; cpu++)
        nodes[cpu] = cpu % 1024;
    cpu_node = nodes;
    REQUIRE_EQ(pcpu_build_alloc_info(&env, 8192, 28672, SZ_2M, by_node, &ai), 0);
    EXPECT_EQ(ai->nr_groups, 1024);
    EXPECT_EQ(ai->unit_size, 524288);
    EXPECT_EQ(ai->nr_units, 8192);
    EXPECT_LE(distance_calls, 2ULL * 1024 * 8192);
    pcpu_free_alloc_info(&env, ai);
}
