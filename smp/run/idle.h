/*
 * The idle loop: a CPU with nothing to do serves calls, does deferred work, parks when asked
 * (smp/run/park.h), and otherwise halts until an interrupt. No tick wakes it, so an idle machine
 * costs its host nothing. No wake-up is lost. Every CPU but the boot CPU runs this loop, in thread
 * context. Which CPUs are idle is in smp/run/idle_set.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_IDLE_H
#define PERCH_SMP_RUN_IDLE_H

#include "kernel/base/types.h"

/* Work that an idle CPU does for others. */
struct cpu_idle_ops {
    /*
     * Is there work for this CPU? Interrupts off, short. Whoever makes it true for another CPU
     * calls cpu_kick() afterwards. While it is true the CPU does not sleep, so it must not report
     * what work() cannot do now.
     */
    bool (*pending)(void *ctx);
    /* Does some of it. Thread context, interrupts on, no lock held; may shoot down and call. */
    void (*work)(void *ctx);
    void *ctx;
};

/* The loop; turns interrupts on. An online CPU, on its own stack. */
void cpu_idle(void) NORETURN;

/*
 * Sets what idle CPUs do from now on; NULL: nothing. Returns the old ops. A CPU at work may still
 * use them, so ops are never freed. Any context.
 */
const struct cpu_idle_ops *cpu_idle_set_ops(const struct cpu_idle_ops *ops);

#endif
