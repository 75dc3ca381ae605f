/*
 * The grace period by cross-call. When smp_quiesce() returns 0, every CPU that was online has been
 * outside its guard (cpu_guard_enter, kernel/base/cpu_local.h) since the call began. So a CPU that
 * read a word inside its guard before the word was changed has acted on it, and the effect is
 * visible; a CPU that reads it from now on sees the change. This is `quiesce` of struct percpu_lib.
 *
 * A CPU that comes online meanwhile need not be waited for: it reads after it is online, and the
 * change was made before the set was read. A CPU that goes off-line is in no guard.
 *
 * Context: thread context, interrupts on, outside the guard; several CPUs may call at the same
 * time. Nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_QUIESCE_H
#define PERCH_SMP_CALL_QUIESCE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

/* 0; what smp_call_set() gave (a CPU does not answer); -ETIMEDOUT: a CPU never leaves its guard. */
int smp_quiesce(void) MUST_CHECK;

#endif
