/*
 * What is kept for the next wave of objects, and what time takes of it: magazines, the reserve,
 * empty blocks. pcpu_decay() is one period.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_magazines.h"
#include "tests/host/random.h"
#include "tests/percpu/alloc/alloc_rig.h"

#define PERIODS 10u /* the goal of docs/performance.md is set after ten */
#define LEFT    16u /* pages of a unit that may be left then */

static const struct world_shape small = {.nr_nodes = 2, .nr_cpus = 4};

static struct percpu_stats stats(struct alloc_rig *r)
{
    struct percpu_stats st;

    pcpu_get_stats(&r->a, &st);
    return st;
}

static s64 populated(const struct alloc_rig *r)
{
    return pcpu_populated_blocks(&r->a);
}

/* 24 of each class by each CPU, freed at once. */
static void use_every_class(struct alloc_rig *r)
{
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        host_cpu_number = cpu;
        for (u32 class = PCPU_CLASS_4; class < PCPU_CLASSES; class ++) {
            void *ptr[24];

            EXPECT_EQ(pcpu_alloc_bulk(&r->a, pcpu_class_size(class), pcpu_class_align(class), 0,
                                      ARRAY_SIZE(ptr), ptr),
                      ARRAY_SIZE(ptr));
            for (u32 i = 0; i < ARRAY_SIZE(ptr); i++)
                pcpu_free(&r->a, ptr[i]);
        }
    }
    host_cpu_number = 0;
}

KTEST(percpu_alloc_decay, idle_machines_keep_little)
{
    static const struct world_shape shapes[] = {
        {.nr_nodes = 1, .nr_cpus = 1},   {.nr_nodes = 2, .nr_cpus = 4},
        {.nr_nodes = 4, .nr_cpus = 64},  {.nr_nodes = 4, .nr_cpus = 65},
        {.nr_nodes = 4, .nr_cpus = 128},
    };

    for (u32 i = 0; i < ARRAY_SIZE(shapes); i++) {
        struct alloc_rig *r = rig_new(&shapes[i]);
        s64 before;

        use_every_class(r);
        before = populated(r);
        EXPECT_GE(before, LEFT);
        for (u32 k = 0; k < PERIODS; k++) {
            pcpu_decay(&r->a);
            EXPECT_LE(populated(r), before);
            before = populated(r);
        }
        EXPECT_VALID(r);
        EXPECT_EQ(stats(r).cached_bytes, 0);
        EXPECT_LE(populated(r), LEFT);
        EXPECT_LE((s64)r->a.peak, LEFT); /* so empty blocks of a new user go soon, too */
        for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
            host_cpu_number = cpu;
            EXPECT_FALSE(pcpu_decay_cpu_wanted(&r->a));
        }
        host_cpu_number = 0;
        EXPECT_FALSE(pcpu_decay_shared_wanted(&r->a)); /* no timer any more */
        rig_end(r);
    }
}

/* Half of each class, rounded up, and nothing of another CPU's. */
KTEST(percpu_alloc_decay, a_period_takes_half)
{
    struct alloc_rig *r = rig_new(&small);

    use_every_class(r);
    for (u32 period = 0;; period++) {
        const struct pcpu_mags *m = r->a.mags[0];
        u32 before[PCPU_CLASSES], any = 0;

        for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++)
            any |= before[c] = (u32)(m->mag[c].clean + m->mag[c].cap - m->mag[c].dirty);
        if (!any || period == PERIODS)
            break;
        EXPECT_TRUE(pcpu_decay_cpu_wanted(&r->a));
        pcpu_decay_cpu(&r->a);
        for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++)
            EXPECT_EQ(m->mag[c].clean + m->mag[c].cap - m->mag[c].dirty, before[c] / 2);
        EXPECT_VALID(r);
    }
    EXPECT_LT(r->a.mags[1]->headroom, r->a.mags[1]->quota);
    rig_end(r);
}

