/*
 * TSCs compared on the machine as it runs: an offset that is put into one CPU's readings is found,
 * with its sign, its CPU and nearly its size, whatever the machine's own TSCs do.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "kernel/stages/boot_state.h"
#include "smp/compare/tsc_sync.h"
#include "smp/start/cpus.h"

extern u64 first_tsc; /* boot/entry64.asm */

/* Longer than any host keeps a CPU waiting for all the others, and than any TSC is off by. */
#define ODD_SECONDS 3600

static bool measure(u32 odd_cpu, s64 ticks, u32 *ref, struct tsc_sync *r)
{
    struct tsc_sync_work work = {
        .online = cpus_online(),
        .tsc_hz = tsc_khz_now() * 1000,
        .hypervisor = cpu_has_hypervisor(),
        .odd_cpu = odd_cpu,
        .odd_ticks = ticks,
    };
    u64 size = tsc_sync_size(cpu_map.nr_ids, work.online);
    struct small_mem *mem = &boot_state_get()->small;
    int err;

    work.memory = small_alloc(mem, NODE_NONE, size);
    if (!work.memory) {
        ktest_skip("no memory for the readings");
        return false;
    }
    memset(work.memory, 0, size);
    err = tsc_sync_measure(&work, ref, r);
    EXPECT_EQ(err, 0);
    if (!err) /* else a CPU may still write there */
        small_free(mem, work.memory, size);
    return !err;
}

static u32 last_online(void)
{
    u32 last = 0, cpu;

    for_each_online_cpu(cpu) last = cpu;
    return last;
}

KTEST(tsc, every_cpu_is_compared)
{
    struct tsc_sync r;
    u32 ref;

    if (!measure(NR_CPUS, 0, &ref, &r))
        return;
    EXPECT_EQ(r.cpus, cpus_online());
    EXPECT_TRUE(cpu_is_online(ref));
    EXPECT_TRUE(r.out_of_sync < r.cpus);
    EXPECT_TRUE(r.cpus == 1 || r.doubt > 0);
}

KTEST(tsc, an_offset_is_found_and_named)
{
    u64 odd = ODD_SECONDS * 1000ULL * tsc_khz_now(), size;
    u32 bad = last_online(), ref;
    struct tsc_sync r;

    if (cpus_online() < 3) {
        ktest_skip("needs 3 CPUs: of two none is the odd one");
        return;
    }
    for (u32 ahead = 0; ahead < 2; ahead++) {
        if (!measure(bad, ahead ? (s64)odd : -(s64)odd, &ref, &r))
            return;
        size = (u64)(ahead ? r.worst : -r.worst);
        EXPECT_TRUE(r.out_of_sync >= 1);
        EXPECT_EQ(r.worst_cpu, bad);
        EXPECT_TRUE(size > odd - odd / 8 && size < odd + odd / 8);
        EXPECT_TRUE(r.warps > 0);
    }
}

/* The CPU that asks: the others agree with each other, so it is named all the same. */
KTEST(tsc, the_odd_one_may_be_this_cpu)
{
    u64 odd = ODD_SECONDS * 1000ULL * tsc_khz_now();
    struct tsc_sync r;
    u32 ref;

    if (cpus_online() < 3) {
        ktest_skip("needs 3 CPUs: of two none is the odd one");
        return;
    }
    if (!measure(cpu_number(), (s64)odd, &ref, &r))
        return;
    EXPECT_NE(ref, cpu_number());
    EXPECT_EQ(r.worst_cpu, cpu_number());
    EXPECT_TRUE(r.worst > (s64)(odd - odd / 8));
}

/* Another CPU's TSC may be behind the boot CPU's first reading: its time is 0 then, not 2^64. */
KTEST(tsc, no_time_before_the_start)
{
    u64 was = first_tsc, us;

    first_tsc = rdtsc() + (1ULL << 40);
    us = uptime_us();
    first_tsc = was;
    EXPECT_EQ(us, 0);
}
