/*
 * on_idle.h itself: work on idle CPUs ends cleanly beside CPUs that run other work in between.
 * SPDX-License-Identifier: MIT
 */
#include "tests/suite/on_idle.h"
#include "tests/suite/come_back.h"

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

static _Atomic u32 visits;

static void visit(void *arg)
{
    (void)arg;
    atomic_fetch_add(&visits, 1);
}

static void leave_too_early(struct on_idle *o, u32 cpu)
{
    struct deadline d = deadline_start(5000000);

    all_come_back();
    on_idle_begin(o, visit, NULL, true);
    on_idle_add(o, cpu);
    while (atomic_load(&visits) == 0 && !deadline_passed(&d))
        cpu_relax();
    if (cpu_park_request(cpu) == 0)
        return; /* as a REQUIRE that fails does */
    on_idle_end(o, 1);
}

/* What a case has begun ends with it, also when it leaves in the middle. */
KTEST(on_idle, a_case_that_leaves_takes_its_work_along)
{
    static struct on_idle o;
    const struct cpu_idle_ops *before = cpu_idle_set_ops(NULL), *after;
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1), seen;

    cpu_idle_set_ops(before);
    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    leave_too_early(&o, cpu);
    EXPECT_TRUE(cpu_is_online(cpu));
    EXPECT_EQ(atomic_load(&o.at_work), 0);
    EXPECT_GE(seen = atomic_load(&visits), 1);
    after = cpu_idle_set_ops(before);
    EXPECT_TRUE(after == before);
    cpu_kick(cpu);
    udelay(2000);
    EXPECT_EQ(atomic_load(&visits), seen);
}

/* Idle CPUs that are in and out of the loop's work all the time are not taken for ones at work. */
KTEST(on_idle, ends_beside_restless_cpus)
{
    static const struct cpu_idle_ops ops = {.pending = always_pending, .work = look_and_go};
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
