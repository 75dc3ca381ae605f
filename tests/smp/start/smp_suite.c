/*
 * Cross-CPU calls, the local APIC and its timer, on every CPU that is online.
 * SPDX-License-Identifier: MIT
 */
#include <stdatomic.h>
#include "kernel/base/ktest.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "smp/start/apic.h"
#include "smp/run/vectors.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"
#include "smp/run/lapic_timer.h"

static _Atomic u32 ran, wrong;

static void note_cpu(void *arg)
{
    u32 cpu = cpu_number();

    (void)arg;
    atomic_fetch_add(&ran, 1);
    if (!cpu_is_online(cpu) || cpu_map.apic_id[cpu] != apic_id() || local_irqs_enabled() ||
        rdmsr(MSR_GS_BASE) != __per_cpu_offset[cpu])
        atomic_fetch_add(&wrong, 1);
}

static void reset(void)
{
    atomic_store(&ran, 0);
    atomic_store(&wrong, 0);
}

KTEST(smp, map_holds)
{
    EXPECT_EQ(cpumap_verify(&cpu_map), 0);
    EXPECT_TRUE(cpu_is_online(cpu_number()));
}

KTEST(smp, call_runs_on_each_cpu_with_its_own_gs_and_apic)
{
    u32 cpu, n = 0;

    reset();
    for_each_online_cpu(cpu)
    {
        EXPECT_EQ(smp_call_on(cpu, note_cpu, NULL), 0);
        n++;
    }
    EXPECT_EQ(ran, n);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(smp_call_on(cpu_map.nr_ids, note_cpu, NULL), -ENODEV);
}

KTEST(smp, call_all_runs_once_on_every_cpu)
{
    reset();
    for (u32 i = 0; i < 20; i++)
        EXPECT_EQ(smp_call_all(note_cpu, NULL), 0);
    EXPECT_EQ(ran, 20 * cpus_online());
    EXPECT_EQ(wrong, 0);
}

static void spin(void *arg)
{
    u64 start = rdtsc();

    while (rdtsc() - start < *(u64 *)arg)
        ;
}

/*
 * A target that takes longer than the deadline: the call fails or succeeds, and later ones work. It
 * gets an NMI only where a busy host did not let it begin: call.a_silent_cpu_says_where_it_is.
 */
KTEST(smp, calls_go_on_after_a_slow_one)
{
    u64 ms = tsc_khz_now(), time = 6 * ms;
    struct call_deadline old;
    int err;

    if (cpus_online() < 2) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    ktest_expect_event(EVENT_CALL_NMI);
    ktest_expect_lines();
    old = call_kind_set_deadline(&smp_calls, (struct call_deadline){4 * ms, NULL});
    err = smp_call_on_copy(cpumap_next(&cpu_map, CPU_ONLINE, 1), spin, &time);
    call_kind_set_deadline(&smp_calls, old);
    EXPECT_TRUE(err == 0 || err == -ETIMEDOUT);
    while (smp_call_on(0, note_cpu, NULL) == -EBUSY)
        ;
    EXPECT_EQ(smp_call_all(note_cpu, NULL), 0);
}

static _Atomic u64 fired_at;
static _Atomic u32 fired_cpu;

static void on_timer(void *arg)
{
    (void)arg;
    atomic_store(&fired_cpu, cpu_number());
    atomic_store(&fired_at, rdtsc());
}

struct timer_case {
    u64 start;
    int err;
};

static void start_timer(void *arg)
{
    struct timer_case *c = arg;

    atomic_store(&fired_at, 0);
    c->start = rdtsc();
    c->err = lapic_timer_start(2000000, on_timer, NULL);
}

KTEST(smp, timer_fires_once_on_the_cpu_that_asked_and_not_early)
{
    u64 ms = tsc_khz_now();
    u32 cpu;

    REQUIRE_EQ(lapic_timer_hz() != 0, true);
    for_each_online_cpu(cpu)
    {
        struct timer_case c = {0};
        u64 begin;

        if (cpu >= 4)
            break;
        REQUIRE_EQ(smp_call_on_copy(cpu, start_timer, &c), 0);
        EXPECT_EQ(c.err, 0);
        begin = rdtsc();
        while (!atomic_load(&fired_at) && rdtsc() - begin < 20000 * ms)
            ;
        EXPECT_NE(fired_at, 0);
        EXPECT_EQ(fired_cpu, cpu);
        EXPECT_GE(fired_at - c.start, 2 * ms - ms / 8);
    }
}

KTEST(smp, a_cancelled_timer_does_not_fire)
{
    u64 ms = tsc_khz_now(), begin, flags;

    if (!lapic_timer_hz()) {
        ktest_skip("the local APIC's timer could not be measured");
        return;
    }

    atomic_store(&fired_at, 0);
    /* Far away: a host may keep this CPU waiting here. */
    REQUIRE_EQ(lapic_timer_start(2000000000ULL, on_timer, NULL), 0);
    EXPECT_GE(lapic_timer_left(), 1);
    EXPECT_TRUE(lapic_timer_cancel());
    EXPECT_FALSE(lapic_timer_cancel());
    /* Near, with interrupts off: it may be due already when it is taken back. */
    flags = local_irq_save();
    EXPECT_EQ(lapic_timer_start(5000000, on_timer, NULL), 0);
    EXPECT_TRUE(lapic_timer_cancel());
    local_irq_restore(flags);
    begin = rdtsc();
    while (rdtsc() - begin < 10 * ms)
        ;
    EXPECT_EQ(fired_at, 0);
    EXPECT_EQ(lapic_timer_start(0, on_timer, NULL), -ERANGE);
    EXPECT_EQ(lapic_timer_start(61000000000ULL, on_timer, NULL), -ERANGE);
}

KTEST(smp, no_apic_errors)
{
    EXPECT_EQ(smp_apic_errors(), 0);
}
