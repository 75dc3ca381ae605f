/*
 * CPUs that park and wake at run time, and CPUs that start for the first time after the boot.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/park.h"
#include "smp/start/bringup.h"
#include "tests/smp/call/tlb_area.h"
#include "tests/suite/come_back.h"
#include "tests/suite/on_idle.h"
#include "tests/suite/speed.h"

static u32 some_other_cpu(void)
{
    return cpumap_next(&cpu_map, CPU_ONLINE, 1);
}

static bool too_few(u32 cpus)
{
    if (cpus_online() >= cpus)
        return false;
    ktest_skip(cpus == 2 ? "needs 2 CPUs" : "needs 3 CPUs");
    return true;
}

/* What cannot park or wake says so, and stays as it is. */
KTEST(park, refusals)
{
    u32 online = cpus_online(), parked = cpus_parked();

    EXPECT_EQ(cpu_park_request(0), -EINVAL);
    EXPECT_EQ(cpu_park_request(cpu_number()), -EINVAL);
    EXPECT_EQ(cpu_park_request(cpu_map.nr_ids), -ENODEV);
    EXPECT_EQ(cpu_wake(0), -EEXIST);
    EXPECT_EQ(cpu_wake(cpu_map.nr_ids), -ENODEV);
    if (online > 1)
        EXPECT_EQ(cpu_wake(some_other_cpu()), -EEXIST);
    EXPECT_EQ(cpus_online(), online);
    EXPECT_EQ(cpus_parked(), parked);
}

/* A parked CPU is in no set, is asked nothing, and runs nothing; after the wake it is as before. */
KTEST(park, leaves_the_set)
{
    u64 va = VAREA_BASE + VAREA_SIZE / 2;
    u32 online = cpus_online(), parked = cpus_parked(), target, cpu, members = 0;
    struct tally t = {0};

    if (too_few(2))
        return;
    target = some_other_cpu();
    EXPECT_EQ(cpu_park_request(target), 0);
    EXPECT_FALSE(cpu_is_online(target));
    EXPECT_TRUE(cpumap_test(&cpu_map, CPU_PRESENT, target));
    EXPECT_EQ(cpus_parked(), parked + 1);
    EXPECT_EQ(cpumap_verify(&cpu_map), 0);
    for_each_online_cpu(cpu)
    {
        EXPECT_NE(cpu, target);
        members++;
    }
    EXPECT_EQ(members, online - 1);
    EXPECT_EQ(smp_call_on_copy(target, (void (*)(void *))tally_ran, &t), -ENODEV);
    EXPECT_EQ(smp_call_all_copy((void (*)(void *))tally_ran, &t), 0);
    EXPECT_TALLY(&t, online - 1);
    EXPECT_EQ(tlb_shootdown(va, va + PAGE_SIZE), 0);
    EXPECT_EQ(tlb_shootdown_all(), 0);
    EXPECT_EQ(cpu_park_request(target), -ENODEV);
    EXPECT_NE(cpu_idle_pick(target), target);

    EXPECT_EQ(cpu_wake(target), 0);
    EXPECT_EQ(cpus_online(), online);
    EXPECT_EQ(cpus_parked(), parked);
    EXPECT_EQ(smp_call_on_copy(target, (void (*)(void *))tally_ran, &t), 0);
    EXPECT_TALLY(&t, online);
}

/* What was unmapped and given to another page meanwhile is not seen any more after the wake. */
KTEST(park, wakes_without_old_translations)
{
    struct tlb_area a;
    u32 cpu;

    if (too_few(2))
        return;
    cpu = some_other_cpu();
    REQUIRE_EQ(tlb_area_take(&a, 1), 0);
    for (u32 i = 0; i < 4; i++) {
        tlb_area_map(&a, 0);
        EXPECT_EQ(tlb_area_read(&a, cpu), TLB_AREA_WORD(0));
        EXPECT_EQ(cpu_park_request(cpu), 0);
        tlb_area_unmap(&a);
        EXPECT_EQ(tlb_shootdown(a.va, a.va + PAGE_SIZE), 0);
        if (i % 2)
            tlb_area_map(&a, 1);
        EXPECT_EQ(cpu_wake(cpu), 0);
        EXPECT_EQ(tlb_area_read(&a, cpu), i % 2 ? TLB_AREA_WORD(1) : TLB_AREA_FAULT);
        tlb_area_unmap(&a);
        EXPECT_EQ(tlb_shootdown(a.va, a.va + PAGE_SIZE), 0);
    }
    tlb_area_give_back(&a);
}

