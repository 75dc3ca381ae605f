/*
 * The CPU sets of smp/start/cpumap.h.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include "kernel/base/ktest.h"
#include "smp/start/cpumap.h"
#include "tests/host/shim.h"

static struct cpumap map;

static void fill(u32 n)
{
    static u32 ids[NR_CPUS];

    for (u32 i = 0; i < n; i++)
        ids[i] = 3 * i + 1;
    EXPECT_EQ(cpumap_init(&map, ids, n), 0);
}

KTEST(cpumap, init_has_only_the_boot_cpu_online)
{
    fill(130);
    EXPECT_EQ(cpumap_count(&map, CPU_POSSIBLE), 130);
    EXPECT_EQ(cpumap_count(&map, CPU_PRESENT), 1);
    EXPECT_EQ(cpumap_count(&map, CPU_ONLINE), 1);
    EXPECT_TRUE(cpumap_test(&map, CPU_ONLINE, 0));
    EXPECT_FALSE(cpumap_test(&map, CPU_POSSIBLE, 130));
    EXPECT_EQ(cpumap_verify(&map), 0);
}

KTEST(cpumap, init_refuses_none_and_too_many)
{
    u32 id = 0;

    EXPECT_EQ(cpumap_init(&map, &id, 0), -EINVAL);
    EXPECT_EQ(cpumap_init(&map, &id, NR_CPUS + 1), -EINVAL);
}

KTEST(cpumap, full_size)
{
    fill(NR_CPUS);
    EXPECT_EQ(cpumap_count(&map, CPU_POSSIBLE), NR_CPUS);
    EXPECT_TRUE(cpumap_set(&map, CPU_ONLINE, NR_CPUS - 1));
    EXPECT_EQ(cpumap_next(&map, CPU_ONLINE, 1), NR_CPUS - 1);
    EXPECT_EQ(cpumap_next(&map, CPU_ONLINE, NR_CPUS), NR_CPUS);
}

KTEST(cpumap, sets_imply_each_other)
{
    fill(4);
    EXPECT_TRUE(cpumap_set(&map, CPU_ONLINE, 2));
    EXPECT_FALSE(cpumap_set(&map, CPU_ONLINE, 2));
    EXPECT_TRUE(cpumap_test(&map, CPU_PRESENT, 2));
    EXPECT_TRUE(cpumap_clear(&map, CPU_PRESENT, 2));
    EXPECT_FALSE(cpumap_test(&map, CPU_ONLINE, 2));
    EXPECT_FALSE(cpumap_clear(&map, CPU_ONLINE, 2));
    EXPECT_EQ(cpumap_verify(&map), 0);
}

KTEST(cpumap, iteration_visits_members_in_order)
{
    static const u32 members[] = {0, 1, 63, 64, 127, 128, 199};
    u32 cpu, i = 0;

    fill(200);
    for (u32 k = 0; k < ARRAY_SIZE(members); k++)
        cpumap_set(&map, CPU_ONLINE, members[k]);
    for_each_cpu(cpu, &map, CPU_ONLINE)
    {
        REQUIRE_TRUE(i < ARRAY_SIZE(members));
        EXPECT_EQ(cpu, members[i++]);
    }
    EXPECT_EQ(i, ARRAY_SIZE(members));
}

KTEST(cpumap, snapshot_is_the_set)
{
    u64 words[CPUMAP_WORDS];

    fill(70);
    cpumap_set(&map, CPU_ONLINE, 69);
    cpumap_snapshot(&map, CPU_ONLINE, words);
    EXPECT_EQ(words[0], 1);
    EXPECT_EQ(words[1], 1 << 5);
    EXPECT_EQ(bitmap_weight(words, NR_CPUS), 2);
}

KTEST(cpumap, verify_finds_a_broken_subset)
{
    fill(4);
    atomic_store(&map.set[CPU_ONLINE][0], 0x10);
    shim_log_reset();
    EXPECT_EQ(cpumap_verify(&map), -EINVAL);
    EXPECT_TRUE(shim_log_contains_prefix("cpumap: word 0"));
}

KTEST(cpumap, an_impossible_cpu_is_our_bug)
{
    fill(4);
    EXPECT_TRUE(SHIM_PANICS(cpumap_set(&map, CPU_ONLINE, 4)));
}

static void *enter_64(void *arg)
{
    u32 first = (u32)(uintptr_t)arg;

    for (u32 i = 0; i < 64; i++)
        cpumap_set(&map, CPU_ONLINE, first + 4 * i);
    return NULL;
}

KTEST(cpumap, four_threads_lose_no_bit)
{
    pthread_t threads[4];

    fill(256);
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, enter_64, (void *)i);
    for (u32 i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    EXPECT_EQ(cpumap_count(&map, CPU_ONLINE), 256);
}
