/*
 * The per-CPU counter: bound, exact sum, limits, groups, and threads as CPUs.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "percpu/sync/counter.h"
#include "tests/host/shim.h"
#include "tests/percpu/sync/sync_rig.h"

#define CPUS    4
#define ADDS    20000
#define BIG     24 /* CPUs on 2 nodes: enough for the node level */
#define FINE(c) EXPECT_STREQ(percpu_counter_verify(c) ?: "", "")

static struct sync_rig rig;

/* Never above Linux's max(32, 2n) * n, and less where there are many CPUs. */
KTEST(percpu_counter, bound_by_cpus_and_nodes)
{
    struct percpu_counter_geometry g = percpu_counter_geometry(64, 8);

    EXPECT_EQ(g.bound, 64 * 32 + 8 * 127);
    EXPECT_EQ(g.parts, 8);
    g = percpu_counter_geometry(8, 4);
    EXPECT_EQ(g.parts, 1);
    EXPECT_EQ(g.bound, 8 * 32);
    for (u64 n = 1; n <= NR_CPUS; n = n * 5 / 4 + 1) {
        for (u64 nodes = 1; nodes <= n; nodes *= 2) {
            u64 flat = MAX(32, 2 * n) * n;

            g = percpu_counter_geometry((u32)n, (u32)nodes);
            EXPECT_LE(g.bound, flat);
            EXPECT_TRUE(g.parts == 1 || g.node_batch > g.batch);
            if (n >= 64 && nodes > 1 && nodes <= 16)
                EXPECT_LE(g.bound * 2, flat);
        }
    }
}

KTEST(percpu_counter, starts_sets_and_compares)
{
    struct percpu_counter c;

    rig_init(&rig, BIG, BIG / 2);
    REQUIRE_EQ(percpu_counter_init(&rig.lib, &c, -7), 0);
    EXPECT_EQ(c.global->group != NULL, true);
    EXPECT_EQ(percpu_counter_bound(&c), BIG * 32 + 2 * (2 * BIG - 1));
    EXPECT_EQ(percpu_counter_read(&c), -7);
    EXPECT_EQ(percpu_counter_read_positive(&c), 0);
    EXPECT_EQ(percpu_counter_sum(&c), -7);
    for (u32 cpu = 0; cpu < BIG; cpu++) {
        host_cpu_become(cpu);
        percpu_counter_add(&c, cpu);
        percpu_counter_sub(&c, 2);
    }
    EXPECT_EQ(percpu_counter_sum(&c), -7 + BIG * (BIG - 1) / 2 - 2 * BIG);
    EXPECT_EQ(percpu_counter_compare(&c, 220), 1);
    EXPECT_EQ(percpu_counter_compare(&c, 221), 0);
    EXPECT_EQ(percpu_counter_compare(&c, 222), -1);
    EXPECT_EQ(percpu_counter_compare(&c, INT64_MIN), 1);
    EXPECT_EQ(percpu_counter_compare(&c, INT64_MAX), -1);
    percpu_counter_set(&c, 1LL << 40);
    EXPECT_EQ(percpu_counter_sum(&c), 1LL << 40);
    EXPECT_EQ(percpu_counter_compare(&c, 1LL << 40), 0);
    FINE(&c);
    host_cpu_become(0);
    percpu_counter_destroy(&c);
    EXPECT_EQ(rig.plain, 0);
    EXPECT_EQ(host_percpu_objects(), 0);
    rig_end(&rig);
}

/* A big amount goes all the way up at once; a small one stays until sync. */
KTEST(percpu_counter, folds_and_syncs)
{
    struct percpu_counter c;

    rig_init(&rig, BIG, BIG / 2);
    REQUIRE_EQ(percpu_counter_init(&rig.lib, &c, 0), 0);
    percpu_counter_add(&c, 1000000007LL * 4);
    EXPECT_EQ(percpu_counter_read(&c), 1000000007LL * 4);
    percpu_counter_set(&c, 0);
    percpu_counter_add(&c, 32); /* batch */
    EXPECT_EQ(percpu_counter_read(&c), 0);
    EXPECT_EQ(*per_cpu_ptr(c.local, 0), 32);
    percpu_counter_inc(&c); /* 33: to the node, which holds up to 47 */
    EXPECT_EQ(*per_cpu_ptr(c.local, 0), 0);
    EXPECT_EQ(percpu_counter_read(&c), 0);
    percpu_counter_add(&c, 33);
    EXPECT_EQ(percpu_counter_read(&c), 66);
    percpu_counter_sub(&c, 5);
    percpu_counter_sync(&c);
    EXPECT_EQ(percpu_counter_read(&c), 61);
    FINE(&c);
    percpu_counter_destroy(&c);
    rig_end(&rig);
}

