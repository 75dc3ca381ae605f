/*
 * Interrupt descriptors and the dispatch of exceptions and interrupts; see idt.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/idt.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/errno.h"
#include "kernel/base/events.h"
#include "kernel/base/extable.h"
#include "kernel/base/print.h"
#include "kernel/platform/cpu_tables.h"
#include "kernel/platform/panic.h"
#include "kernel/platform/trap_names.h"

/* Further ones are only counted, so that they do not flood the log. */
#define UNEXPECTED_LINES 8

#define GATE_INTERRUPT 0x8e /* present, ring 0, 64-bit interrupt gate: SDM vol. 3, 6.14.1 */

struct idt_gate {
    u16 offset_lo;
    u16 selector;
    u8 ist;
    u8 type;
    u16 offset_mid;
    u32 offset_hi;
    u32 zero;
};
static_assert(sizeof(struct idt_gate) == 16, "SDM vol. 3, figure 6-8");

extern const u64 trap_stubs[256];
void trap_dispatch(struct trap_frame *frame);

static struct idt_gate idt[256] ALIGNED(4096) SECTION(".ro_after_init");
static trap_handler handlers[256];
static bool (*nmi_handlers[4])(struct trap_frame *);
static trap_handler single_step;
static trap_handler machine_check;
static trap_handler unexpected;

void idt_init(void)
{
    for (u32 v = 0; v < 256; v++) {
        u64 target = trap_stubs[v];

        idt[v] = (struct idt_gate){
            .offset_lo = (u16)target,
            .selector = SEL_CODE,
            .type = GATE_INTERRUPT,
            .offset_mid = (u16)(target >> 16),
            .offset_hi = (u32)(target >> 32),
        };
    }
}

void idt_use_ist(void)
{
    idt[VEC_NMI].ist = IST_NMI;
    idt[VEC_DF].ist = IST_DF;
    idt[VEC_MC].ist = IST_MC;
}

void idt_load(void)
{
    struct table_ptr ptr = {sizeof(idt) - 1, (uintptr_t)idt};

    __asm__ volatile("lidt %0" : : "m"(ptr));
}

void idt_set_handler(u8 vector, trap_handler fn)
{
    ASSERT(vector >= VEC_NR_EXCEPTIONS);
    __atomic_store_n(&handlers[vector], fn, __ATOMIC_RELEASE);
}

void idt_set_single_step(trap_handler fn)
{
    __atomic_store_n(&single_step, fn, __ATOMIC_RELEASE);
}

int nmi_register(bool (*fn)(struct trap_frame *))
{
    for (u32 i = 0; i < ARRAY_SIZE(nmi_handlers); i++) {
        if (!nmi_handlers[i]) {
            __atomic_store_n(&nmi_handlers[i], fn, __ATOMIC_RELEASE);
            return 0;
        }
    }
    return -ENOSPC;
}

void idt_set_machine_check(trap_handler fn)
{
    __atomic_store_n(&machine_check, fn, __ATOMIC_RELEASE);
}

void idt_set_unexpected(trap_handler fn)
{
    __atomic_store_n(&unexpected, fn, __ATOMIC_RELEASE);
}

static bool nmi_handled(struct trap_frame *frame)
{
    bool handled = false;

    for (u32 i = 0; i < ARRAY_SIZE(nmi_handlers); i++) {
        bool (*fn)(struct trap_frame *) = __atomic_load_n(&nmi_handlers[i], __ATOMIC_ACQUIRE);

        handled |= fn && fn(frame);
    }
    return handled;
}

/* Only faults that an access can raise; any other exception there is a bug. */
static bool expected_fault(struct trap_frame *frame)
{
    return (frame->vector == VEC_PF || frame->vector == VEC_GP || frame->vector == VEC_UD) &&
           extable_fixup(frame->rip, &frame->rip);
}

static void exception(struct trap_frame *frame)
{
    trap_handler step = __atomic_load_n(&single_step, __ATOMIC_ACQUIRE);
    trap_handler mc = __atomic_load_n(&machine_check, __ATOMIC_ACQUIRE);

    /* A panic's NMI may have merged with one that a handler would take for its own. */
    if (frame->vector == VEC_NMI && !panic_on_other_cpu() && nmi_handled(frame))
        return;
    if (frame->vector == VEC_DB && step) {
        step(frame);
        return;
    }
    if (frame->vector == VEC_MC && mc)
        mc(frame);
    if (expected_fault(frame))
        return;
    panic_trap(frame);
}

static void unexpected_interrupt(struct trap_frame *frame)
{
    trap_handler end = __atomic_load_n(&unexpected, __ATOMIC_ACQUIRE);

    event_count(EVENT_IRQ_UNEXPECTED);
    if (event_total(EVENT_IRQ_UNEXPECTED) <= UNEXPECTED_LINES)
        pr_warn("irq: CPU %u: interrupt at vector 0x%02lx, which nothing uses", cpu_number(),
                frame->vector);
    if (end)
        end(frame);
}

void trap_dispatch(struct trap_frame *frame)
{
    trap_handler fn;

    if (frame->vector < VEC_NR_EXCEPTIONS) {
        exception(frame);
        return;
    }
    fn = __atomic_load_n(&handlers[frame->vector], __ATOMIC_ACQUIRE);
    if (fn)
        fn(frame);
    else
        unexpected_interrupt(frame);
}
