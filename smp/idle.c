/*
 * The idle loop; see idle.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/idle.h"

#include "kernel/base/cpu.h"
#include "smp/call.h"

/* Checking with interrupts off and sleeping by STI;HLT leaves no gap that loses a wake-up. */
void cpu_idle(void)
{
    for (;;) {
        local_irq_disable();
        if (!smp_call_serve())
            cpu_sleep();
    }
}

void cpu_park(void)
{
    for (;;) {
        local_irq_disable();
        cpu_halt();
    }
}
