/*
 * The per-CPU counter on real CPUs: all add at once, from threads and from timer interrupts.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/kernel_percpu_lib.h"
#include "percpu/sync/counter.h"
#include "smp/run/park.h"
#include "tests/suite/speed.h"
#include "tests/suite/stress.h"

static struct percpu_counter counter;
static DEFINE_PER_CPU(s64, expected); /* what this CPU has added */

#define FINE() EXPECT_STREQ(percpu_counter_verify(&counter) ?: "", "")

static u32 rounds(void)
{
    return suite_rounds((stress_stride() > 1 ? 50000 : 400000) / stress_cpus(), 10000);
}

static s64 sum_expected(void)
{
    s64 sum = 0;
    u32 cpu;

    for_each_possible_cpu(cpu) sum += per_cpu(expected, cpu);
    return sum;
}

static void clear_expected(void)
{
    u32 cpu;

    for_each_possible_cpu(cpu) per_cpu(expected, cpu) = 0;
}

static void add(s64 amount)
{
    percpu_counter_add(&counter, amount);
    this_cpu_add(expected, amount);
}

static void add_many(void *arg)
{
    u32 n = rounds();

    (void)arg;
    for (u32 i = 0; i < n; i++) {
        add((s64)(i % 9) - 3);
        if (i % 4096 == 0)
            (void)percpu_counter_sum(&counter);
        if (i % 8192 == 0)
            percpu_counter_sync(&counter);
    }
}

static void add_in_interrupt(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < 50; i++)
        add(-7);
    if (cpu_number() == 0)
        (void)percpu_counter_sum(&counter);
}

static const struct percpu_counter_geometry *small_batches(void)
{
    static struct percpu_counter_geometry g;

    g = (struct percpu_counter_geometry){
        .parts = kernel_percpu_lib()->nr_parts, .batch = 6, .node_batch = 20};
    g.bound = 6 * (u64)kernel_percpu_lib()->nr_cpus + 19 * (u64)kernel_percpu_lib()->nr_parts;
    return &g;
}

/* Folds all the time, in the middle of which interrupts add and fold: nothing is lost. */
KTEST(percpu_counter, threads_and_interrupts)
{
    static struct stress s = {.work = add_many, .tick = add_in_interrupt};

    clear_expected();
    REQUIRE_EQ(percpu_counter_init_geometry(kernel_percpu_lib(), &counter, 1, 0, small_batches()),
               0);
    if (!stress_run(&s))
        return;
    EXPECT_EQ(percpu_counter_sum(&counter), sum_expected());
    EXPECT_NE(sum_expected(), 0);
    EXPECT_GE(s.ticks, stress_cpus());
    FINE();
    percpu_counter_destroy(&counter);
}

/* Alone in called functions, interrupts off, with the batches that are chosen for the machine. */
static void add_in_call(void *arg)
{
    u32 n = 3000;

    for (u32 i = 0; i < n; i++)
        percpu_counter_add(&counter, i & 1 ? 3 : -2);
    percpu_counter_inc(&counter);
    tally_ran(arg);
}

KTEST(percpu_counter, all_cpus_in_calls)
{
    struct tally t = {0};
    u64 bound;
    s64 off;

    REQUIRE_EQ(percpu_counter_init(kernel_percpu_lib(), &counter, 1000), 0);
    EXPECT_EQ(smp_call_all_copy(add_in_call, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
    EXPECT_EQ(percpu_counter_sum(&counter), 1000 + cpus_online() * 1501ULL);
    bound = percpu_counter_bound(&counter);
    off = percpu_counter_sum(&counter) - percpu_counter_read(&counter);
    EXPECT_TRUE(off <= (s64)bound && off >= -(s64)bound);
    FINE();
    percpu_counter_set(&counter, -4);
    EXPECT_EQ(percpu_counter_sum(&counter), -4);
    EXPECT_EQ(percpu_counter_compare(&counter, -4), 0);
    percpu_counter_destroy(&counter);
}

/* ---- limited adds ---------------------------------------------------------------------------- */

#define LIMIT 20000

static _Atomic u64 added;

static void add_to_limit(void *arg)
{
    struct stress *s = arg;
    u32 n = 2 * LIMIT / stress_cpus();

    for (u32 i = 0; i < n; i++) {
        u32 amount = 1 + i % 8;

        if (percpu_counter_limited_add(&counter, LIMIT, amount))
            atomic_fetch_add_explicit(&added, amount, memory_order_relaxed);
        if (i % 256 == 0)
            CHECK(&s->t, percpu_counter_sum(&counter) <= LIMIT);
    }
}

KTEST(percpu_counter, limit_is_never_passed)
{
    static struct stress s = {.work = add_to_limit};

    s.arg = &s;
    added = 0;
    REQUIRE_EQ(percpu_counter_init_geometry(kernel_percpu_lib(), &counter, 1, 0, small_batches()),
               0);
    if (!stress_run(&s))
        return;
    EXPECT_EQ(percpu_counter_sum(&counter), added);
    EXPECT_LE(added, LIMIT);
    while (percpu_counter_limited_add(&counter, LIMIT, 1))
        added++;
    EXPECT_EQ(percpu_counter_sum(&counter), LIMIT);
    FINE();
    percpu_counter_destroy(&counter);
}

/* One allocation for all of them; they do not mix. */
KTEST(percpu_counter, many)
{
    struct percpu_counter c[8];

    REQUIRE_EQ(percpu_counter_init_many(kernel_percpu_lib(), c, 8, 5), 0);
    for (u32 i = 0; i < 8; i++)
        for (u32 n = 0; n < 100; n++)
            percpu_counter_add(&c[i], i);
    for (u32 i = 0; i < 8; i++)
        EXPECT_EQ(percpu_counter_sum(&c[i]), 5 + 100 * i);
    percpu_counter_destroy_many(c, 8);
}

/* A parked CPU's part stays in the sum; folded it leaves the CPU; awake, the CPU goes on. */
KTEST(percpu_counter, parked_cpu)
{
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);
    struct tally t = {0};
    s64 sum;

    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    REQUIRE_EQ(percpu_counter_init_geometry(kernel_percpu_lib(), &counter, 1, 0, small_batches()),
               0);
    EXPECT_EQ(smp_call_on_copy(cpu, add_in_call, &t), 0);
    sum = percpu_counter_sum(&counter);
    EXPECT_EQ(sum, 1501);
    REQUIRE_EQ(cpu_park_request(cpu), 0);
    EXPECT_NE(*per_cpu_ptr(counter.local, cpu), 0);
    EXPECT_EQ(percpu_counter_sum(&counter), sum);
    percpu_counter_cpu_dead(&counter, cpu);
    EXPECT_EQ(*per_cpu_ptr(counter.local, cpu), 0);
    EXPECT_EQ(percpu_counter_sum(&counter), sum);
    REQUIRE_EQ(cpu_wake(cpu), 0);
    EXPECT_EQ(smp_call_on_copy(cpu, add_in_call, &t), 0);
    EXPECT_EQ(percpu_counter_sum(&counter), 2 * sum);
    FINE();
    percpu_counter_destroy(&counter);
}
