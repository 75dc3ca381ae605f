/*
 * The external interrupt controllers: the two 8259s and the I/O APICs. Perch does not use them.
 * This module promises that they never interrupt it, whatever state firmware left them in, and that
 * a spurious 8259 interrupt does not look like a CPU exception.
 * Context: boot CPU, interrupts off.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_LEGACY_IRQ_H
#define PERCH_PLATFORM_LEGACY_IRQ_H

#include "kernel/base/types.h"

/*
 * Moves both 8259s to vectors 0x20-0x2f and masks all 16 lines. Harmless without an 8259: the ports
 * ignore writes. Intel 8259A data sheet, "Initialization command words".
 */
void legacy_irq_mask_8259(void);

/*
 * Acknowledges an interrupt of vectors 0x20-0x2f. IRQ 7 and 15 may be spurious; then their bit in
 * the in-service register is clear. A spurious interrupt is not acknowledged at its controller, but
 * one of the slave is acknowledged at the master.
 */
void legacy_irq_ack(u8 vector);

/*
 * Masks every line of the I/O APIC with its registers (uncached) at regs, and clears its
 * routing. Returns the number of its lines; 0 when no I/O APIC answers. Intel 82093AA data sheet,
 * 3.2.
 */
u32 legacy_irq_mask_ioapic(volatile void *regs);

#endif
