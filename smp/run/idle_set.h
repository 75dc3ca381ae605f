/*
 * Which CPUs are idle now, for code that has work to hand out. The choice for the per-CPU
 * allocator's deferred work is in kernel/platform/percpu_cpus.c. Only a hint: a CPU found here may
 * become busy; then the work waits until it is idle again.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_IDLE_SET_H
#define PERCH_SMP_RUN_IDLE_SET_H

#include "kernel/base/types.h"

/* Enters this CPU in the set, or removes it. Only for its idle loop. */
void cpu_mark_idle(bool idle);

/* The first idle online CPU at or after `from`, else the first one. NR_CPUS: none. Any context. */
u32 cpu_idle_pick(u32 from);

/*
 * Interrupts another CPU, so that its idle loop checks for work again. Does nothing for this CPU,
 * or one that is not online. Any context but NMI.
 */
void cpu_kick(u32 cpu);

#endif
