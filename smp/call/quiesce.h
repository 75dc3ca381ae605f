/*
 * Grace periods by cross-call. When smp_quiesce() returns 0, every CPU that was online has been
 * outside its guard (cpu_guard_enter, kernel/base/cpu_local.h) since the call began. If the caller
 * changed a word before, a CPU that read the old value inside its guard has left the guard, its
 * effects are visible, and every later read sees the change. This is `quiesce` of struct
 * percpu_lib.
 *
 * A CPU that comes online during the call is not waited for: the change was made before the online
 * set was read, so it reads the new value. A CPU that goes off-line is in no guard.
 *
 * The number of the latest grace period in which a CPU was seen outside its guard:
 *  - who writes: the CPU itself, in the handler of a call, when it interrupted no guard;
 *  - who reads: every CPU that waits for a grace period of that number or a lower one;
 *  - which order: the number is taken by a read-modify-write after the caller's change, and the
 *    call itself orders that change before the handler. The note is released and acquired, so what
 *    the CPU did in its guard before is visible. A CPU comes online, and reads the change, in one
 *    order with the caller, who changes first and then reads the online set: both are locked
 *    instructions on x86, which no later load passes.
 *
 * Context: thread context, interrupts on, outside the guard; several CPUs may call at the same
 * time. Nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_QUIESCE_H
#define PERCH_SMP_CALL_QUIESCE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

/* 0; errors of smp_call_set(): a CPU does not answer; -ETIMEDOUT: a CPU never leaves its guard. */
int smp_quiesce(void) MUST_CHECK;

#endif
