/*
 * The handlers of the local APIC's interrupt vectors and of Perch's own NMIs, on every CPU.
 * Interrupts before the local APIC are in kernel/platform/legacy_irq.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_VECTORS_H
#define PERCH_SMP_RUN_VECTORS_H

#include "kernel/base/errno.h"
#include "kernel/base/trap.h"

/*
 * Sets the handlers of calls, shoot-downs, the timer, APIC errors and spurious interrupts, and adds
 * an NMI handler. Boot CPU, once, before its interrupts are turned on. -ENOSPC: too many NMI
 * handlers.
 */
int smp_init_vectors(void (*set_handler)(u8 vector, trap_handler fn),
                     int (*nmi_register)(bool (*fn)(struct trap_frame *))) MUST_CHECK;

/* For tests, which expect 0: local APIC errors so far, on all CPUs. Any context. */
u64 smp_apic_errors(void);

#endif
