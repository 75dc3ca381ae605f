/*
 * One-shot timer interrupts on the CPU that asks for them, by its local APIC. Promises that the
 * function runs once, on this CPU, not before its time. Perch is tickless: the timer ends an idle
 * CPU's sleep when the CPU has work at a certain time, and the suites interrupt code with it at any
 * instruction. A load that comes again and again leaves room for what it interrupts, on a machine
 * of any speed (lapic_timer_again()).
 *
 * Context: any CPU; the function runs with interrupts off.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_LAPIC_TIMER_H
#define PERCH_SMP_RUN_LAPIC_TIMER_H

#include "kernel/base/errno.h"
#include "kernel/base/trap.h"
#include "kernel/base/types.h"

/*
 * Ticks per second. The first call measures them against the TSC, to 1/32, with interrupts off: in
 * 0.1 ms, or up to 1 s where a hypervisor keeps this CPU waiting at the wrong moments. 0: the timer
 * does not count, or each measurement was interrupted.
 */
u64 lapic_timer_hz(void);

/*
 * Calls fn(arg) on this CPU after ns nanoseconds, in place of an earlier one that is still pending.
 * -ENODEV: not measured yet; -ERANGE: 0, or longer than the counter holds (some seconds).
 */
int lapic_timer_start(u64 ns, void (*fn)(void *arg), void *arg) MUST_CHECK;

/*
 * As lapic_timer_start(), from inside of the function that runs now, so that it comes again: after
 * ns, or later where it took long. Three times as long as that is left to what it interrupts: where
 * an interrupt costs more than ns, that would never run otherwise.
 */
int lapic_timer_again(u64 ns, void (*fn)(void *arg), void *arg) MUST_CHECK;

/*
 * Ends this CPU's sleep after ns nanoseconds (0: at once), at most two seconds.
 * No effect while its timer is set already, or where it was not measured. Interrupts off.
 */
void lapic_timer_wake(u64 ns);

/* The handler of VEC_TIMER. */
void lapic_timer_interrupt(struct trap_frame *frame);

/* Takes this CPU's timer back. True: it was pending. */
bool lapic_timer_cancel(void);

/* Nanoseconds until this CPU's timer fires, 0 when none is set. */
u64 lapic_timer_left(void);

#endif