/* From the third wave on nothing is populated and nothing returned; the cost is the magazines'. */
KTEST(percpu_alloc_decay, waves_keep_their_blocks)
{
    static const struct world_shape shapes[] = {{.nr_nodes = 1, .nr_cpus = 1},
                                                {.nr_nodes = 4, .nr_cpus = 16},
                                                {.nr_nodes = 4, .nr_cpus = 65}};
    static void *ptr[5000];

    for (u32 i = 0; i < ARRAY_SIZE(shapes); i++) {
        struct alloc_rig *r = rig_new(&shapes[i]);
        u64 returned = 0;
        s64 kept = 0;

        for (u32 wave = 0; wave < 8; wave++) {
            for (u32 k = 0; k < ARRAY_SIZE(ptr); k++)
                ptr[k] = pcpu_alloc(&r->a, 256, 8, 0);
            for (u32 k = 0; k < ARRAY_SIZE(ptr); k++)
                pcpu_free(&r->a, ptr[k]);
            while (pcpu_idle_pending(&r->a))
                pcpu_idle_work(&r->a);
            if (wave >= 2) {
                EXPECT_EQ(populated(r), kept);
                EXPECT_EQ(r->a.blocks_returned, returned);
            }
            kept = populated(r);
            returned = r->a.blocks_returned;
        }
        EXPECT_GE(kept, 5000 * 256 / 4096);
        for (u32 k = 0; k < PERIODS; k++)
            pcpu_decay(&r->a);
        EXPECT_LE(populated(r), LEFT);
        EXPECT_VALID(r);
        rig_end(r);
    }
}

/* A wave that comes back each period keeps what it needs, and no more than that returns. */
KTEST(percpu_alloc_decay, objects_in_use_stay)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[3000], *kept[1000];
    u64 seed = 7;

    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 200, 8, 0, ARRAY_SIZE(kept), kept), ARRAY_SIZE(kept));
    for (u32 round = 0; round < 30; round++) {
        u32 n = (u32)(random_xorshift(&seed) % ARRAY_SIZE(ptr)), got;

        host_cpu_number = round % 4;
        got = pcpu_alloc_bulk(&r->a, 8 * (1 + round % 64), 8, 0, n, ptr);
        EXPECT_EQ(got, n);
        pcpu_free_bulk(&r->a, n / 2, ptr);
        pcpu_decay(&r->a);
        EXPECT_VALID(r);
        pcpu_free_bulk(&r->a, n - n / 2, ptr + n / 2);
        pcpu_decay_cpu(&r->a);
    }
    host_cpu_number = 0;
    for (u32 k = 0; k < PERIODS; k++)
        pcpu_decay(&r->a);
    EXPECT_LE(populated(r) - pcpu_empty_blocks(&r->a), 1 + 1000 * 200 / 4096);
    EXPECT_LE(pcpu_empty_blocks(&r->a), LEFT);
    pcpu_free_bulk(&r->a, ARRAY_SIZE(kept), kept);
    rig_end(r);
}

/* The peak falls to what is in use, whatever is empty in the first chunk. */
KTEST(percpu_alloc_decay, the_peak)
{
    struct alloc_rig *r = rig_new(&small);
    void *ptr[40];

    for (u32 i = 0; i < ARRAY_SIZE(ptr); i++) /* too large for the first chunk */
        REQUIRE_TRUE(ptr[i] = pcpu_alloc(&r->a, 32768, 4096, 0));
    EXPECT_LE(1, r->a.nr_empty_fixed);
    pcpu_free_bulk(&r->a, 20, ptr);
    for (u32 k = 0; k < PERIODS; k++)
        pcpu_decay(&r->a);
    EXPECT_EQ((s64)r->a.peak, 20 * 8);
    pcpu_free_bulk(&r->a, 20, ptr + 20);
    rig_end(r);
}

