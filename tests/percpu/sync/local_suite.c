/*
 * local_t on real CPUs: the instructions' results, and a timer interrupt that never falls into one.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/sync/local.h"
#include "tests/suite/speed.h"
#include "tests/suite/stress.h"

static DEFINE_PER_CPU(local_t, count);
static DEFINE_PER_CPU(local_t, swaps);
static DEFINE_PER_CPU(u64, in_ticks);
static struct stress stress;

static void results(void *arg)
{
    local_t l = LOCAL_INIT(1);
    s64 old = 0;

    CHECK(arg, local_dec_and_test(&l));
    CHECK(arg, local_inc_return(&l) == 1 && local_sub_return(&l, 5) == -4);
    CHECK(arg, local_add_negative(&l, 1) && !local_add_negative(&l, 3));
    CHECK(arg, local_inc_and_test(&l) == 0 && local_sub_and_test(&l, 1));
    CHECK(arg, local_add_return(&l, 1LL << 40) == 1LL << 40);
    CHECK(arg, local_xchg(&l, -9) == 1LL << 40 && local_read(&l) == -9);
    CHECK(arg, local_cmpxchg(&l, 1, 2) == -9 && local_cmpxchg(&l, -9, 3) == -9);
    CHECK(arg, !local_try_cmpxchg(&l, &old, 7) && old == 3);
    CHECK(arg, local_try_cmpxchg(&l, &old, 7) && local_read(&l) == 7);
    CHECK(arg, !local_add_unless(&l, 1, 7) && local_add_unless(&l, 1, 6));
    local_set(&l, 0);
    CHECK(arg, !local_inc_not_zero(&l));
    local_add(&l, 4);
    local_sub(&l, 1);
    local_dec(&l);
    local_inc(&l);
    CHECK(arg, local_inc_not_zero(&l) && local_read(&l) == 4);
    tally_ran(arg);
}

KTEST(local, results_on_each_cpu)
{
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(results, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}

#define TICK_ADDS 100

static void tick(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < TICK_ADDS; i++) {
        local_add(this_cpu_ptr(&count), 3);
        local_add_unless(this_cpu_ptr(&swaps), 1, -1);
    }
    this_cpu_inc(in_ticks);
}

#define ROUNDS suite_rounds(100000, 10000)

/* Each operation here could lose what an interrupt adds, were it more than one instruction. */
static void work(void *arg)
{
    local_t *c = this_cpu_ptr(&count), *s = this_cpu_ptr(&swaps);
    s64 taken = 0, want, rounds = ROUNDS;
    u64 flags;

    (void)arg;
    for (s64 i = 0; i < rounds; i++) {
        local_inc(c);
        local_add_return(c, 2);
        local_sub(c, 1);
        local_add_unless(s, 1, -1);
        if (i % 1000 == 0)
            taken += local_xchg(s, 0);
    }
    while (this_cpu_read(in_ticks) == 0)
        cpu_relax();
    flags = local_irq_save();
    want = (s64)this_cpu_read(in_ticks) * TICK_ADDS;
    CHECK(&stress.t, local_read(c) == 2 * rounds + 3 * want);
    CHECK(&stress.t, taken + local_read(s) == rounds + want);
    local_irq_restore(flags);
}

KTEST(local, interrupts_fall_between)
{
    u32 cpu;

    for_each_possible_cpu(cpu)
    {
        local_set(per_cpu_ptr(&count, cpu), 0);
        local_set(per_cpu_ptr(&swaps, cpu), 0);
        per_cpu(in_ticks, cpu) = 0;
    }
    stress = (struct stress){.work = work, .tick = tick};
    if (stress_run(&stress))
        EXPECT_GE(stress.ticks, stress_cpus());
}
