/*
 * What a CPU does when it has nothing to do: work that was put off, and then it halts until an
 * interrupt. No tick wakes it, so an idle machine costs its host nothing; no wake-up is lost.
 *
 * Every CPU but the boot CPU runs this loop in thread context. It is also where a CPU parks
 * (smp/park.h).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_IDLE_H
#define PERCH_SMP_IDLE_H

#include "kernel/base/types.h"

/* Work that an idle CPU does for others. */
struct cpu_idle_ops {
    /*
     * Is there work for this CPU? Interrupts off, short. Whoever makes it true for another CPU
     * calls cpu_kick() afterwards. As long as it is true the CPU does not sleep, so what work()
     * cannot do now must not be reported.
     */
    bool (*pending)(void *ctx);
    /* Does some of it. Thread context, interrupts on, no lock held; may shoot down and call. */
    void (*work)(void *ctx);
    void *ctx;
};

/* Serves, works and sleeps, for ever. An online CPU, on its own stack; turns interrupts on. */
void cpu_idle(void) NORETURN;

/*
 * What idle CPUs do from now on; NULL: nothing. Returns what it was before, which a CPU that is at
 * work may still be using: ops are never freed. Any context.
 */
const struct cpu_idle_ops *cpu_idle_set_ops(const struct cpu_idle_ops *ops);

/*
 * An online CPU that is idle now (in its loop, not at work), the first at or after `from`, then
 * from 0 on, among words[CPUMAP_WORDS] (NULL: any). NR_CPUS: none. It may be busy by the time it is
 * kicked; then the work waits until it is idle again. Any context.
 */
u32 cpu_idle_pick(u32 from, const u64 *words);

/* Makes a CPU's idle loop look again, by an interrupt. Any context but NMI; nothing if it is us. */
void cpu_kick(u32 cpu);

/* Interrupts off and halted for ever: a CPU that must not run. Any context. */
void cpu_halt_forever(void) NORETURN;

#endif
