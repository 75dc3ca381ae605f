/*
 * Which CPUs are idle now, for whoever has work to hand out. Only a hint: a CPU found here may be
 * busy a moment later, and then the work waits until it is idle again.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_IDLE_SET_H
#define PERCH_SMP_RUN_IDLE_SET_H

#include "kernel/base/types.h"

/* This CPU is idle, or is not. Its idle loop only. */
void cpu_mark_idle(bool idle);

/*
 * An idle online CPU: the first at or after `from`, then the first from 0 on. words[CPUMAP_WORDS]
 * limits the choice; NULL: any CPU. NR_CPUS: none. Any context.
 */
u32 cpu_idle_pick(u32 from, const u64 *words);

/*
 * Makes another CPU's idle loop look for work again, by an interrupt; does nothing for this CPU or
 * one that is not online. Any context but NMI.
 */
void cpu_kick(u32 cpu);

#endif
