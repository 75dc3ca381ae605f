/*
 * Idle CPUs give back what they do not use, by the timer that ends their sleep, and then stay
 * asleep. The hosted tests have the amounts (percpu_alloc_decay_test.c).
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/percpu_platform.h"
#include "smp/call/call.h"
#include "smp/run/lapic_timer.h"
#include "tests/percpu/alloc/percpu_dyn.h"

#define PERIOD_NS 5000000ULL
#define PERIODS   10u

/* In a cross-call: some of each of several sizes, freed again, so that the magazines hold them. */
static void use_some(void *arg)
{
    void *p[8];
    _Atomic u32 *used = arg;

    for (size_t size = 8; size <= 512; size *= 2) {
        u32 n = percpu_alloc_bulk(size, 8, PCPU_ATOMIC | PCPU_NOWARN, ARRAY_SIZE(p), p);

        for (u32 i = 0; i < n; i++)
            percpu_free(p[i]);
        atomic_fetch_add(used, n);
    }
}

static u64 cached(void)
{
    struct percpu_stats st;

    percpu_get_stats(&st);
    return st.cached_bytes;
}

/* Waits until no CPU but this holds anything. */
static bool others_are_empty(void)
{
    struct deadline d = deadline_start(2000000);
    const struct pcpu_allocator *a = percpu_allocator();
    u64 own = (u64)(a->mags[cpu_number()]->quota - a->mags[cpu_number()]->headroom);

    while (cached() > own)
        if (deadline_passed(&d))
            return false;
    return true;
}

/* Waits until no CPU decays for some periods: no timer is left. */
static bool all_is_quiet(void)
{
    struct deadline d = deadline_start(2000000);
    u64 decays;

    do {
        if (deadline_passed(&d))
            return false;
        decays = percpu_decays();
        udelay(PERIODS * PERIOD_NS / 1000);
    } while (percpu_decays() != decays);
    return true;
}

KTEST(percpu_decay, idle_cpus_give_back_and_sleep)
{
    static _Atomic u32 used; /* a call's argument is not on a stack */
    struct dyn_state s;

    if (cpus_online() < 2) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    if (!lapic_timer_hz()) {
        ktest_skip("the local APIC's timer could not be measured");
        return;
    }
    dyn_begin(&s);
    percpu_decay_period(PERIOD_NS);
    EXPECT_EQ(smp_call_all(use_some, (void *)&used), 0);
    EXPECT_TRUE(others_are_empty());
    /* This CPU's part has no timer, so the shared part has an end only when it is gone, too. */
    for (u32 i = 0; i < PERIODS; i++)
        percpu_decay();
    EXPECT_TRUE(all_is_quiet());
    percpu_decay_period(0); /* what is verified stands still */
    EXPECT_NE(atomic_load(&used), 0);
    dyn_end(&s);
}
