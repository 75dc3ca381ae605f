/*
 * Interrupts that nobody asked for, and the pin of those from outside.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/events.h"
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
