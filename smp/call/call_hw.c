/*
 * Requests on real CPUs; see call_hw.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/call/call_hw.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
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

    apic_send(cpu_map.apic_id[cpu], kind->vector);
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

    call_kind_serve(kind);
    local_irq_restore(flags);
}

bool call_hw_online(void *ctx, u32 cpu)
{
    (void)ctx;
    return cpu_is_online(cpu);
}

void call_hw_waiting(void *ctx, u32 pending, u64 ticks)
{
    const struct call_kind *kind = ctx;

    pr_info("smp: %u CPU%s not answered a %s for %llu ms: a busy host, or dead", pending,
            pending == 1 ? " has" : "s have", kind->name, (ull)(ticks_to_us(ticks) / 1000));
}

bool call_kind_serve(const struct call_kind *kind)
{
    return call_serve(&kind->ops, cpu_number()) != 0;
}

void call_kind_refuse(const struct call_kind *kind)
{
    call_refuse(&kind->ops, cpu_number(), cpu_map.nr_ids);
}
