/*
 * The debug build on real CPUs: no pointer leads anywhere by itself, damage done by other CPUs is
 * found, and what all CPUs do at once, interrupts too, is right. Damage done here on purpose is
 * forgiven, else the run would fail.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "kernel/base/string.h"
#include "percpu/debug/debug.h"
#include "percpu/percpu_instance.h"
#include "tests/suite/kutil.h"

static struct tally tally;

static bool debugging(void)
{
    if (!percpu_is_debug())
        ktest_skip("not the debug build");
    return percpu_is_debug();
}

static u64 damage(void)
{
    struct pcpu_debug_stats st;

    pcpu_debug_get_stats(percpu_debugger(), &st);
    return st.damage;
}

/* Of every size and alignment; faults on the first and on the last byte. */
KTEST(percpu_debug, pointers_lead_nowhere)
{
    static void *p[400];
    u32 led = 0;
    u64 val;

    if (!debugging())
        return;
    for (u32 i = 0; i < ARRAY_SIZE(p); i++) {
        size_t size = 1 + i * 41 % 9000;

        p[i] = percpu_alloc(size, 1UL << (i % 13), 0);
        REQUIRE_TRUE(p[i]);
        led += !probe_read((uintptr_t)p[i], 1, &val) +
               !probe_read((uintptr_t)p[i] + size - 1, 1, &val) +
               !probe_write((uintptr_t)p[i], 1, 0);
    }
    EXPECT_EQ(led, 0);
    EXPECT_EQ(damage(), 0);
    percpu_free_bulk(ARRAY_SIZE(p), p);
}

KTEST(percpu_debug, a_bare_pointer_has_a_name)
{
    char text[80];
    u64 *p;

    if (!debugging())
        return;
    p = percpu_alloc(64, 8, 0);
    REQUIRE_TRUE(p);
    EXPECT_LT(0, percpu_describe((uintptr_t)p + 9, text, sizeof(text)));
    EXPECT_TRUE(!strncmp(text, "per-CPU pointer without per_cpu_ptr, allocated by ktest_", 56));
    percpu_free(p);
}

static u8 *volatile victim;

static void write_around(void *arg)
{
    (void)arg;
    *(u8 *)this_cpu_ptr(victim + 24) = (u8)cpu_number();
    tally_ran(&tally);
}

/* Each CPU writes behind its own copy, which is one damaged object; and again after the free. */
KTEST(percpu_debug, damage_by_other_cpus)
{
    u32 last = 0, cpu;

    if (!debugging())
        return;
    ktest_expect_lines();
    REQUIRE_EQ(damage(), 0);
    for_each_online_cpu(cpu) last = cpu;
    tally = (struct tally){0};
    victim = percpu_alloc(24, 8, 0);
    REQUIRE_TRUE(victim);
    EXPECT_EQ(smp_call_on(last, write_around, NULL), 0);
    EXPECT_TRUE(percpu_verify());
    percpu_free(victim);
    EXPECT_EQ(damage(), 1);
    EXPECT_EQ(smp_call_all(write_around, NULL), 0);
    EXPECT_EQ(pcpu_debug_check_all(percpu_debugger()), 1);
    EXPECT_EQ(pcpu_debug_check_all(percpu_debugger()), 0);
    EXPECT_EQ(pcpu_debug_forgive(percpu_debugger()), 2);
    EXPECT_TALLY(&tally, 1 + cpus_online());
}

KTEST(percpu_debug, exact_sizes_and_unzeroed_memory)
{
    u32 cpu;
    u8 *p;

    if (!debugging())
        return;
    p = percpu_alloc(13, 1, PCPU_NOZERO);
    REQUIRE_TRUE(p);
    EXPECT_EQ(percpu_size(p), 13);
    for_each_online_cpu(cpu) EXPECT_EQ(*per_cpu_ptr(p, cpu), PCPU_DEBUG_UNINIT);
    percpu_free(p);
}

KTEST(percpu_debug, wrong_frees_change_nothing)
{
    struct percpu_stats before, after;
    u8 *p;

    if (!debugging())
        return;
    ktest_expect_lines();
    p = percpu_alloc(100, 8, 0);
    REQUIRE_TRUE(p);
    percpu_get_stats(&before);
    percpu_free(p + 8);
    percpu_free(p - 16); /* where the allocator's own object begins */
    percpu_free(&tally);
    percpu_get_stats(&after);
    EXPECT_EQ(after.bad_free, before.bad_free + 3);
    EXPECT_EQ(after.nr_free, before.nr_free);
    EXPECT_EQ(percpu_size(p), 100);
    percpu_free(p);
    percpu_free(p);
    percpu_get_stats(&after);
    EXPECT_EQ(after.bad_free, before.bad_free + 4);
    EXPECT_EQ(after.nr_free, before.nr_free + 1);
    EXPECT_EQ(damage(), 0);
}

/* Interrupts are off in a call: PCPU_ATOMIC. Writes go exactly up to both ends. */
static void churn(void *arg)
{
    static const size_t sizes[] = {1, 7, 8, 30, 64, 200};

    (void)arg;
    for (u32 i = 0; i < 200; i++) {
        size_t size = sizes[i % ARRAY_SIZE(sizes)];
        u8 *p = percpu_alloc(size, 1, PCPU_ATOMIC | PCPU_NOWARN);

        if (!p)
            continue;
        memset(this_cpu_ptr(p), 0xff, size);
        percpu_free(p);
    }
    tally_ran(&tally);
}

KTEST(percpu_debug, all_cpus_at_once)
{
    const char *bad;

    if (!debugging())
        return;
    tally = (struct tally){0};
    EXPECT_EQ(smp_call_all(churn, NULL), 0);
    EXPECT_TALLY(&tally, cpus_online());
    EXPECT_EQ(damage(), 0);
    percpu_trim();
    bad = percpu_verify();
    EXPECT_STREQ(bad ? bad : "", "");
    EXPECT_EQ(pcpu_debug_leaks(percpu_debugger()), 0);
}
