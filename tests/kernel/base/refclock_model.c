/*
 * Measuring the TSC on a machine that is simulated to the picosecond: the TSC and the clock run at
 * exact rates, every reading takes its time, and a host takes the CPU away at random moments for
 * random times. What refclock_khz() calls good must be as near the truth as it promises, a clock
 * that stands must be given up in time, and there must be an end to everything.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "kernel/base/refclock.h"
#include "tests/host/random.h"

__extension__ typedef unsigned __int128 u128;

#define PS_PER_S  1000000000000ULL
#define PS_PER_MS 1000000000ULL

struct world {
    u64 now_ps;
    u64 tsc_hz, clock_hz;
    u64 tsc_ps, clock_ps; /* what one reading takes */
    u64 stall_one_in;     /* readings; 0: never */
    u64 stall_ps;         /* at most */
    u64 stands_at_ps;     /* from here on the clock stands; 0: never */
    u64 stalls;
};

static u64 seed;

static u64 rnd(void)
{
    return random_lcg(&seed) >> 20;
}

static void stall(struct world *w)
{
    if (w->stall_one_in && rnd() % w->stall_one_in == 0) {
        w->now_ps += rnd() % w->stall_ps;
        w->stalls++;
    }
}

static u64 ticks(u64 ps, u64 hz)
{
    return (u64)((u128)ps * hz / PS_PER_S);
}

static u64 read_tsc(void *ctx)
{
    struct world *w = ctx;

    w->now_ps += w->tsc_ps;
    stall(w);
    return ticks(w->now_ps, w->tsc_hz);
}

/* The count is taken somewhere in the time the reading takes. */
static u64 read_clock(void *ctx)
{
    struct world *w = ctx;
    u64 part = rnd() % (w->clock_ps + 1), at;

    w->now_ps += part;
    stall(w);
    at = w->stands_at_ps && w->now_ps > w->stands_at_ps ? w->stands_at_ps : w->now_ps;
    w->now_ps += w->clock_ps - part;
    stall(w);
    return ticks(at, w->clock_hz);
}

static const struct refclock_limits limits = {
    .still = 100000000, /* the kernel's 10 ms at 10 GHz */
    .limit = 5000000000ULL,
};

static int run(struct world *w, u64 mask, u64 *khz)
{
    struct refclock ref = {"model", read_clock, read_tsc, w, w->clock_hz, mask};

    return refclock_khz(&ref, &limits, khz);
}

static struct world random_world(void)
{
    static const u64 clock_hz[] = {14318180, 100000000, 24000000, 3579545, 1193182};

    return (struct world){
        .now_ps = rnd() % (10 * PS_PER_S),
        .tsc_hz = 800000000 + rnd() % 5200000000ULL,
        .clock_hz = clock_hz[rnd() % ARRAY_SIZE(clock_hz)],
        .tsc_ps = 5000 + rnd() % 20000,
        .clock_ps = 200000 + rnd() % 3000000, /* 0.2 to 3.2 us */
    };
}

static u64 mask_of(const struct world *w)
{
    return w->clock_hz == 1193182 ? 0xffff : w->clock_hz == 3579545 ? 0xffffff : 0xffffffff;
}

static bool near(u64 khz, u64 hz, u64 parts)
{
    u64 truth = hz / 1000, off = khz > truth ? khz - truth : truth - khz;

    return off <= truth / parts + 2;
}

KTEST(refclock, undisturbed_it_is_right_and_quick)
{
    seed = 1;
    for (u32 i = 0; i < 3000; i++) {
        struct world w = random_world();
        u64 khz, begin = w.now_ps;

        REQUIRE_EQ(run(&w, mask_of(&w), &khz), 0);
        EXPECT_TRUE(near(khz, w.tsc_hz, REFCLOCK_GOOD));
        EXPECT_LE(w.now_ps - begin, 35 * PS_PER_MS);
    }
}

/* Waits of a host, as long as its time slices, that never last a whole turn of the counter. */
KTEST(refclock, stalls_make_it_longer_but_not_wrong)
{
    u64 stalls = 0, good = 0;

    seed = 2;
    for (u32 i = 0; i < 3000; i++) {
        struct world w = random_world();
        u64 khz;
        int err;

        w.stall_one_in = 50 + rnd() % 3000;
        w.stall_ps = (1 + rnd() % 20) * PS_PER_MS;
        err = run(&w, mask_of(&w), &khz);
        stalls += w.stalls;
        if (err == 0) {
            good++;
            EXPECT_TRUE(near(khz, w.tsc_hz, REFCLOCK_POOR / 2));
        }
    }
    EXPECT_TRUE(stalls > 3000);
    EXPECT_TRUE(good > 2500);
    ktest_note("%llu stalls, %llu of 3000 measured", (unsigned long long)stalls,
               (unsigned long long)good);
}

