/*
 * The local APIC of each CPU. One interface covers xAPIC and x2APIC mode. The boot CPU chooses the
 * mode (smp/start/apic_mode.h), and all CPUs use the same one. Intel SDM vol. 3, chapter 11.
 *
 * Context: a CPU that has run apic_init_boot() or apic_init_cpu(). Sending works with interrupts on
 * or off; from an NMI only where a function allows it.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_APIC_H
#define PERCH_SMP_START_APIC_H

#include "smp/start/apic_mode.h"

struct apic_config {
    u32 max_apic_id; /* of the machine's enabled processors */
    /* xAPIC only: maps one page of registers, uncached. NULL: failed. */
    void *(*map_mmio)(void *ctx, u64 pa, u64 size);
    void *ctx;
};

/*
 * Chooses the mode, switches this CPU to it and sets its APIC up: spurious and error vectors on,
 * every LVT entry masked but LINT1 (NMI) and CMCI, nothing blocked by priority. Logs the mode in
 * one line.
 * Boot CPU, interrupts off, once. -ENODEV: no usable APIC; -ENOMEM: registers not mapped.
 */
int apic_init_boot(const struct apic_config *config) MUST_CHECK;

/*
 * The same set-up on another CPU, LINT1 masked too. Interrupts off. -EIO: it cannot enter the boot
 * CPU's mode.
 */
int apic_init_cpu(void) MUST_CHECK;

enum apic_mode apic_mode(void);
u32 apic_id(void);

/*
 * Sends an order to one CPU: an interrupt vector (16 and up), or one of the orders below. Returns
 * when the APIC has accepted it. With APIC_NMI it may be called from an NMI.
 */
void apic_send(u32 apic_id, u32 order);
#define APIC_NMI           (4u << 8)
#define APIC_INIT          (5u << 8)               /* resets the CPU to wait for a start-up */
#define APIC_STARTUP(page) (6u << 8 | (u32)(page)) /* starts it in real mode at page << 12 */

/* Signals the end of an interrupt. All handlers call it, except those of spurious ones and NMIs. */
void apic_eoi(void);

/*
 * Is an interrupt at this vector in service on this CPU? One that came by another way than the
 * local APIC (the 8259, an INT instruction) is not, and its EOI would end another's service.
 */
bool apic_in_service(u8 vector);

/* For tests: is this CPU's NMI pin (LINT1) open? */
bool apic_nmi_pin_open(void);

/* Reads and clears the error status (SDM vol. 3, 11.5.3); 0: no error. */
u32 apic_error(void);

/*
 * For smp/run/lapic_timer.c. The timer counts at its clock divided by 16: vector and mask, initial
 * count, remaining count.
 */
void apic_timer_setup(u8 vector, bool masked);
void apic_timer_start(u32 count);
u32 apic_timer_left(void);

#endif
