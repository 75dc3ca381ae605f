/*
 * Offsets of TSCs from disordered readings, on simulated machines whose true offsets are known:
 * they lie between the bounds whatever happens, machines in step are never called out of it, and
 * an offset larger than the bounds are apart is found, with its CPU and its sign.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/ktest.h"
#include "smp/compare/tsc_sync_core.h"
#include "tests/host/random.h"

#define MAX_CPUS   512
#define MAX_EVENTS (64 * MAX_CPUS)

static struct tsc_event events[MAX_EVENTS];
static s64 times[MAX_EVENTS]; /* of the additions, on the true clock; parallel to events */
static struct tsc_bounds bounds[MAX_CPUS];
static u64 offset[MAX_CPUS]; /* modulo 2^64, as TSCs are */
static u32 nr_events;

static u64 seed;

static u64 rnd(void)
{
    return random_lcg(&seed) >> 20;
}

/* The addition happens at `at`; the readings lie so much around it. */
static void event(u32 cpu, s64 at, u64 early, u64 late)
{
    times[nr_events] = at;
    events[nr_events++] = (struct tsc_event){
        .before = (u64)at - early + offset[cpu],
        .after = (u64)at + late + offset[cpu],
        .cpu = cpu,
        .valid = 1,
    };
}

static int by_time(const void *a, const void *b)
{
    s64 x = times[*(const u32 *)a], y = times[*(const u32 *)b];

    return x < y ? -1 : x > y;
}

/* Into the order of the counter. */
static void put_in_order(void)
{
    static struct tsc_event sorted[MAX_EVENTS];
    static u32 index[MAX_EVENTS];

    for (u32 i = 0; i < nr_events; i++)
        index[i] = i;
    qsort(index, nr_events, sizeof(index[0]), by_time);
    for (u32 i = 0; i < nr_events; i++)
        sorted[i] = events[index[i]];
    memcpy(events, sorted, nr_events * sizeof(events[0]));
}

/* All at once, each at random moments of the same span: real CPUs. */
static void run_mixed(u32 cpus, u32 each, u64 span, u64 bracket)
{
    nr_events = 0;
    for (u32 cpu = 0; cpu < cpus; cpu++)
        for (u32 i = 0; i < each; i++)
            event(cpu, (s64)(1000000 + rnd() % span), rnd() % bracket, rnd() % bracket);
    put_in_order();
}

/* One after the other, between two events of CPU 0: a host with one CPU. */
static void run_in_turn(u32 cpus, u32 each, u64 slice)
{
    s64 now = 1000000;

    nr_events = 0;
    event(0, now, 50, 50);
    for (u32 cpu = 0; cpu < cpus; cpu++) {
        now += (s64)(rnd() % slice);
        for (u32 i = 0; i < each; i++)
            event(cpu, now += (s64)(10 + rnd() % 100), 5, 5);
    }
    event(0, now + 1000, 50, 50);
}

static s64 true_offset(u32 cpu, u32 ref)
{
    return (s64)(offset[cpu] - offset[ref]);
}

static void check_bounds(u32 cpus, u32 ref)
{
    for (u32 cpu = 0; cpu < cpus; cpu++) {
        EXPECT_TRUE(bounds[cpu].low <= true_offset(cpu, ref));
        EXPECT_TRUE(true_offset(cpu, ref) <= bounds[cpu].high);
    }
}

static u64 width(u32 cpu)
{
    return (u64)(bounds[cpu].high - bounds[cpu].low);
}

static void no_offsets(void)
{
    memset(offset, 0, sizeof(offset));
}

/* Nothing is claimed that the bounds do not show. */
KTEST(tsc_sync, in_step_is_said_only_without_doubt)
{
    struct tsc_sync r = {.cpus = 4, .doubt = 20000};

    EXPECT_EQ(tsc_sync_step(&r, 20000), TSC_IN_STEP);
    EXPECT_EQ(tsc_sync_step(&r, 19999), TSC_NOT_KNOWN); /* 13 ms of doubt are not in step */
    r.out_of_sync = 1;
    EXPECT_EQ(tsc_sync_step(&r, 19999), TSC_OUT_OF_STEP);
    EXPECT_EQ(tsc_sync_step(&r, 20000), TSC_OUT_OF_STEP);
    r.contradiction = true;
    EXPECT_EQ(tsc_sync_step(&r, 20000), TSC_UNSTEADY);
    EXPECT_STREQ(tsc_step_name(TSC_NOT_KNOWN), "not-known");
    EXPECT_STREQ(tsc_step_name(TSC_UNSTEADY), "unsteady");
}

