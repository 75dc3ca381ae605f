/*
 * One-shot timer interrupts on the CPU that asks for them, by its local APIC. Perch is tickless:
 * nothing uses the timer unless it was asked to. Promises that the function runs once, on this CPU,
 * not before its time.
 *
 * Context: per CPU, after lapic_timer_init(); the function runs with interrupts off.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_LAPIC_TIMER_H
#define PERCH_SMP_LAPIC_TIMER_H

#include "kernel/base/errno.h"
#include "kernel/base/trap.h"
#include "kernel/base/types.h"

/*
 * Measures the timer's frequency against the TSC (tsc_hz ticks per second), to 1/32. Takes 1 ms,
 * and up to 1 s where a hypervisor keeps this CPU waiting at the wrong moments. Any CPU, once,
 * interrupts off for the time; the timer of this CPU must be idle. -EIO: it does not count, or was
 * interrupted each time.
 */
int lapic_timer_init(u64 tsc_hz) MUST_CHECK;

/* Ticks per second; 0 before lapic_timer_init(). */
u64 lapic_timer_hz(void);

/*
 * Calls fn(arg) on this CPU after ns nanoseconds, in place of an earlier one that has not come yet.
 * -ENODEV: not initialised; -ERANGE: 0, or longer than the counter holds (some seconds).
 */
int lapic_timer_start(u64 ns, void (*fn)(void *arg), void *arg) MUST_CHECK;

/* Takes this CPU's timer back. True: it had not come. */
bool lapic_timer_cancel(void);

/* Nanoseconds until this CPU's timer comes, 0 when none is set. */
u64 lapic_timer_left(void);

/* The handler of VEC_TIMER. */
void lapic_timer_interrupt(struct trap_frame *frame);

#endif
