/*
 * Runs a function on other CPUs, by inter-processor interrupt. The caller waits until the function
 * has returned, and serves requests of other CPUs while it waits. No lock is held; calls of
 * different CPUs run at the same time. The protocol is in smp/call/call_core.h.
 *
 * Context: thread context on any online CPU, interrupts on. This is asserted: with interrupts off
 * two CPUs could wait for each other. So interrupt handlers and called functions make no calls. The
 * function runs with interrupts off and must be short. Nothing allocates.
 *
 * An argument must not live shorter than the function may run, and after a failed call it may run
 * at any later time. So there are two kinds of call, and no third: smp_call_*() takes an argument
 * that lives for ever (asserted: it is on no stack), and smp_call_*_copy() takes any other. What
 * such an argument points to lives for ever, too, or is not freed after a call that failed.
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
 * this CPU has not returned yet. arg: NULL, or memory that is never freed.
 */
int smp_call_on(u32 cpu, void (*fn)(void *arg), void *arg) MUST_CHECK;

/*
 * Runs fn(arg) on all online CPUs at the same time, this one included. A CPU that goes off-line
 * before it ran fn is left out. Errors as above.
 */
int smp_call_all(void (*fn)(void *arg), void *arg) MUST_CHECK;

/* The same on the online CPUs of a set, words[CPUMAP_WORDS]; NULL: all. */
int smp_call_set(const u64 *words, void (*fn)(void *arg), void *arg) MUST_CHECK;

/*
 * The same for an argument of any lifetime, of at most CALL_COPY_MAX bytes: fn gets a copy of *arg,
 * one for all CPUs, which is copied back when the result is 0 or -ENODEV. Nobody else may change
 * *arg meanwhile.
 */
#define smp_call_on_copy(cpu, fn, arg)                                                             \
    smp_call_on_bytes(cpu, fn, arg, sizeof(*(arg)) + CALL_FITS(arg))
#define smp_call_all_copy(fn, arg) smp_call_set_copy(NULL, fn, arg)
#define smp_call_set_copy(words, fn, arg)                                                          \
    smp_call_set_bytes(words, fn, arg, sizeof(*(arg)) + CALL_FITS(arg))

/* 0, or no compilation. */
#define CALL_FITS(arg) (0 * sizeof(char[sizeof(*(arg)) <= CALL_COPY_MAX ? 1 : -1]))

int smp_call_on_bytes(u32 cpu, void (*fn)(void *arg), void *arg, u32 size) MUST_CHECK;
int smp_call_set_bytes(const u64 *words, void (*fn)(void *arg), void *arg, u32 size) MUST_CHECK;

/* The requests; smp/call/call_hw.h serves and refuses them. */
extern struct call_kind smp_calls;

/* For the NMI handler: if this CPU was asked where it is, notes the interrupted RIP and flags. */
void smp_call_nmi(struct trap_frame *frame);

#endif