/* The furthest read can be off is the bound, in both directions, and it is reached. */
KTEST(percpu_counter, bound_is_tight)
{
    struct percpu_counter c;

    rig_init(&rig, BIG, BIG / 2);
    REQUIRE_EQ(percpu_counter_init(&rig.lib, &c, 0), 0);
    for (s64 sign = -1; sign <= 1; sign += 2) {
        percpu_counter_set(&c, 0);
        for (u32 cpu = 0; cpu < BIG; cpu++) {
            host_cpu_become(cpu);
            percpu_counter_sync(&c);
        }
        percpu_counter_set(&c, 0);
        for (u32 cpu = 0; cpu < BIG; cpu++) {
            host_cpu_become(cpu);
            if (cpu % (BIG / 2) == 0)
                percpu_counter_add(&c, sign * (2 * BIG - 1)); /* a whole node's part */
            percpu_counter_add(&c, sign * 32);
        }
        EXPECT_EQ(percpu_counter_read(&c), 0);
        EXPECT_EQ(percpu_counter_sum(&c) * sign, percpu_counter_bound(&c));
        FINE(&c);
    }
    host_cpu_become(0);
    percpu_counter_destroy(&c);
    rig_end(&rig);
}

KTEST(percpu_counter, values_wrap)
{
    struct percpu_counter c;

    rig_init(&rig, CPUS, 1);
    REQUIRE_EQ(percpu_counter_init(&rig.lib, &c, INT64_MAX), 0);
    percpu_counter_add(&c, 1);
    EXPECT_EQ(percpu_counter_sum(&c), INT64_MIN);
    percpu_counter_add(&c, INT64_MIN);
    percpu_counter_sub(&c, INT64_MIN);
    percpu_counter_dec(&c);
    EXPECT_EQ(percpu_counter_sum(&c), INT64_MAX);
    percpu_counter_set(&c, 5);
    EXPECT_FALSE(percpu_counter_limited_add(&c, INT64_MAX, INT64_MAX - 4));
    EXPECT_TRUE(percpu_counter_limited_add(&c, INT64_MAX, INT64_MAX - 5));
    percpu_counter_destroy(&c);
    rig_end(&rig);
}

KTEST(percpu_counter, limits_from_both_sides)
{
    struct percpu_counter c;

    rig_init(&rig, CPUS, 1);
    REQUIRE_EQ(percpu_counter_init(&rig.lib, &c, 0), 0);
    EXPECT_TRUE(percpu_counter_limited_add(&c, 100, 100));
    EXPECT_FALSE(percpu_counter_limited_add(&c, 100, 1));
    EXPECT_TRUE(percpu_counter_limited_add(&c, 100, 0));
    EXPECT_TRUE(percpu_counter_limited_add(&c, -3, -103));
    EXPECT_FALSE(percpu_counter_limited_add(&c, -3, -1));
    EXPECT_EQ(percpu_counter_sum(&c), -3);
    /* far from the limit the CPU's own part takes it */
    EXPECT_TRUE(percpu_counter_limited_add(&c, 1 << 20, 2));
    EXPECT_EQ(*per_cpu_ptr(c.local, 0), 2);
    percpu_counter_destroy(&c);
    rig_end(&rig);
}

KTEST(percpu_counter, a_dead_cpus_part_is_folded)
{
    struct percpu_counter c;

    rig_init(&rig, CPUS, 2);
    REQUIRE_EQ(percpu_counter_init(&rig.lib, &c, 0), 0);
    host_cpu_become(3);
    percpu_counter_add(&c, 20);
    host_cpu_become(0);
    EXPECT_EQ(percpu_counter_sum(&c), 20);
    EXPECT_EQ(percpu_counter_read(&c), 0);
    percpu_counter_cpu_dead(&c, 3);
    percpu_counter_cpu_dead(&c, 2);
    EXPECT_EQ(percpu_counter_read(&c), 20);
    EXPECT_EQ(*per_cpu_ptr(c.local, 3), 0);
    FINE(&c);
    percpu_counter_destroy(&c);
    rig_end(&rig);
}

