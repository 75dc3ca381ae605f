/*
 * Per-CPU references on real CPUs: killed and revived while all CPUs, and their timer interrupts,
 * take and drop references.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/kernel_percpu_lib.h"
#include "percpu/sync/ref.h"
#include "smp/call/quiesce.h"
#include "smp/run/park.h"
#include "tests/suite/stress.h"

static struct percpu_ref ref;
static struct stress stress;
static _Atomic bool stop, alive;
static _Atomic u32 released;
static DEFINE_PER_CPU(u64, uses);

#define FINE() EXPECT_STREQ(percpu_ref_verify(&ref) ?: "", "")

static void on_release(struct percpu_ref *r)
{
    (void)r;
    alive = false;
    released++;
}

/* Whoever has a reference sees the object alive, before and after further gets and puts. */
static void use(bool live)
{
    if (!(live ? percpu_ref_tryget_live(&ref) : percpu_ref_tryget(&ref)))
        return;
    CHECK(&stress.t, alive);
    percpu_ref_get_many(&ref, 3);
    percpu_ref_put(&ref);
    CHECK(&stress.t, alive);
    percpu_ref_put_many(&ref, 2);
    CHECK(&stress.t, alive);
    percpu_ref_put(&ref);
    this_cpu_inc(uses);
}

static void in_interrupt(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < 20; i++)
        use(true);
}

/* Some uses by others between two changes, where there are others. */
static void let_run(void)
{
    for (u32 i = 0; i < 200; i++)
        use(true);
    udelay(200);
}

static void revive(bool early)
{
    struct deadline d = deadline_start(2000000);

    if (early && percpu_ref_resurrect(&ref) == 0)
        return;
    while (alive && !deadline_passed(&d))
        cpu_relax();
    CHECK(&stress.t, !alive);
    alive = true;
    CHECK(&stress.t, percpu_ref_reinit(&ref) == 0);
}

static void own(void)
{
    u32 lives = stress_cpus() < cpus_online() ? 3 : 12;

    for (u32 life = 1; life <= lives; life++) {
        let_run();
        if (life % 3 == 0)
            CHECK(&stress.t, percpu_ref_switch_to_atomic(&ref, NULL) == 0);
        if (life % 6 == 0)
            CHECK(&stress.t, percpu_ref_switch_to_percpu(&ref) == 0);
        CHECK(&stress.t, percpu_ref_kill(&ref) == 0);
        revive(life % 2);
        if (life % 3 == 0)
            CHECK(&stress.t, percpu_ref_switch_to_percpu(&ref) == 0);
    }
    stop = true;
}

static void use_or_own(void *arg)
{
    (void)arg;
    if (cpu_number() == stress.home)
        own();
    for (u32 i = 0; !stop; i++)
        use(i % 64); /* seldom a tryget: many would keep a dead one for ever */
}

KTEST(percpu_ref, killed_under_load)
{
    u32 cpu;

    stop = false;
    alive = true;
    released = 0;
    for_each_possible_cpu(cpu) per_cpu(uses, cpu) = 0;
    REQUIRE_EQ(
        percpu_ref_init(&ref, kernel_percpu_lib(), "stress", on_release, PERCPU_REF_ALLOW_REINIT),
        0);
    stress = (struct stress){.work = use_or_own, .tick = in_interrupt};
    if (!stress_run(&stress))
        return;
    for_each_online_cpu(cpu) if (stress_takes_part(cpu)) EXPECT_NE(per_cpu(uses, cpu), 0);
    FINE();
    EXPECT_NE(released, 0);
    alive = true;
    released = 0;
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 1); /* not one reference was lost or won */
    percpu_ref_exit(&ref);
}

/* References taken on every CPU by calls, dropped on others; the last put releases. */
static void get_here(void *arg)
{
    percpu_ref_get_many(&ref, 10 + cpu_number());
    tally_ran(arg);
}

static void put_here(void *arg)
{
    percpu_ref_put_many(&ref, 10 + cpu_map.nr_ids - 1 - cpu_number());
    tally_ran(arg);
}

KTEST(percpu_ref, taken_here_dropped_there)
{
    struct tally t = {0};

    if (cpus_online() != cpu_map.nr_ids) {
        ktest_skip("the sums of gets and puts are equal only when all possible CPUs run");
        return;
    }
    alive = true;
    released = 0;
    REQUIRE_EQ(percpu_ref_init(&ref, kernel_percpu_lib(), "calls", on_release, 0), 0);
    EXPECT_EQ(smp_call_all_copy(get_here, &t), 0);
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 0);
    EXPECT_TRUE(percpu_ref_tryget(&ref));
    EXPECT_EQ(smp_call_all_copy(put_here, &t), 0);
    EXPECT_TALLY(&t, 2 * cpus_online());
    EXPECT_EQ(released, 0);
    percpu_ref_put(&ref);
    EXPECT_EQ(released, 1);
    FINE();
    percpu_ref_exit(&ref);
}

/* Every CPU asks for grace periods at the same time; each ends. */
static void quiesce_often(void *arg)
{
    u32 n = stress_cpus() < cpus_online() ? 1 : 4;

    (void)arg;
    for (u32 i = 0; i < n; i++) {
        CHECK(&stress.t, smp_quiesce() == 0);
        tally_ran(&stress.t);
    }
}

static void in_guard(void *arg)
{
    (void)arg;
    cpu_guard_enter();
    cpu_guard_exit();
}

KTEST(percpu_ref, grace_periods_of_all)
{
    u32 n = stress_cpus() < cpus_online() ? 1 : 4;

    stress = (struct stress){.work = quiesce_often, .tick = in_guard};
    if (!stress_run(&stress))
        return;
    EXPECT_EQ(stress.t.ran, n * stress_cpus());
}

/*
 * A CPU parks with references in its word, which count on; it wakes after the kill, and sees it;
 * and after a reinit during which it was parked.
 */
KTEST(percpu_ref, parked_cpu)
{
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1), nr;
    struct tally t = {0};

    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    nr = 10 + cpu_map.nr_ids - 1 - cpu; /* what put_here drops there */
    released = 0;
    REQUIRE_EQ(
        percpu_ref_init(&ref, kernel_percpu_lib(), "parked", on_release, PERCPU_REF_ALLOW_REINIT),
        0);
    for (u32 life = 1; life <= 3; life++) {
        alive = true;
        EXPECT_EQ(smp_call_on_copy(cpu, get_here, &t), 0); /* 10 + cpu */
        REQUIRE_EQ(cpu_park_request(cpu), 0);
        percpu_ref_put_many(&ref, 10 + cpu); /* here what was taken there */
        percpu_ref_get_many(&ref, nr);
        EXPECT_EQ(percpu_ref_kill(&ref), 0);
        EXPECT_EQ(released, life - 1);
        REQUIRE_EQ(cpu_wake(cpu), 0);
        EXPECT_EQ(smp_call_on_copy(cpu, put_here, &t), 0);
        EXPECT_EQ(released, life);
        REQUIRE_EQ(cpu_park_request(cpu), 0);
        EXPECT_EQ(percpu_ref_reinit(&ref), 0);
        REQUIRE_EQ(cpu_wake(cpu), 0);
    }
    FINE();
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 4);
    percpu_ref_exit(&ref);
}