KTEST(tsc_sync, in_step_is_never_called_out_of_step)
{
    struct tsc_sync r;

    seed = 1;
    for (u32 round = 0; round < 300; round++) {
        u32 cpus = 1 + (u32)(rnd() % 64);
        u64 start = rnd() << 30; /* the same large TSC everywhere */

        for (u32 cpu = 0; cpu < cpus; cpu++)
            offset[cpu] = start;
        if (round % 2)
            run_mixed(cpus, 1 + (u32)(rnd() % 32), 1 + rnd() % 1000000, 1 + rnd() % 5000);
        else
            run_in_turn(cpus, 1 + (u32)(rnd() % 32), 1 + rnd() % 10000000);
        REQUIRE_EQ(tsc_sync_solve(events, nr_events, cpus, 0, bounds, &r), 0);
        check_bounds(cpus, 0);
        EXPECT_EQ(r.cpus, cpus);
        EXPECT_EQ(r.out_of_sync, 0);
        EXPECT_EQ(r.worst, 0);
        EXPECT_EQ(r.warps, 0);
        EXPECT_FALSE(r.contradiction);
    }
}

/* Real CPUs whose events are mixed are known to some brackets, though most pairs never meet. */
KTEST(tsc_sync, bounds_are_narrow_where_events_are_mixed)
{
    struct tsc_sync r;

    seed = 2;
    for (u32 cpus = 2; cpus <= MAX_CPUS; cpus *= 4) {
        no_offsets();
        /* The counter is free two thirds of the time; a bracket is as long as it is taken. */
        run_mixed(cpus, 32, 32ULL * cpus * 300, 100);
        REQUIRE_EQ(tsc_sync_solve(events, nr_events, cpus, 0, bounds, &r), 0);
        ktest_note("%u CPUs: within %llu ticks", cpus, (unsigned long long)r.doubt);
        EXPECT_LE(r.doubt, 2500);
        EXPECT_FALSE(r.contradiction);
    }
}

/* What is injected lies between the bounds, and where they exclude 0 it has the right sign. */
KTEST(tsc_sync, any_offsets_lie_between_the_bounds)
{
    struct tsc_sync r;
    u64 found = 0;

    seed = 3;
    for (u32 round = 0; round < 500; round++) {
        u32 cpus = 2 + (u32)(rnd() % 62), ref = (u32)(rnd() % cpus), wrong = 0;
        u32 bits = (u32)(rnd() % 44);

        for (u32 cpu = 0; cpu < cpus; cpu++)
            offset[cpu] = (1ULL << 50) + (rnd() % 3 ? 0 : rnd() % (1ULL << bits));
        if (round % 2)
            run_mixed(cpus, 4 + (u32)(rnd() % 28), 1 + rnd() % 1000000, 1 + rnd() % 2000);
        else
            run_in_turn(cpus, 4 + (u32)(rnd() % 28), 1 + rnd() % 1000000);
        REQUIRE_EQ(tsc_sync_solve(events, nr_events, cpus, ref, bounds, &r), 0);
        check_bounds(cpus, ref);
        EXPECT_FALSE(r.contradiction);
        for (u32 cpu = 0; cpu < cpus; cpu++)
            wrong += bounds[cpu].low > 0 || bounds[cpu].high < 0;
        EXPECT_EQ(r.out_of_sync, wrong);
        found += wrong;
        for (u32 cpu = 0; cpu < cpus; cpu++)
            if (true_offset(cpu, ref) > (s64)width(cpu))
                EXPECT_TRUE(bounds[cpu].low > 0);
            else if (true_offset(cpu, ref) < -(s64)width(cpu))
                EXPECT_TRUE(bounds[cpu].high < 0);
    }
    EXPECT_TRUE(found > 3000);
}

