/*
 * on_idle.h itself: work on idle CPUs ends cleanly beside CPUs that run other work in between.
 * SPDX-License-Identifier: MIT
 */
#include "tests/suite/on_idle.h"

#define FOR_US 200000u /* some slices of the host */

static atomic_bool restless;

static bool always_pending(void *ctx)
{
    (void)ctx;
    return atomic_load(&restless);
}

static void look_and_go(void *ctx)
{
    (void)ctx;
}

static void nothing_to_do(void *arg)
{
    (void)arg;
}

/* Idle CPUs that are in and out of the loop's work all the time are not taken for ones at work. */
KTEST(on_idle, ends_beside_restless_cpus)
{
    static const struct cpu_idle_ops ops = {always_pending, look_and_go, NULL};
    static struct on_idle o;
    const struct cpu_idle_ops *before;
    u64 end = uptime_us() + FOR_US;
    u32 cpu;

    atomic_store(&restless, true);
    before = cpu_idle_set_ops(&ops);
    for_each_online_cpu(cpu) cpu_kick(cpu);
    do {
        on_idle_begin(&o, nothing_to_do, NULL, false);
        on_idle_end(&o, 0);
    } while (uptime_us() < end);
    atomic_store(&restless, false);
    cpu_idle_set_ops(before);
}
