/*
 * The interrupt vectors of the local APIC; see bringup.h. Spurious interrupts get no EOI (SDM vol.
 * 3, 11.9). SPDX-License-Identifier: MIT
 */
#include "smp/bringup.h"

#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "smp/apic.h"
#include "smp/call.h"
#include "smp/lapic_timer.h"
#include "smp/nmi.h"
#include "smp/tlb.h"

/* After so many lines the rest is only counted: an error in every interrupt must not flood the log.
 */
#define ERROR_LINES 8

static _Atomic u64 apic_errors, spurious;

static void on_error(struct trap_frame *frame)
{
    u32 status = apic_error();

    (void)frame;
    apic_eoi();
    if (atomic_fetch_add_explicit(&apic_errors, 1, memory_order_relaxed) < ERROR_LINES)
        pr_warn("smp: CPU %u: local APIC error 0x%02x", cpu_number(), status);
}

static void on_spurious(struct trap_frame *frame)
{
    (void)frame;
    atomic_fetch_add_explicit(&spurious, 1, memory_order_relaxed);
}

int smp_init_vectors(const struct smp_ops *ops)
{
    ops->set_handler(VEC_CALL, smp_call_interrupt);
    ops->set_handler(VEC_TLB, tlb_interrupt);
    ops->set_handler(VEC_TIMER, lapic_timer_interrupt);
    ops->set_handler(VEC_APIC_ERROR, on_error);
    ops->set_handler(VEC_SPURIOUS, on_spurious);
    return ops->nmi_register(smp_nmi);
}

u64 smp_apic_errors(void)
{
    return atomic_load_explicit(&apic_errors, memory_order_relaxed);
}

u64 smp_spurious(void)
{
    return atomic_load_explicit(&spurious, memory_order_relaxed);
}
