/*
 * Runs a function on another CPU, by inter-processor interrupt. The caller waits until it is done
 * and meanwhile serves what other CPUs ask of it. No lock is held; calls of different CPUs run at
 * the same time. smp/call/call_core.h has the protocol.
 *
 * Context: thread context on any online CPU, interrupts on (asserted: with interrupts off two CPUs
 * could wait for each other). So never from an interrupt handler or a called function. The function
 * runs with interrupts off, must be short, and must not call in turn. Nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_CALL_H
#define PERCH_SMP_CALL_CALL_H

#include "kernel/base/errno.h"
#include "kernel/base/trap.h"
#include "kernel/base/types.h"

/*
 * Runs fn(arg) on cpu, which may be this one. 0; -ENODEV: cpu is not online, or went off-line
 * before it ran fn; -ETIMEDOUT: it answered neither the interrupt nor an NMI, so fn never runs, or
 * fn does not return; a line says where the CPU is. -EBUSY: an earlier call of this CPU has not
 * returned yet.
 */
int smp_call_on(u32 cpu, void (*fn)(void *arg), void *arg) MUST_CHECK;

/*
 * Runs fn(arg) on all online CPUs, this one too, at the same time. A CPU that goes off-line before
 * it ran fn is left out. Errors as above.
 */
int smp_call_all(void (*fn)(void *arg), void *arg) MUST_CHECK;

/* The same on a set of CPUs, words[CPUMAP_WORDS]; members that are not online are left out. */
int smp_call_set(const u64 *words, void (*fn)(void *arg), void *arg) MUST_CHECK;

/* Serves what waits for this CPU. True: there was something. Interrupts off. */
bool smp_call_serve(void);

/*
 * How long a call waits before the NMI, and again before it fails, in TSC ticks; it starts anew
 * when a target has finished. Set by the boot; tests shorten it. Returns the old value.
 */
u64 smp_call_set_deadline(u64 ticks);

/* This CPU has left the online set: no function of anybody runs here now. Interrupts off. */
void smp_call_refuse(void);

/* The handler of VEC_CALL; and in an NMI, the answer of a silent CPU that was asked where it is. */
void smp_call_interrupt(struct trap_frame *frame);
void smp_call_nmi(struct trap_frame *frame);

#endif
