/*
 * A panic: text, registers and stack trace with names, then the other CPUs are stopped and the run
 * ends. panic() itself is declared in kernel/base/print.h. Context: any CPU, any context, NMI
 * included. The first CPU to panic reports; the others stop.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_PANIC_H
#define PERCH_PLATFORM_PANIC_H

#include "kernel/base/trap.h"

/* Panic for an exception nobody expected. */
void panic_trap(struct trap_frame *frame) NORETURN;

/* How to stop the other CPUs (by NMI); set by main once there are any. */
void panic_set_stop_others(void (*fn)(void));

/* Names an address of a fault, as vspace_describe() does; returns the text's length, 0: unknown. */
void panic_set_describe(int (*fn)(u64 addr, char *buf, size_t size));

/* How the run ends after a panic; does not return. Until it is set: exit port, then halt. */
void panic_set_end(void (*fn)(void));

/* The stack that begins at frame pointer rbp, to the log, with symbol names. */
void print_stack_trace(u64 rip, u64 rbp);

#endif
