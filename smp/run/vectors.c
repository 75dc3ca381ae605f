/*
 * The interrupt vectors; see vectors.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/vectors.h"

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "smp/call/call.h"
#include "smp/call/nmi_send.h"
#include "smp/call/tlb.h"
#include "smp/run/lapic_timer.h"
#include "smp/run/park.h"
#include "smp/start/apic.h"

/* Further errors are only counted, so that they do not flood the log. */
#define ERROR_LINES 8

static _Atomic u64 apic_errors;

/* Calls and shoot-downs. */
static void on_request(struct trap_frame *frame)
{
    apic_eoi();
    call_kind_serve(frame->vector == VEC_TLB ? &tlb_calls : &smp_calls);
}

static void on_error(struct trap_frame *frame)
{
    u32 status = apic_error();

    (void)frame;
    apic_eoi();
    if (atomic_fetch_add_explicit(&apic_errors, 1, memory_order_relaxed) < ERROR_LINES)
        pr_warn("smp: CPU %u: local APIC error 0x%02x", cpu_number(), status);
}

/* Spurious interrupts get no EOI (SDM vol. 3, 11.9). */
static void on_spurious(struct trap_frame *frame)
{
    (void)frame;
}

/* True: the NMI was ours, and all reasons were checked. */
static bool on_nmi(struct trap_frame *frame)
{
    bool ours = smp_nmi_arrived();

    cpu_park_nmi(&frame->rip);
    if (!ours)
        return false;
    smp_call_nmi(frame);
    tlb_nmi();
    return true;
}

int smp_init_vectors(void (*set_handler)(u8 vector, trap_handler fn),
                     int (*nmi_register)(bool (*fn)(struct trap_frame *)))
{
    set_handler(VEC_CALL, on_request);
    set_handler(VEC_TLB, on_request);
    set_handler(VEC_TIMER, lapic_timer_interrupt);
    set_handler(VEC_APIC_ERROR, on_error);
    set_handler(VEC_SPURIOUS, on_spurious);
    return nmi_register(on_nmi);
}

u64 smp_apic_errors(void)
{
    return atomic_load_explicit(&apic_errors, memory_order_relaxed);
}
