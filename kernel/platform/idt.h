/*
 * The interrupt descriptor table, one for all CPUs: built once by the boot CPU, and read-only once
 * the final page tables are loaded. An exception without a handler either has a fix-up in the
 * exception table or ends in a panic with registers and stack trace.
 * Intel SDM vol. 3, chapter 6.
 *
 * A handler is one word, set while interrupts may come:
 *  - who writes: the CPU that calls a function below; NMI handlers are only added, by the boot CPU;
 *  - who reads: trap_dispatch() on any CPU, once for each interrupt, before it calls;
 *  - which order: released and acquired, so a handler finds what was made before it was set. One
 *    that is replaced may still run on another CPU: handlers are code, which is never freed.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_IDT_H
#define PERCH_PLATFORM_IDT_H

#include "kernel/base/trap.h"

/* Fills the table. Boot CPU, before any code that may fault; allocates nothing. */
void idt_init(void);

/*
 * Makes NMI, double fault and machine check use the TSS's stacks (enum ist_index). Boot CPU, after
 * cpu_tables_load(), before the table becomes read-only.
 */
void idt_use_ist(void);

/* Loads the table on this CPU. */
void idt_load(void);

/* Sets the handler of a vector from 32 up; NULL: none. Any CPU, before the vector can fire. */
void idt_set_handler(u8 vector, trap_handler fn);

/*
 * Sets the handler of the trap after each instruction while RFLAGS.TF is set (SDM vol. 3,
 * 17.3.1.4); it counts instructions for benchmarks. It runs on the interrupted stack. NULL: such a
 * trap is a bug. Any CPU, while no CPU has TF set.
 */
void idt_set_single_step(trap_handler fn);

/* Sets the handler of machine checks, on their own stack. Until then one is a bug. Boot CPU. */
void idt_set_machine_check(trap_handler fn);

/*
 * Sets what ends an interrupt at a vector without a handler (its EOI). Each is counted as
 * EVENT_IRQ_UNEXPECTED. Boot CPU, before interrupts are turned on.
 */
void idt_set_unexpected(trap_handler fn);

/*
 * Adds an NMI handler. All are called for every NMI, on the CPU that got it; an NMI is fatal unless
 * one of them returns true ("mine"). 0; -ENOSPC: more than 4.
 */
int nmi_register(bool (*fn)(struct trap_frame *));

#endif
