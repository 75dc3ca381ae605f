/*
 * Cross-CPU calls: each reaches the CPU it is for, with interrupts off, exactly once.
 * SPDX-License-Identifier: MIT
 */
#include "tests/suite/kutil.h"
#include "tests/suite/speed.h"

static DEFINE_PER_CPU(u32, calls);

struct one_call {
    struct tally t;
    u32 cpu;
};

static void on_one(void *arg)
{
    struct one_call *c = arg;

    CHECK(&c->t, cpu_number() == c->cpu);
    CHECK(&c->t, !local_irqs_enabled());
    this_cpu_inc(calls);
    tally_ran(&c->t);
}

static void on_any(void *arg)
{
    CHECK(arg, !local_irqs_enabled());
    this_cpu_inc(calls);
    tally_ran(arg);
}

static u32 calls_of_all(void)
{
    u32 cpu, sum = 0;

    for_each_online_cpu(cpu) sum += per_cpu(calls, cpu);
    return sum;
}

/* A call for one CPU runs there and only there, this CPU included. */
KTEST(call, each)
{
    u32 cpu;

    for_each_online_cpu(cpu)
    {
        struct one_call c = {.cpu = cpu};
        u32 own = per_cpu(calls, cpu), all = calls_of_all();

        EXPECT_EQ(smp_call_on(cpu, on_one, &c), 0);
        EXPECT_TALLY(&c.t, 1);
        EXPECT_EQ(per_cpu(calls, cpu), own + 1);
        EXPECT_EQ(calls_of_all(), all + 1);
    }
}

/* Many rounds to all: every CPU ran every one, once. Fewer rounds where there are more CPUs. */
KTEST(call, all_rounds)
{
    u32 n = cpus_online(), rounds = suite_rounds(MAX(4u, 400 / n), 4), cpu;
    struct tally t = {0};

    for_each_online_cpu(cpu) per_cpu(calls, cpu) = 0;
    for (u32 i = 0; i < rounds; i++)
        EXPECT_EQ(smp_call_all(on_any, &t), 0);
    EXPECT_TALLY(&t, rounds * n);
    for_each_online_cpu(cpu) EXPECT_EQ(per_cpu(calls, cpu), rounds);
}

/* A set reaches its members and nobody else. */
KTEST(call, set)
{
    u64 words[CPUMAP_WORDS] = {0};
    struct tally t = {0};
    u32 cpu, members = 0;

    for_each_online_cpu(cpu)
    {
        per_cpu(calls, cpu) = 0;
        if (cpu % 2 == 0) {
            words[cpu / 64] |= 1ULL << cpu % 64;
            members++;
        }
    }
    EXPECT_EQ(smp_call_set(words, on_any, &t), 0);
    EXPECT_TALLY(&t, members);
    for_each_online_cpu(cpu) EXPECT_EQ(per_cpu(calls, cpu), cpu % 2 == 0);
}

/* A CPU that is not there is refused at once, and nothing runs. */
KTEST(call, not_online)
{
    struct tally t = {0};
    u32 cpu;

    EXPECT_EQ(smp_call_on(cpu_map.nr_ids, on_any, &t), -ENODEV);
    for_each_possible_cpu(cpu) if (!cpu_is_online(cpu))
        EXPECT_EQ(smp_call_on(cpu, on_any, &t), -ENODEV);
    EXPECT_TALLY(&t, 0);
}
