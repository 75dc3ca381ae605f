/*
 * NMIs between CPUs; see nmi_send.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/call/nmi_send.h"

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"
#include "smp/start/apic.h"
#include "smp/start/cpus.h"

static DEFINE_PER_CPU(atomic_bool, nmi_on_its_way);

/* An NMI already on its way is enough: its handler clears the mark, then sees our reason. */
void smp_nmi_send(u32 cpu)
{
    if (!atomic_exchange_explicit(per_cpu_ptr(&nmi_on_its_way, cpu), true, memory_order_seq_cst))
        apic_send(cpu_map.apic_id[cpu], APIC_NMI);
}

/* Present: it has claimed its record, so it runs on our IDT; parked CPUs are among them. */
void smp_nmi_stop_others(void)
{
    u32 cpu;

    for_each_cpu(cpu, &cpu_map, CPU_PRESENT) if (cpu != cpu_number())
        apic_send(cpu_map.apic_id[cpu], APIC_NMI);
}

bool smp_nmi_arrived(void)
{
    return atomic_exchange_explicit(this_cpu_ptr(&nmi_on_its_way), false, memory_order_seq_cst);
}
