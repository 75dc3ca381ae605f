/*
 * Interrupts that nobody asked for, and the pin of those from outside.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/events.h"
#include "kernel/platform/idt.h"
#include "smp/start/apic.h"
#include "tests/suite/kutil.h"

#define UNUSED_VECTOR 0xfc

static void send_unused(void *arg)
{
    u64 before = event_total(EVENT_IRQ_UNEXPECTED), flags = local_irq_save();
    struct deadline d = deadline_start(100000);

    apic_send(apic_id(), UNUSED_VECTOR);
    local_irq_enable();
    while (event_total(EVENT_IRQ_UNEXPECTED) == before && !deadline_passed(&d))
        cpu_relax();
    local_irq_restore(flags);
    CHECK(arg, event_total(EVENT_IRQ_UNEXPECTED) == before + 1);
    CHECK(arg, !apic_in_service(UNUSED_VECTOR));
    tally_ran(arg);
}

/* Without its EOI it would stay in service, and hold back every vector of its class and below. */
KTEST(vector, unexpected_ends)
{
    u64 nmis = event_total(EVENT_CALL_NMI);
    static struct tally t;
    u32 cpu;

    t = (struct tally){0};
    ktest_expect_event(EVENT_IRQ_UNEXPECTED);
    ktest_expect_lines();
    for_each_online_cpu(cpu) EXPECT_EQ(smp_call_on(cpu, send_unused, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
    for_each_online_cpu(cpu) EXPECT_EQ(smp_call_on(cpu, send_unused, &t), 0);
    EXPECT_EQ(event_total(EVENT_CALL_NMI), nmis);
}

#define OUTER_VECTOR 0xe1

static bool still_in_service;
static _Atomic u32 outer_came;

/* An instruction raises the unused vector: the local APIC knows nothing of it. */
static void outer(struct trap_frame *frame)
{
    __asm__ volatile("int %0" : : "i"(UNUSED_VECTOR) : "memory");
    still_in_service = apic_in_service((u8)frame->vector);
    apic_eoi();
    outer_came++;
}

/* What did not come from the local APIC gets no EOI: it would end the interrupt around it. */
KTEST(vector, unexpected_ends_only_itself)
{
    struct deadline d = deadline_start(1000000);
    u64 before = event_total(EVENT_IRQ_UNEXPECTED);

    still_in_service = false;
    outer_came = 0;
    ktest_expect_event(EVENT_IRQ_UNEXPECTED);
    ktest_expect_lines();
    idt_set_handler(OUTER_VECTOR, outer);
    apic_send(apic_id(), OUTER_VECTOR);
    while (!outer_came && !deadline_passed(&d))
        cpu_relax();
    idt_set_handler(OUTER_VECTOR, NULL);
    EXPECT_EQ(outer_came, 1);
    EXPECT_TRUE(still_in_service);
    EXPECT_EQ(event_total(EVENT_IRQ_UNEXPECTED), before + 1);
}

static void look_at_nmi_pin(void *arg)
{
    CHECK(arg, apic_nmi_pin_open() == (cpu_number() == 0));
    tally_ran(arg);
}

/* An NMI from outside comes to the boot CPU alone: one CPU reports it. */
KTEST(vector, nmi_pin_of_the_boot_cpu)
{
    static struct tally t;

    t = (struct tally){0};
    EXPECT_EQ(smp_call_all(look_at_nmi_pin, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}
