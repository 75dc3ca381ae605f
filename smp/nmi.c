/*
 * NMIs between CPUs; see nmi.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/nmi.h"

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"
#include "smp/apic.h"
#include "smp/call.h"
#include "smp/cpus.h"
#include "smp/park.h"
#include "smp/tlb.h"

static DEFINE_PER_CPU(atomic_bool, nmi_on_its_way);

/* Who finds one on its way noted its reason before that one's handler takes the mark away. */
void smp_nmi_send(u32 cpu)
{
    if (!atomic_exchange_explicit(per_cpu_ptr(&nmi_on_its_way, cpu), true, memory_order_seq_cst))
        apic_send_nmi(cpu_map.apic_id[cpu]);
}

bool smp_nmi(struct trap_frame *frame)
{
    bool ours =
        atomic_exchange_explicit(this_cpu_ptr(&nmi_on_its_way), false, memory_order_seq_cst);

    cpu_park_nmi(&frame->rip);
    if (!ours)
        return false;
    smp_call_nmi(frame);
    tlb_nmi();
    return true;
}