/* ---- hooks ----------------------------------------------------------------------------------- */

struct hook_log {
    struct tally t;
    u32 cpu;
    int refuse; /* what first_online returns */
    u32 firsts, parkings, wokens;
};

static int log_first(void *ctx, u32 cpu)
{
    struct hook_log *log = ctx;

    CHECK(&log->t, cpu == log->cpu && cpu_number() == 0 && local_irqs_enabled());
    CHECK(&log->t, !cpu_is_online(cpu));
    log->firsts++;
    return log->refuse;
}

/* Online, in thread context: it may shoot down. */
static void log_parking(void *ctx, u32 cpu)
{
    struct hook_log *log = ctx;

    CHECK(&log->t, cpu == log->cpu && cpu_number() == cpu && local_irqs_enabled());
    CHECK(&log->t, cpu_is_online(cpu) && tlb_shootdown_all() == 0);
    log->parkings++;
}

static void log_woken(void *ctx, u32 cpu)
{
    struct hook_log *log = ctx;

    CHECK(&log->t, cpu == log->cpu && cpu_number() == cpu && local_irqs_enabled());
    CHECK(&log->t, cpu_is_online(cpu) && tlb_shootdown_all() == 0);
    log->wokens++;
}

KTEST(park, hooks)
{
    static struct hook_log log; /* a CPU may be late with its hooks */
    static const struct cpu_hooks hooks = {
        .first_online = log_first, .parking = log_parking, .woken = log_woken, .ctx = &log};
    static const struct cpu_hooks none;

    if (too_few(2))
        return;
    log = (struct hook_log){0};
    log.cpu = some_other_cpu();
    REQUIRE_EQ(cpu_hooks_add(&hooks), 0);
    EXPECT_EQ(cpu_hooks_add(&none), 0);
    EXPECT_EQ(cpu_park_request(log.cpu), 0);
    EXPECT_EQ(log.parkings, 1);
    EXPECT_EQ(log.wokens, 0);
    EXPECT_EQ(cpu_wake(log.cpu), 0);
    EXPECT_EQ(log.wokens, 1);
    EXPECT_EQ(cpu_hooks_remove(&hooks), 0);
    EXPECT_EQ(cpu_hooks_remove(&hooks), -ENOENT);
    EXPECT_EQ(cpu_hooks_remove(&none), 0);
    EXPECT_EQ(cpu_park_request(log.cpu), 0);
    EXPECT_EQ(cpu_wake(log.cpu), 0);
    EXPECT_EQ(log.parkings + log.wokens, 2);
    EXPECT_EQ(log.firsts, 0); /* it had been online before */
    EXPECT_TALLY(&log.t, 0);
}

/* ---- under load ------------------------------------------------------------------------------ */

#define ROUNDS 200

struct load {
    struct tally t;
    _Atomic u32 calls;
};

static void on_call(void *arg)
{
    struct load *l = arg;

    CHECK(&l->t, cpu_is_online(cpu_number()));
    atomic_fetch_add(&l->calls, 1);
}

/* Shoots down, calls all, and calls one CPU that may be going or coming. */
static void load_round(void *arg)
{
    struct load *l = arg;
    u64 va = VAREA_BASE + VAREA_SIZE / 2;
    u32 next = (cpu_number() + 1) % cpu_map.nr_ids;
    int err;

    CHECK(&l->t, tlb_shootdown(va, va + PAGE_SIZE) == 0);
    CHECK(&l->t, smp_call_all(on_call, l) == 0);
    err = smp_call_on(next, on_call, l);
    CHECK(&l->t, err == 0 || err == -ENODEV);
    tally_ran(&l->t);
}

