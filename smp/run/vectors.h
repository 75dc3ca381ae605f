/*
 * What each interrupt vector of the local APIC, and the NMI, leads to on every CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_VECTORS_H
#define PERCH_SMP_RUN_VECTORS_H

#include "kernel/base/errno.h"
#include "kernel/base/trap.h"

/*
 * Takes the vectors for calls, shoot-downs, APIC errors and spurious interrupts, and a place among
 * the NMI handlers. Boot CPU, once, before its interrupts are turned on. -ENOSPC: no such place.
 */
int smp_init_vectors(void (*set_handler)(u8 vector, trap_handler fn),
                     int (*nmi_register)(bool (*fn)(struct trap_frame *))) MUST_CHECK;

/* Local APIC errors seen so far on all CPUs, for the test that wants none. Any context. */
u64 smp_apic_errors(void);

#endif
