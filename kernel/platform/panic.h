/*
 * A panic: text, registers and stack trace with names; then the run ends. panic() itself is
 * declared in kernel/base/print.h. The first CPU to panic reports. It first stops the others with
 * an NMI, so that none writes into its text: kernel/stages/smp_stage.c gives smp_nmi_stop_others()
 * to panic_set_stop_others(). Each CPU that gets this NMI enters panic_trap() and halts there. An
 * NMI from outside (a BMC's diagnostic button) is a panic too; then one line says for each other
 * CPU where it was.
 *
 * Which CPU reports (`panic_cpu`), and where the others were (`stopped_at`, a word for each CPU):
 *  - who writes: `panic_cpu` the first CPU that panics, by a compare-and-swap, once; `stopped_at`
 *    each other CPU, its own, as its last store before it halts;
 *  - who reads: `panic_cpu` every CPU with an NMI, an exception or a panic; `stopped_at` the CPU
 *    that reports, until all have answered or the deadline is over;
 *  - which order: the compare-and-swap is acquire and release, so one CPU wins. `stopped_at` is
 *    released and acquired: when it is not 0, that CPU stores nothing more, to the log neither.
 *
 * Context: any CPU, any context, NMI included.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_PANIC_H
#define PERCH_PLATFORM_PANIC_H

#include "kernel/base/trap.h"

/* Panics for an unexpected exception, or halts this CPU when another one has panicked. */
void panic_trap(struct trap_frame *frame) NORETURN;

/* The same, with more lines after the first: more(arg) logs them. */
void panic_trap_with(struct trap_frame *frame, void (*more)(u64 arg), u64 arg) NORETURN;

/* Has another CPU panicked, which waits for this one to halt? Any context. */
bool panic_on_other_cpu(void);

/* Sets how to stop the other CPUs. Until then only the boot CPU runs. */
void panic_set_stop_others(void (*fn)(void));

/* Sets what names a faulting address, as vspace_describe(): the text's length, 0: unknown. */
void panic_set_describe(int (*fn)(u64 addr, char *buf, size_t size));

/* Sets how the run ends; fn does not return. Until then: exit port, then halt. */
void panic_set_end(void (*fn)(void));

/* Logs the call trace from rip and frame pointer rbp on, with symbol names. */
void print_stack_trace(u64 rip, u64 rbp);

#endif
