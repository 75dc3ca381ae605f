/*
 * One chunk's memory from several CPUs at once: each populates and returns blocks of its own and
 * writes to them, while others promote, break reservations, look up addresses, and a CPU comes for
 * the first time.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "kernel/base/ktest.h"
#include "percpu/backing/backing_internal.h"
#include "tests/host/cpus.h"
#include "tests/host/percpu_world.h"

#define ROUNDS  120
#define WORKERS 4 /* each has a quarter of the blocks */

static struct world w;
static struct pcpu_backing b;
static _Atomic u32 failures, promoted, arrived;

/* The first word behind a block of some CPU's unit, by its physical page. */
static u64 *word_of(u32 cpu, u32 block)
{
    u64 pa;

    if (pcpu_backing_lookup(&b, cpu, block * PAGE_SIZE, &pa))
        return NULL;
    return w.page_ops.map(&w, pa);
}

/* Every tenth round all blocks are populated at the same time, and the ranges become leaves. */
static void meet(u32 round)
{
    arrived++;
    while (arrived < WORKERS * (round / 10 + 1))
        cpu_relax();
    promoted += pcpu_backing_promote(&b);
}

static void work(u32 worker)
{
    u32 blocks[32], returned;

    for (u32 round = 0; round < ROUNDS; round++) {
        u32 n = round % 10 && round % 3 ? 7 : 32;

        for (u32 i = 0; i < n; i++)
            blocks[i] = worker * 32 + i;
        failures += pcpu_backing_populate(&b, blocks, n) != 0;
        for (u32 i = 0; i < n; i++) {
            u64 *word = word_of(i % 7, blocks[i]);

            failures += !word || *word != 0;
            if (word)
                *word = round + 1;
        }
        if (round % 10 == 0)
            meet(round);
        failures += pcpu_backing_return(&b, blocks, n, &returned) != 0 || returned != n;
    }
}

static void disturb(void)
{
    u64 pa;

    for (u32 round = 0; round < ROUNDS; round++) {
        promoted += pcpu_backing_promote(&b);
        if (round % 16 == 15 && arrived > 8 * WORKERS) /* later ranges are single pages */
            pcpu_backing_break_reservations(&b);
        for (u32 block = 0; block < 128; block++) {
            if (pcpu_backing_lookup(&b, round % 7, block * PAGE_SIZE, &pa) == 0)
                failures += w.page_ops.node_of(&w, pa) != (s32)w.cpu_node[round % 7];
        }
        if (round == ROUNDS / 2) {
            world_set_backed(&w, 7);
            failures += pcpu_backing_cpu_online(&b, 7) != 0;
        }
        if (atomic_load(&b.nr_ready))
            promoted += pcpu_backing_promote(&b);
        failures += pcpu_backing_verify(&b) != NULL;
    }
}

static void cpu(void *arg)
{
    (void)arg;
    if (host_cpu_number < WORKERS)
        work(host_cpu_number);
    else
        disturb();
}

KTEST(backing_tsan, all_at_once)
{
    struct pcpu_backing *all = &b;

    world_init(
        &w, &(struct world_shape){.nr_nodes = 2, .nr_cpus = 8, .absent = {0x80}, .unmapped = true});
    REQUIRE_EQ(pcpu_backing_create(&w.env, &b), 0);
    host_cpus_init(WORKERS + 1, PAGE_SIZE);
    host_cpus_run(WORKERS + 1, cpu, NULL);
    host_cpus_end();
    EXPECT_EQ(failures, 0);
    EXPECT_STREQ(pcpu_backing_verify(&b) ?: "ok", "ok");
    EXPECT_STREQ(world_check_counts(&w, &all, 1) ?: "ok", "ok");
    EXPECT_TRUE(promoted > 0);
    ktest_note("%u promotions", promoted);
    pcpu_backing_destroy(&b);
    world_done(&w);
}
