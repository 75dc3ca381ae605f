/*
 * The grace period by cross-call: when smp_quiesce() returns 0, every CPU that was online has been
 * outside of its guard (cpu_guard_enter, kernel/base/cpu_local.h) since the call began. So whoever
 * looked at a word before it was changed, inside of a guard, has acted on it, and that is visible;
 * who looks from now on sees the change. This is the `quiesce` of a struct percpu_lib.
 *
 * A CPU that comes online meanwhile need not be waited for: it looks after it is online, and the
 * change was made before the caller looked who is. One that goes is in no guard.
 *
 * Context: thread context, interrupts on, outside of the guard; several CPUs may call at the same
 * time. Nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_QUIESCE_H
#define PERCH_SMP_QUIESCE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

/* 0; what smp_call_set() gave (a CPU does not answer); -ETIMEDOUT: a CPU never leaves its guard. */
int smp_quiesce(void) MUST_CHECK;

#endif
