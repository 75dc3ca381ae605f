/*
 * The counter of locking instructions: what it counts is what ran.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/spinlock.h"
#include "kernel/bench/bench.h"
#include "tests/suite/kutil.h"

static struct spinlock lock;
static u64 word;

static void nothing(void)
{
    __asm__ volatile("" : : : "memory");
}

static void one_lock(void)
{
    spin_lock(&lock);
    spin_unlock(&lock);
}

static void two_prefixes(void)
{
    __atomic_fetch_add(&word, 1, __ATOMIC_RELAXED);
    __atomic_fetch_or(&word, 1, __ATOMIC_RELAXED);
}

/* An STI holds interrupts off for one instruction, but not this trap. */
static void irqsave_lock(void)
{
    u64 flags = spin_lock_irqsave(&lock);

    spin_unlock_irqrestore(&lock, flags);
    __asm__ volatile("cli; sti; lock incq %0" : "+m"(word));
}

static struct bench_steps count(void (*fn)(void))
{
    struct bench_steps s = {0};

    bench_step_enable(true);
    bench_step_begin();
    fn();
    bench_step_end(&s);
    bench_step_enable(false);
    return s;
}

static void expect(void (*fn)(void), u64 prefix, u64 xchg)
{
    struct bench_steps s = count(fn);

    EXPECT_EQ(s.prefix, prefix);
    EXPECT_EQ(s.xchg, xchg);
    EXPECT_LT(0, s.insns);
}

KTEST(bench_step, counts)
{
    expect(nothing, 0, 0);
    expect(one_lock, 0, 1);
    expect(two_prefixes, 2, 0);
    expect(irqsave_lock, 1, 1);
    EXPECT_TRUE(local_irqs_enabled());
}

static void on_any(void *arg)
{
    struct bench_steps s = {0};

    bench_step_begin();
    __atomic_fetch_add(&word, 1, __ATOMIC_RELAXED);
    bench_step_end(&s);
    CHECK(arg, s.prefix == 1 && s.xchg == 0);
    tally_ran(arg);
}

/* All CPUs at once, in an interrupt: each counts its own. */
KTEST(bench_step, every_cpu)
{
    struct tally t = {0};

    bench_step_enable(true);
    EXPECT_EQ(smp_call_all_copy(on_any, &t), 0);
    bench_step_enable(false);
    EXPECT_TALLY(&t, cpus_online());
}
