/*
 * The idle loop. An idle CPU serves calls, does deferred work, parks when asked (smp/run/park.h),
 * and otherwise halts until an interrupt. No tick wakes it; a timer does while there is work for a
 * later time, which ends. So an idle machine costs its host nothing. No wake-up is lost. Every CPU
 * but the boot CPU runs this loop, in thread context. smp/run/idle_set.h has the set of idle CPUs;
 * kernel/platform/percpu_cpus.c chooses the one that gets the per-CPU allocator's deferred work.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_IDLE_H
#define PERCH_SMP_RUN_IDLE_H

#include "kernel/base/types.h"

/*
 * Work that an idle CPU does for others.
 *  - who writes: the caller of cpu_idle_set_ops(): *ops, then the pointer;
 *  - who reads: each idle CPU, in every turn of its loop;
 *  - which order: exchanged with acquire and release, and acquired. A CPU may still be in the old
 *    functions, so these live for ever.
 */
struct cpu_idle_ops {
    /*
     * Is there work for this CPU? Interrupts off, short. Code that makes it true for another CPU
     * calls cpu_kick() afterwards. The CPU does not sleep while it is true, so it must be true only
     * for work that work() can do now.
     */
    bool (*pending)(void *ctx);
    /* Does some of the work. Thread context, interrupts on, no lock held; may shoot down, call. */
    void (*work)(void *ctx);
    /*
     * The longest sleep in nanoseconds, after pending() was false; 0: no limit. Interrupts off,
     * short. NULL: no limit.
     */
    u64 (*sleep)(void *ctx);
    void *ctx;
};

/* Runs the loop for ever; turns interrupts on. An online CPU, on its own stack. */
void cpu_idle(void) NORETURN;

/*
 * Sets the work of idle CPUs; NULL: none. Returns the old ops. A CPU may still be using those, so
 * ops are never freed. Any context.
 */
const struct cpu_idle_ops *cpu_idle_set_ops(const struct cpu_idle_ops *ops);

#endif
