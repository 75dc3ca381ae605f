/*
 * How long is waited, on simulated hosts: a quiet one, one that leaves gaps, one that starves the
 * others while the waiting CPU runs.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "kernel/base/patience.h"

#define MS    1000ULL /* ticks per millisecond */
#define LIMIT (2000 * MS)

static struct patience_host host;
static u64 now;

/* Waits in vain, `run` ticks at a time with gaps of `gap` ticks between. Returns how long. */
static u64 wait_in_vain(struct patience *p, u64 run, u64 gap)
{
    u64 start = now;

    for (u64 ran = 0; !patience_over(p, now);) {
        now += 10;
        ran += 10;
        if (gap && ran >= run) {
            now += gap;
            ran = 0;
        }
    }
    return now - start;
}

static u64 dead_cpu_costs(struct patience_host *h, u64 run, u64 gap)
{
    struct patience p;

    patience_begin(&p, h, LIMIT, now);
    return wait_in_vain(&p, run, gap);
}

static void fresh(void)
{
    host = (struct patience_host){.gap = MS};
    now = 1234567;
}

KTEST(patience, quiet_host_costs_the_limit)
{
    fresh();
    EXPECT_GE(dead_cpu_costs(&host, 0, 0), LIMIT);
    EXPECT_LE(dead_cpu_costs(&host, 0, 0), LIMIT + MS);
}

/* What others came after is within an eighth of the limit on any quiet host. */
KTEST(patience, quick_answers_change_nothing)
{
    struct patience p;

    fresh();
    for (u32 i = 0; i < 100; i++) {
        patience_begin(&p, &host, LIMIT, now);
        for (u64 end = now + 200 * MS; now < end; now += 10)
            EXPECT_FALSE(patience_over(&p, now));
        patience_progress(&p, now);
    }
    EXPECT_LE(dead_cpu_costs(&host, 0, 0), LIMIT + MS);
}

KTEST(patience, gaps_count_a_little)
{
    u64 half, most;

    fresh();
    half = dead_cpu_costs(&host, 4 * MS, 4 * MS);
    EXPECT_GE(half, 2 * LIMIT - LIMIT / 8);
    EXPECT_LE(half, 2 * LIMIT + LIMIT / 8);
    most = dead_cpu_costs(&host, 3 * MS, 250 * MS); /* nice 10 beside 8 loops a core */
    EXPECT_GE(most, 20 * LIMIT);
    EXPECT_LE(most, PATIENCE_END * LIMIT);
}

/* This CPU has all it wants, the others get a slice now and then, ever more rarely. */
KTEST(patience, late_answers_are_learned_from)
{
    u64 steps[] = {500, 1000, 1900, 4000, 8000, 16000, 32000, 60000};
    struct patience p;

    fresh();
    patience_begin(&p, &host, LIMIT, now);
    for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
        for (u64 end = now + steps[i] * MS; now < end; now += 10)
            if (patience_over(&p, now))
                ktest_fail(__FILE__, __LINE__, "given up in step %u", i);
        patience_progress(&p, now);
        EXPECT_EQ(p.since, now);
    }
    EXPECT_GE(host.slowest, 59000 * MS);
    EXPECT_LE(dead_cpu_costs(&host, 0, 0), PATIENCE_MOST * LIMIT + MS); /* and yet it ends */
}

/* Every wait ends, whatever the host does, and a machine that stood still for an hour is no end. */
KTEST(patience, ends_on_the_worst_host)
{
    struct patience p;

    fresh();
    host.slowest = ~0ULL / 16;
    EXPECT_LE(dead_cpu_costs(&host, 10, 100 * MS), (PATIENCE_END + 1) * LIMIT);
    fresh();
    patience_begin(&p, &host, LIMIT, now);
    now += 3600 * 1000 * MS;
    EXPECT_FALSE(patience_over_part(&p, now, 100));
}

KTEST(patience, half_of_it)
{
    struct patience p;

    fresh();
    patience_begin(&p, &host, LIMIT, now);
    for (u64 i = 0; i <= LIMIT / 2; i += 100)
        EXPECT_FALSE(patience_over_part(&p, now + i, 50));
    EXPECT_TRUE(patience_over_part(&p, now + LIMIT / 2 + 1, 50));
    EXPECT_FALSE(patience_over(&p, now + LIMIT / 2 + 2));
}

/* A real machine: time alone counts, and nothing is learned. */
KTEST(patience, without_a_host_the_limit_is_exact)
{
    struct patience p;

    fresh();
    patience_begin(&p, NULL, LIMIT, now);
    patience_progress(&p, now + LIMIT / 2);
    EXPECT_FALSE(patience_over(&p, now + LIMIT / 2 + LIMIT));
    EXPECT_TRUE(patience_over(&p, now + LIMIT / 2 + LIMIT + 1));
    EXPECT_GE(dead_cpu_costs(NULL, 3 * MS, 250 * MS), LIMIT);
    EXPECT_LE(dead_cpu_costs(NULL, 3 * MS, 250 * MS), LIMIT + 260 * MS);
}

KTEST(patience, a_clock_that_steps_back_counts_nothing)
{
    struct patience p;

    fresh();
    patience_begin(&p, NULL, LIMIT, now);
    EXPECT_FALSE(patience_over(&p, now - 5000 * MS));
    EXPECT_TRUE(patience_over(&p, now + LIMIT + 1));
}
