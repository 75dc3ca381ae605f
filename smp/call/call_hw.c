/*
 * The callbacks; see call_hw.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/call/call_hw.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "smp/start/apic.h"
#include "smp/start/cpus.h"

struct call_cpu *call_hw_of(void *ctx, u32 cpu)
{
    const struct call_kind *kind = ctx;

    return per_cpu_ptr(kind->cpus, cpu);
}

void call_hw_kick(void *ctx, u32 cpu)
{
    const struct call_kind *kind = ctx;

    apic_send_ipi(cpu_map.apic_id[cpu], kind->vector);
}

u64 call_hw_now(void *ctx)
{
    (void)ctx;
    cpu_relax();
    return rdtsc();
}

void call_hw_serve(void *ctx)
{
    const struct call_kind *kind = ctx;
    u64 flags = local_irq_save();

    kind->serve();
    local_irq_restore(flags);
}

bool call_hw_online(void *ctx, u32 cpu)
{
    (void)ctx;
    return cpu_is_online(cpu);
}