/*
 * One or two CPUs make load; the others go and come, and the boot CPU, which asks, makes load too.
 */
KTEST(park, under_load)
{
    static struct on_idle o;
    static struct load l;
    u32 online = cpus_online(), target = 0, loaded = 0, cpu, rounds;

    if (too_few(3))
        return;
    l = (struct load){0};
    all_come_back();
    rounds = suite_rounds(online <= 16 ? ROUNDS : ROUNDS / 10, ROUNDS / 10);
    on_idle_begin(&o, load_round, &l, true);
    for_each_online_cpu(cpu)
    {
        if (cpu && loaded < 2 && loaded + 2 < online) {
            on_idle_add(&o, cpu);
            loaded++;
        }
    }
    for (u32 i = 0; i < rounds; i++) {
        target = cpumap_next(&cpu_map, CPU_ONLINE, target + 1);
        if (target >= cpu_map.nr_ids)
            target = some_other_cpu();
        REQUIRE_EQ(cpu_park_request(target), 0);
        if (i % 16 == 0)
            load_round(&l);
        EXPECT_FALSE(cpu_is_online(target));
        REQUIRE_EQ(cpu_wake(target), 0);
    }
    on_idle_end(&o, 1);
    EXPECT_EQ(l.t.bad, 0);
    EXPECT_TALLY(&l.t, l.t.ran);
    EXPECT_EQ(cpus_online(), online);
    EXPECT_EQ(cpumap_verify(&cpu_map), 0);
    ktest_note("%u times parked and woken, %u rounds of load", rounds, l.t.ran);
}

/* ---- first starts at run time ---------------------------------------------------------------- */

static void start_first_time(u32 cpu)
{
    static struct hook_log log;
    static const struct cpu_hooks hooks = {
        .first_online = log_first, .parking = log_parking, .woken = log_woken, .ctx = &log};
    struct tally t = {0};
    u32 online = cpus_online();

    log = (struct hook_log){.cpu = cpu, .refuse = -ENOMEM};
    REQUIRE_EQ(cpu_hooks_add(&hooks), 0);
    EXPECT_EQ(cpu_wake(cpu), -ENOMEM);
    EXPECT_EQ(log.firsts, 1);
    EXPECT_EQ(cpus_online(), online);
    log.refuse = 0;
    EXPECT_EQ(cpu_wake(cpu), 0);
    EXPECT_EQ(log.firsts, 2);
    EXPECT_EQ(log.wokens, 1);
    EXPECT_TRUE(cpu_is_online(cpu));
    EXPECT_EQ(cpus_online(), online + 1);
    EXPECT_EQ(smp_call_on_copy(cpu, (void (*)(void *))tally_ran, &t), 0);
    EXPECT_EQ(tlb_shootdown_all(), 0);
    /* It parks and wakes as any other; and the machine is left as it was found. */
    EXPECT_EQ(cpu_park_request(cpu), 0);
    EXPECT_EQ(cpu_wake(cpu), 0);
    EXPECT_EQ(log.firsts, 2);
    EXPECT_EQ(cpu_park_request(cpu), 0);
    EXPECT_EQ(cpu_hooks_remove(&hooks), 0);
    EXPECT_EQ(cpus_online(), online);
    EXPECT_TALLY(&t, 1);
    EXPECT_TALLY(&log.t, 0);
}

/* CPUs that maxcpus= left out start; after one that does not come nobody can. */
KTEST(park, first_start)
{
    bool broken = boot_state_get()->opt.fail[0];
    u32 cpu, started = 0;
    int expect;

    for_each_possible_cpu(cpu)
    {
        /* Some came already, in suite first_online. */
        if (cpu_is_online(cpu) || cpumap_test(&cpu_map, CPU_PRESENT, cpu))
            continue;
        started++;
        if (!broken) {
            start_first_time(cpu);
            continue;
        }
        expect = smp_can_start(cpu) ? -ETIMEDOUT : -ENODEV;
        EXPECT_EQ(cpu_wake(cpu), expect);
    }
    if (!started)
        ktest_skip("all CPUs have been online");
}
