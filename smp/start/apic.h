/*
 * The local APIC of each CPU, in xAPIC or x2APIC mode behind one interface: the same mode on all
 * CPUs, chosen by the boot CPU (smp/start/apic_mode.h). Intel SDM vol. 3, chapter 11.
 *
 * Context: after apic_init_boot() on the boot CPU and apic_init_cpu() on each other; what sends may
 * be called with interrupts on or off, NMI included only where said.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_APIC_H
#define PERCH_SMP_START_APIC_H

#include "smp/start/apic_mode.h"

struct apic_config {
    u32 max_apic_id; /* of the machine's enabled processors */
    /* xAPIC only: maps one page of registers, uncached; NULL: cannot. */
    void *(*map_mmio)(void *ctx, u64 pa, u64 size);
    void *ctx;
};

/*
 * Chooses the mode, switches this CPU to it and sets its APIC up: spurious and error vector on,
 * every LVT entry masked but LINT1 (NMI), nothing blocked by priority. Boot CPU, interrupts off,
 * once. Says the mode in one line. -ENODEV: no usable APIC; -ENOMEM: registers not mapped.
 */
int apic_init_boot(const struct apic_config *config) MUST_CHECK;

/*
 * The same set-up for the CPU that runs this. Interrupts off. -EIO: it cannot be brought into the
 * boot CPU's mode.
 */
int apic_init_cpu(void) MUST_CHECK;

enum apic_mode apic_mode(void);
u32 apic_id(void);

/* Interrupts a CPU at a vector from 16 up; returns when the APIC has accepted the order. */
void apic_send_ipi(u32 apic_id, u8 vector);
/* May be called from an NMI. */
void apic_send_nmi(u32 apic_id);
/* An NMI to all CPUs but this one: how a panic stops them. May be called from an NMI. */
void apic_send_nmi_others(void);
/* Resets a processor to wait for a start-up; and starts it in real mode at page << 12. */
void apic_send_init(u32 apic_id);
void apic_send_startup(u32 apic_id, u8 page);

/* At the end of every interrupt but spurious and NMI. */
void apic_eoi(void);

/* Reads and clears the error status (SDM 11.5.3); 0: no error. */
u32 apic_error(void);

/*
 * The timer, divided by 16: vector and mask, initial count, remaining count. Perch is tickless; the
 * suites take their interrupts from it (tests/suite/lapic_timer.c).
 */
void apic_timer_setup(u8 vector, bool masked);
void apic_timer_start(u32 count);
u32 apic_timer_left(void);

#endif
