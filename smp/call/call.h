/*
 * Runs a function on other CPUs, by inter-processor interrupt. The caller waits until the function
 * has returned, and serves requests of other CPUs while it waits. No lock is held; calls of
 * different CPUs run at the same time. The protocol is in smp/call/call_core.h.
 *
 * Context: thread context on any online CPU, interrupts on. This is asserted: with interrupts off
 * two CPUs could wait for each other. So interrupt handlers and called functions make no calls. The
 * function runs with interrupts off and must be short. Nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_CALL_H
#define PERCH_SMP_CALL_CALL_H

#include "kernel/base/errno.h"
#include "kernel/base/trap.h"
#include "kernel/base/types.h"
#include "smp/call/call_hw.h"

/*
 * Runs fn(arg) on cpu, which may be this one. 0; -ENODEV: cpu is not online, or went off-line
 * before fn ran; -ETIMEDOUT: cpu answered neither the interrupt nor an NMI (fn never runs), or fn
 * does not return; a log line has the CPU's RIP if it is known; -EBUSY: an earlier call made by
 * this CPU has not returned yet.
 */
int smp_call_on(u32 cpu, void (*fn)(void *arg), void *arg) MUST_CHECK;

/*
 * Runs fn(arg) on all online CPUs at the same time, this one included. A CPU that goes off-line
 * before it ran fn is left out. Errors as above.
 */
int smp_call_all(void (*fn)(void *arg), void *arg) MUST_CHECK;

/* The same on the online CPUs of a set, words[CPUMAP_WORDS]; NULL: all. */
int smp_call_set(const u64 *words, void (*fn)(void *arg), void *arg) MUST_CHECK;

/* The requests; smp/call/call_hw.h serves and refuses them. */
extern struct call_kind smp_calls;

/* For the NMI handler: if this CPU was asked where it is, notes the interrupted RIP and flags. */
void smp_call_nmi(struct trap_frame *frame);

#endif