/* The reserve that PCPU_ATOMIC callers made decays to its size at init, unless they go on. */
KTEST(percpu_alloc_decay, the_reserve)
{
    struct alloc_rig *r = rig_new(&small);
    void *ptr[64];
    u64 target;

    for (u32 k = 0; k < 20; k++) {
        u32 n = pcpu_alloc_bulk(&r->a, 8192, 8, PCPU_ATOMIC, ARRAY_SIZE(ptr), ptr);

        pcpu_free_bulk(&r->a, n, ptr);
        pcpu_balance(&r->a);
    }
    target = stats(r).reserve_target;
    EXPECT_GE(target, 4 * PCPU_RESERVE_BOOT);
    EXPECT_TRUE(pcpu_decay_shared_wanted(&r->a));
    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 8192, 8, PCPU_ATOMIC, ARRAY_SIZE(ptr), ptr), ARRAY_SIZE(ptr));
    pcpu_free_bulk(&r->a, ARRAY_SIZE(ptr), ptr);
    pcpu_decay(&r->a);
    EXPECT_EQ(stats(r).reserve_target, target); /* they came in this period */
    for (u32 k = 0; k < PERIODS; k++)
        pcpu_decay(&r->a);
    EXPECT_EQ(stats(r).reserve_target, PCPU_RESERVE_BOOT);
    EXPECT_FALSE(pcpu_decay_shared_wanted(&r->a));
    rig_end(r);
}

/* Who leaves blocks empty wakes an idle CPU once, and again after that one found nothing left. */
KTEST(percpu_alloc_decay, an_idle_cpu_is_woken)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[2000];

    r->idle = 2;
    for (u32 round = 1; round <= 3; round++) {
        u32 before = r->wakes;

        EXPECT_EQ(pcpu_alloc_bulk(&r->a, 256, 8, 0, ARRAY_SIZE(ptr), ptr), ARRAY_SIZE(ptr));
        r->wakes = before; /* growth may have woken it, too */
        pcpu_free_bulk(&r->a, ARRAY_SIZE(ptr), ptr);
        EXPECT_EQ(r->wakes, before + 1);
        host_cpu_number = 2;
        while (pcpu_decay_shared_wanted(&r->a)) {
            EXPECT_TRUE(r->a.decay_asked);
            pcpu_decay_shared(&r->a);
        }
        EXPECT_FALSE(r->a.decay_asked);
        host_cpu_number = 0;
    }
    /* It parks with the mark: another CPU is asked. */
    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 256, 8, 0, ARRAY_SIZE(ptr), ptr), ARRAY_SIZE(ptr));
    pcpu_free_bulk(&r->a, ARRAY_SIZE(ptr), ptr);
    r->idle = 3;
    r->wakes = 0;
    host_cpu_number = 2;
    pcpu_cpu_parking(&r->a);
    EXPECT_LE(1, r->wakes);
    EXPECT_TRUE(r->a.decay_asked);
    pcpu_idle_work(&r->a);
    host_cpu_number = 0;
    rig_end(r);
}

/* What is kept does not stand in the way: without memory it goes first. */
KTEST(percpu_alloc_decay, kept_blocks_go_under_pressure)
{
    enum { EVERY = 16 }; /* one of so many stays, so that the others leave no large hole */
    struct world_shape shape = {.nr_nodes = 1, .nr_cpus = 4, .node_bytes = 16 * SZ_1M};
    struct alloc_rig *r = rig_new(&shape);
    static void *ptr[4096];
    void *big[64];
    u32 n = 0, k = 0;

    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 4096, 4096, 0)))
        n++;
    EXPECT_LT(n, ARRAY_SIZE(ptr)); /* no memory any more */
    for (u32 i = 0; i < n; i++)
        if (i % EVERY)
            pcpu_free(&r->a, ptr[i]);
    while (k < ARRAY_SIZE(big) && (big[k] = pcpu_alloc(&r->a, EVERY * 4096, 4096, 0)))
        k++;
    EXPECT_GE(k * EVERY, n / 2);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, k, big);
    for (u32 i = 0; i < n; i += EVERY)
        pcpu_free(&r->a, ptr[i]);
    rig_end(r);
}
