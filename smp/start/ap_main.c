/*
 * An application processor's own part of its start, from trampoline to idle loop; see bringup.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu.h"
#include "smp/start/apic.h"
#include "smp/start/bringup.h"
#include "smp/start/cpus.h"

static const struct smp_ops *ops;

void smp_ap_use(const struct smp_ops *smp_ops)
{
    ops = smp_ops;
}

void smp_ap_main(struct smp_record *rec, u32 ticket)
{
    ops->cpu_load_tables();
    if (!bringup_reach(rec, STAGE_TABLES))
        cpu_halt_forever();
    if (apic_init_cpu() || !bringup_reach(rec, STAGE_APIC))
        cpu_halt_forever();
    rec->online_tsc = rdtsc();
    if (!bringup_claim(rec, ticket))
        cpu_halt_forever();
    /* Enters the set before the flush: smp/run/park_core.h has the reason. */
    cpumap_set(&cpu_map, CPU_ONLINE, rec->cpu);
    flush_tlb_local();
    bringup_reach(rec, STAGE_ONLINE);
    ops->cpu_run();
}
