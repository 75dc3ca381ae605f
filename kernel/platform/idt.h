/*
 * The interrupt descriptor table, one for all CPUs: built once by the boot CPU, mapped read-only as
 * soon as the final page tables are in force. Exceptions without a handler of their own go through
 * the exception table and otherwise end in a panic with registers and stack trace.
 * Intel SDM vol. 3, chapter 6.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_IDT_H
#define PERCH_PLATFORM_IDT_H

#include "kernel/base/trap.h"

/* Fills the table. Boot CPU, before anything may fault; allocates nothing. */
void idt_init(void);

/*
 * From now on NMI, double fault and machine check use the TSS's stacks 1, 2 and 3. Boot CPU, after
 * cpu_tables_load(), before the table becomes read-only.
 */
void idt_use_ist(void);

/* Loads the table on this CPU. */
void idt_load(void);

/* One handler per vector from 32 up; NULL takes it away. Any CPU, before the vector can fire. */
void idt_set_handler(u8 vector, trap_handler fn);

/*
 * Sets the handler of the trap after every instruction while RFLAGS.TF is set (SDM vol. 3,
 * 17.3.1.4). It runs on the interrupted stack. NULL: such a trap is a bug. Any CPU, while no CPU
 * has TF set.
 */
void idt_set_single_step(trap_handler fn);

/*
 * Asked for every NMI before it is treated as fatal; true means "was mine". At most 4; called in
 * NMI context on the CPU that got it. 0, or -ENOSPC.
 */
int nmi_register(bool (*fn)(struct trap_frame *));

/* Interrupts at vectors without a handler, on all CPUs; for the test that wants none. */
u64 idt_unexpected_count(void);

#endif
