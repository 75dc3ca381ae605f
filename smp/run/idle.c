/*
 * The idle loop; see idle.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/idle.h"

#include <stdatomic.h>
#include "kernel/base/cpu.h"
#include "smp/call/call.h"
#include "smp/call/tlb.h"
#include "smp/run/idle_set.h"
#include "smp/run/lapic_timer.h"
#include "smp/run/park.h"

static const struct cpu_idle_ops *_Atomic idle_ops;

const struct cpu_idle_ops *cpu_idle_set_ops(const struct cpu_idle_ops *ops)
{
    return atomic_exchange_explicit(&idle_ops, ops, memory_order_acq_rel);
}

/* Interrupts off. True: they were on for a while, so the caller checks everything again. */
static bool parked_or_worked(void)
{
    const struct cpu_idle_ops *ops = atomic_load_explicit(&idle_ops, memory_order_acquire);
    bool park = cpu_park_asked();

    if (!park && !(ops && ops->pending(ops->ctx)))
        return false;
    cpu_mark_idle(false);
    local_irq_enable();
    if (park)
        cpu_park_now();
    else
        ops->work(ops->ctx);
    cpu_mark_idle(true);
    return true;
}

/* Interrupts off. */
static void limit_sleep(void)
{
    const struct cpu_idle_ops *ops = atomic_load_explicit(&idle_ops, memory_order_acquire);
    u64 ns = ops && ops->sleep ? ops->sleep(ops->ctx) : 0;

    if (ns)
        lapic_timer_wake(ns);
}

/* No wake-up is lost: the checks run with interrupts off, and the CPU sleeps by STI;HLT. */
void cpu_idle(void)
{
    cpu_mark_idle(true);
    for (;;) {
        local_irq_disable();
        if (call_kind_serve(&smp_calls) || call_kind_serve(&tlb_calls) || parked_or_worked())
            continue;
        limit_sleep();
        cpu_sleep();
    }
}