/* Each allocation fails once; nothing is kept. Then a group, whose members do not mix. */
KTEST(percpu_counter, many_in_one_allocation)
{
    struct percpu_counter c[5];
    u32 k = 1;

    rig_init(&rig, BIG, BIG / 2);
    for (;; k++) {
        int err;

        rig.fail_at = k;
        err = percpu_counter_init_many(&rig.lib, c, 5, 100);
        if (!err)
            break;
        EXPECT_EQ(err, -ENOMEM);
        EXPECT_EQ(rig.plain, 0);
        EXPECT_EQ(host_percpu_objects(), 0);
    }
    EXPECT_EQ(k, 1 + 1 + 1 + 2 + 1); /* group, CPUs, global, two nodes, none */
    rig.fail_at = 0;
    EXPECT_EQ(host_percpu_objects(), 1);
    for (u32 i = 0; i < 5; i++)
        for (u32 n = 0; n < 50; n++)
            percpu_counter_add(&c[i], 2 * i + 1);
    for (u32 i = 0; i < 5; i++) {
        EXPECT_EQ(percpu_counter_sum(&c[i]), 100 + 50 * (2 * i + 1));
        FINE(&c[i]);
    }
    EXPECT_TRUE(SHIM_PANICS(percpu_counter_destroy_many(c, 4)));
    percpu_counter_destroy_many(c, 5);
    EXPECT_EQ(rig.plain, 0);
    EXPECT_EQ(host_percpu_objects(), 0);
    rig_end(&rig);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct storm {
    struct percpu_counter c;
    _Atomic u64 added; /* by limited adds */
    _Atomic u32 bad, done;
};

static void add_and_read(void *arg)
{
    struct storm *s = arg;
    u32 cpu = cpu_number();

    for (u32 i = 0; i < ADDS; i++) {
        percpu_counter_add(&s->c, (s64)(i % 7) - 2 * (cpu & 1));
        if (i % 64 == 0) {
            s64 sum = percpu_counter_sum(&s->c);

            /* every add is between -2 and 6 */
            if (sum < -2LL * ADDS * CPUS || sum > 6LL * ADDS * CPUS)
                s->bad++;
        }
        if (i % 1000 == 0)
            percpu_counter_sync(&s->c);
    }
}

static const struct percpu_counter_geometry small_nodes = {
    .parts = 2, .batch = 5, .node_batch = 9, .bound = CPUS * 5 + 2 * 8};

KTEST(percpu_counter, threads_sum_is_exact)
{
    static struct storm s;
    s64 want = 0;

    rig_init(&rig, CPUS, CPUS / 2);
    REQUIRE_EQ(percpu_counter_init_geometry(&rig.lib, &s.c, 1, 0, &small_nodes), 0);
    host_cpus_run(CPUS, add_and_read, &s);
    host_cpu_become(0);
    for (u32 cpu = 0; cpu < CPUS; cpu++)
        for (u32 i = 0; i < ADDS; i++)
            want += (s64)(i % 7) - 2 * (cpu & 1);
    EXPECT_EQ(percpu_counter_sum(&s.c), want);
    EXPECT_EQ(s.bad, 0);
    FINE(&s.c);
    percpu_counter_destroy(&s.c);
    rig_end(&rig);
}

/* One adds, the others sum: what was added before a sum is in it, and never more than was begun. */
#define FAR 64
static _Atomic s64 begun, ended;

static void one_adds_others_sum(void *arg)
{
    struct storm *s = arg;

    if (cpu_number() == 0) {
        host_cpu_become(FAR - 1); /* looked at last: much time for a fold */
        for (u32 i = 0; i < 20 * ADDS; i++) {
            atomic_fetch_add(&begun, 3);
            percpu_counter_add(&s->c, 3);
            atomic_fetch_add(&ended, 3);
        }
        s->done = 1;
        return;
    }
    while (!s->done) {
        s64 least = atomic_load(&ended), sum = percpu_counter_sum(&s->c);

        if (sum < least || sum > atomic_load(&begun))
            s->bad++;
    }
}

KTEST(percpu_counter, threads_sum_misses_nothing)
{
    static struct storm s;

    rig_init(&rig, FAR, FAR / 2);
    begun = ended = 0;
    REQUIRE_EQ(percpu_counter_init_geometry(&rig.lib, &s.c, 1, 0, &small_nodes), 0);
    host_cpus_run(CPUS, one_adds_others_sum, &s);
    host_cpu_become(0);
    EXPECT_EQ(s.bad, 0);
    EXPECT_EQ(percpu_counter_sum(&s.c), 3 * 20 * ADDS);
    percpu_counter_destroy(&s.c);
    rig_end(&rig);
}

#define LIMIT 5000

static void add_up_to_limit(void *arg)
{
    struct storm *s = arg;

    for (u32 i = 0; i < ADDS / 4; i++) {
        s64 amount = 1 + i % 4;

        if (percpu_counter_limited_add(&s->c, LIMIT, amount))
            s->added += (u64)amount;
        if (i % 16 == 0 && percpu_counter_sum(&s->c) > LIMIT)
            s->bad++;
        if (i % 5 == 0 && percpu_counter_limited_add(&s->c, -1000, -3))
            s->added -= 3;
    }
}

KTEST(percpu_counter, threads_never_pass_the_limit)
{
    static struct storm s;

    rig_init(&rig, CPUS, CPUS / 2);
    REQUIRE_EQ(percpu_counter_init_geometry(&rig.lib, &s.c, 1, 0, &small_nodes), 0);
    host_cpus_run(CPUS, add_up_to_limit, &s);
    host_cpu_become(0);
    EXPECT_EQ(s.bad, 0);
    EXPECT_EQ(percpu_counter_sum(&s.c), s.added);
    EXPECT_LE(percpu_counter_sum(&s.c), LIMIT);
    EXPECT_GE(percpu_counter_sum(&s.c), LIMIT - 8);
    FINE(&s.c);
    percpu_counter_destroy(&s.c);
    rig_end(&rig);
}