/* Longer than a PIT's turn of 55 ms: single measurements are wrong by any factor. */
KTEST(refclock, turns_unseen_do_not_agree)
{
    u64 good = 0, wrong = 0;

    seed = 3;
    for (u32 i = 0; i < 3000; i++) {
        struct world w = random_world();
        u64 khz;

        w.clock_hz = 1193182;
        w.stall_one_in = 1000 + rnd() % 20000;
        w.stall_ps = 300 * PS_PER_MS;
        if (run(&w, 0xffff, &khz))
            continue;
        good++;
        wrong += !near(khz, w.tsc_hz, REFCLOCK_POOR / 2);
    }
    ktest_note("%llu measured, %llu of them wrong", (unsigned long long)good,
               (unsigned long long)wrong);
    EXPECT_TRUE(good > 1000);
    EXPECT_LE(wrong * 200, good); /* one in some hundred is the price of 16 bits */
}

KTEST(refclock, a_clock_that_stands_costs_its_deadline)
{
    seed = 4;
    for (u32 i = 0; i < 1000; i++) {
        struct world w = random_world();
        u64 khz, begin = w.now_ps,
                 still_ps = limits.still * (PS_PER_S / 1000000) / (w.tsc_hz / 1000000);

        /* At once, or in the middle of a measurement. */
        w.stands_at_ps = begin + 1 + (i % 2 ? rnd() % (2 * PS_PER_MS) : 0);
        EXPECT_EQ(run(&w, mask_of(&w), &khz), -ETIMEDOUT);
        EXPECT_EQ(khz, 0);
        EXPECT_LE(w.now_ps - begin, still_ps + 5 * PS_PER_MS);
    }
}

/* All ones, all zeros: nothing answers. */
static u64 read_nothing(void *ctx)
{
    struct world *w = ctx;

    w->now_ps += w->clock_ps;
    return ~0ULL;
}

KTEST(refclock, nothing_there)
{
    struct world w = {.tsc_hz = 2000000000, .tsc_ps = 10000, .clock_ps = 1000000};
    struct refclock ref = {"none", read_nothing, read_tsc, &w, 14318180, 0xffffffff};
    u64 khz;

    EXPECT_EQ(refclock_khz(&ref, &limits, &khz), -ETIMEDOUT);
    EXPECT_EQ(khz, 0);
    EXPECT_LE(w.now_ps, 51 * PS_PER_MS);
}

/* It counts, but a thousand times too slowly: the end is the limit of one measurement. */
KTEST(refclock, a_clock_that_crawls)
{
    struct world w = {
        .tsc_hz = 2000000000, .clock_hz = 14318, .tsc_ps = 10000, .clock_ps = 1000000};
    struct refclock ref = {"slow", read_clock, read_tsc, &w, 14318180 * 10, 0xffffffff};
    u64 khz;

    EXPECT_EQ(refclock_khz(&ref, &limits, &khz), -ETIMEDOUT);
    EXPECT_LE(w.now_ps, 2600 * PS_PER_MS);
}

/* Every reading takes longer than any measurement allows. */
KTEST(refclock, always_interrupted)
{
    struct world w = {
        .tsc_hz = 2000000000, .clock_hz = 14318180, .tsc_ps = 10000, .clock_ps = 30 * PS_PER_MS};
    u64 khz;

    EXPECT_EQ(run(&w, 0xffffffff, &khz), -EIO);
    EXPECT_EQ(khz, 0);
    EXPECT_LE(w.now_ps, 5ULL * 2500 * PS_PER_MS);
}

/* A rate that changes between measurements: no two agree, the median is what there is. */
static u64 read_drunk(void *ctx)
{
    struct world *w = ctx;
    u64 ms = w->now_ps / PS_PER_MS;

    w->now_ps += w->clock_ps;
    return ticks(w->now_ps, w->clock_hz) * (1 + ms / 3 % 7);
}

KTEST(refclock, no_two_agree)
{
    struct world w = {
        .tsc_hz = 2000000000, .clock_hz = 14318180, .tsc_ps = 10000, .clock_ps = 500000};
    struct refclock ref = {"drunk", read_drunk, read_tsc, &w, 14318180, 0xffffffff};
    u64 khz;

    EXPECT_EQ(refclock_khz(&ref, &limits, &khz), -EIO);
    EXPECT_TRUE(khz != 0);
}

KTEST(refclock, differ)
{
    EXPECT_FALSE(refclock_differ(1000000, 1020000, 50));
    EXPECT_TRUE(refclock_differ(1020001, 1000000, 50));
    EXPECT_FALSE(refclock_differ(7, 7, 1000));
}
