/*
 * Running a function on another CPU, by inter-processor interrupt: the caller waits until it is
 * done, and serves what others ask of it meanwhile. No lock is held; calls of different CPUs run at
 * the same time. The protocol is in smp/call_core.h.
 *
 * Context: thread context on any online CPU, interrupts on (asserted: with interrupts off two CPUs
 * could wait for each other), so never from an interrupt handler nor from a called function. The
 * function runs with interrupts off; it must be short, and must not call in turn. Nothing
 * allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_H
#define PERCH_SMP_CALL_H

#include "kernel/base/errno.h"
#include "kernel/base/trap.h"
#include "kernel/base/types.h"

/*
 * Runs fn(arg) on cpu, which may be this one. 0; -ENODEV: cpu is not online, or went off-line
 * before it ran fn; -ETIMEDOUT: it did not answer the interrupt, nor after an NMI, and a line says
 * where it hangs: fn did not run and never will, or does not return; -EBUSY: such an earlier call
 * of this CPU still has not returned.
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
 * when a target has finished. Set by the bring-up; tests shorten it. Returns the old value.
 */
u64 smp_call_set_deadline(u64 ticks);

/* This CPU has left the online set: no function of anybody runs here now. Interrupts off. */
void smp_call_refuse(void);

/* The handler of VEC_CALL; and in an NMI, the answer of a silent CPU that was asked where it is. */
void smp_call_interrupt(struct trap_frame *frame);
void smp_call_nmi(struct trap_frame *frame);

#endif