/* One CPU, one offset, both signs, down to a microsecond at 2 GHz on 64 real CPUs. */
KTEST(tsc_sync, one_bad_cpu_is_named)
{
    struct tsc_sync r;

    seed = 4;
    for (s64 size = 4000; size < (1LL << 59); size *= 16) {
        for (u32 sign = 0; sign < 2; sign++) {
            u32 bad = 1 + (u32)(rnd() % 63);

            no_offsets();
            offset[bad] = sign ? (u64)-size : (u64)size;
            run_mixed(64, 32, 32 * 64 * 300, 100);
            REQUIRE_EQ(tsc_sync_solve(events, nr_events, 64, 0, bounds, &r), 0);
            EXPECT_EQ(r.out_of_sync, 1);
            EXPECT_EQ(r.worst_cpu, bad);
            EXPECT_TRUE(sign ? r.worst < 0 && r.worst >= -size : r.worst > 0 && r.worst <= size);
            EXPECT_TRUE(size - (s64)width(bad) <= (sign ? -r.worst : r.worst));
            if (size > 32 * 64 * 300 + 200) {
                EXPECT_TRUE(r.warps > 0);
                EXPECT_LE(r.warp_max, (u64)size);
            }
        }
    }
}

/* The reference itself: everybody else is off by the same. */
KTEST(tsc_sync, a_bad_reference_makes_all_others_bad)
{
    struct tsc_sync r;

    seed = 5;
    no_offsets();
    offset[0] = 1000000;
    run_mixed(16, 32, 16 * 32 * 300, 100);
    REQUIRE_EQ(tsc_sync_solve(events, nr_events, 16, 0, bounds, &r), 0);
    EXPECT_EQ(r.out_of_sync, 15);
    EXPECT_TRUE(r.worst < 0);
}

/* CPUs that took a number and never wrote, CPUs that never came, no reference, nothing at all. */
KTEST(tsc_sync, holes)
{
    struct tsc_sync r;

    seed = 6;
    no_offsets();
    run_mixed(8, 16, 100000, 100);
    for (u32 i = 0; i < nr_events; i++)
        if (events[i].cpu == 3 || rnd() % 4 == 0)
            events[i] = (struct tsc_event){.cpu = 3000000000u};
    REQUIRE_EQ(tsc_sync_solve(events, nr_events, 8, 0, bounds, &r), 0);
    check_bounds(8, 0);
    EXPECT_EQ(r.cpus, 7);
    EXPECT_EQ(r.out_of_sync, 0);
    EXPECT_EQ(bounds[3].low, -TSC_OFFSET_MAX);
    EXPECT_EQ(bounds[3].high, TSC_OFFSET_MAX);
    EXPECT_EQ(tsc_sync_solve(events, nr_events, 8, 3, bounds, &r), -EINVAL);
    EXPECT_EQ(tsc_sync_solve(events, 0, 8, 0, bounds, &r), -EINVAL);
    EXPECT_EQ(r.cpus, 0);
}

/* A TSC that is written during the measurement fits no offset. */
KTEST(tsc_sync, a_tsc_that_jumps_is_a_contradiction)
{
    struct tsc_sync r;

    seed = 7;
    no_offsets();
    run_mixed(8, 32, 100000, 100);
    for (u32 i = nr_events / 2; i < nr_events; i++) {
        if (events[i].cpu == 5) {
            events[i].before += 1000000;
            events[i].after += 1000000;
        }
    }
    REQUIRE_EQ(tsc_sync_solve(events, nr_events, 8, 0, bounds, &r), 0);
    EXPECT_TRUE(r.contradiction);
}

/* Offsets of any 64 bits, as registers hold them, and rubbish for readings: there is an end. */
KTEST(tsc_sync, rubbish_overflows_nothing)
{
    struct tsc_sync r;

    seed = 8;
    for (u32 round = 0; round < 200; round++) {
        nr_events = 0;
        for (u32 i = 0; i < 200; i++)
            events[nr_events++] =
                (struct tsc_event){rnd() << 20 ^ rnd(), rnd() << 20 ^ rnd(), (u32)(rnd() % 8), 1};
        REQUIRE_EQ(tsc_sync_solve(events, nr_events, 8, events[0].cpu, bounds, &r), 0);
    }
}
