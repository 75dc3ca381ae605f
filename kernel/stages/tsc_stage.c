/*
 * Stage: compares the TSCs of all CPUs.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/clockmath.h"
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "kernel/stages/fail.h"
#include "kernel/stages/stages.h"
#include "mm/map/address_map.h"
#include "smp/compare/tsc_sync.h"
#include "smp/start/cpus.h"

static ull ns(u64 ticks)
{
    return clock_ticks_to_ns(ticks, tsc_khz_now());
}

/* fail=tsc_offset:3:500: CPU 3's TSC reads 500 us too high. Other words belong to other stages. */
static void parse_fault(const struct boot_state *s, struct tsc_sync_work *work)
{
    char item[OPT_TEXT_MAX], *cpu;
    const char *list = s->opt.fail;

    while ((cpu = fail_next(&list, "tsc_offset:", item))) {
        char *us = strchr(cpu, ':');
        u64 number, length;

        if (us)
            *us++ = '\0';
        if (!us || parse_u64(cpu, &number) || parse_u64(us, &length) ||
            number >= s->topo.cpu_count) {
            if (us)
                us[-1] = ':';
            fail_refuse(item, "not understood");
            continue;
        }
        work->odd_cpu = (u32)number;
        work->odd_ticks = (s64)clock_us_to_ticks(length, tsc_khz_now());
    }
}

static void print_result(const struct boot_state *s)
{
    const struct tsc_sync *r = &s->tsc;
    enum tsc_step step = tsc_sync_step(r, clock_us_to_ticks(TSC_IN_STEP_US, tsc_khz_now()));

    if (r->contradiction)
        firmware_finding(FW_TSC_UNSTEADY,
                         "the TSCs of %u CPUs fit no offsets: their rates "
                         "differ, or something wrote one meanwhile",
                         r->cpus);
    if (r->out_of_sync)
        firmware_finding(FW_TSC_UNSYNCED,
                         "CPU %u is at least %llu ns %s CPU %u; %u of %u CPUs out of step, "
                         "%llu warps, the largest %llu ns at CPU %u",
                         r->worst_cpu, ns((u64)(r->worst < 0 ? -r->worst : r->worst)),
                         r->worst < 0 ? "behind" : "ahead of", s->tsc_reference, r->out_of_sync,
                         r->cpus, (ull)r->warps, ns(r->warp_max), r->warp_cpu);
    if (step == TSC_IN_STEP)
        pr_info("tsc: %u CPUs in step: offsets from CPU %u are below %llu ns (CPU %u), %llu warps",
                r->cpus, s->tsc_reference, ns(r->doubt), r->widest_cpu, (ull)r->warps);
    if (step == TSC_NOT_KNOWN)
        pr_info("tsc: %u CPUs not known to be in step: doubt %llu us (CPU %u against CPU %u), "
                "%llu warps",
                r->cpus, ns(r->doubt) / 1000, r->widest_cpu, s->tsc_reference, (ull)r->warps);
}

void stage_tsc(struct boot_state *s)
{
    struct tsc_sync_work work = {
        .online = cpus_online(),
        .tsc_hz = tsc_khz_now() * 1000,
        .hypervisor = cpu_has_hypervisor(),
        .odd_cpu = NR_CPUS,
    };
    u64 size = tsc_sync_size(cpu_map.nr_ids, work.online);

    if (work.online < 2)
        return;
    parse_fault(s, &work);
    work.memory = memblock_zalloc(&s->mb, size, 128);
    if (!work.memory) {
        pr_warn("tsc: no memory to compare %u CPUs", work.online);
        return;
    }
    if (tsc_sync_measure(&work, &s->tsc_reference, &s->tsc)) {
        pr_warn("tsc: not compared: a CPU did not answer");
        return; /* the memory is lost: that CPU may still write to it */
    }
    memblock_give_back(&s->mb, virt_to_phys(work.memory), size);
    print_result(s);
}
