/*
 * The interrupt hardware from before the local APIC: the two 8259 controllers and the I/O APICs.
 * Perch uses none of them; this module promises that they never interrupt it, whatever firmware
 * left behind, and that a spurious 8259 interrupt does not look like a CPU exception.
 * Context: boot CPU, interrupts off.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_LEGACY_IRQ_H
#define PERCH_PLATFORM_LEGACY_IRQ_H

#include "kernel/base/types.h"

/*
 * Moves both 8259s to vectors 0x20-0x2f and masks all 16 lines. Harmless where there is none (the
 * ports then read as ones and ignore writes). Intel 8259A data sheet, "Initialization command
 * words".
 */
void legacy_irq_mask_8259(void);

/*
 * Acknowledges an interrupt of vectors 0x20-0x2f. IRQ 7 and 15 may be spurious, which the
 * in-service register shows: such an interrupt gets no EOI, but the slave's needs the master's.
 */
void legacy_irq_ack(u8 vector);

/*
 * Masks every line of the I/O APIC whose registers (4 KiB, uncached) are at regs, and makes it
 * edge-triggered to nowhere. Returns the number of its lines, 0 when no I/O APIC answers there.
 * Intel 82093AA data sheet, 3.2.
 */
u32 legacy_irq_mask_ioapic(volatile void *regs);

#endif
