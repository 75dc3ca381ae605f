/*
 * Takes CPUs off-line and back at run time. A parked CPU has left the online set: it gets no calls
 * and no shoot-downs, and halts with interrupts off. Its memory, its unit and its state stay. A
 * possible CPU that maxcpus= left out at boot is started for the first time in the same way. The
 * order of the steps, and why no shoot-down or call is lost, is in smp/run/park_core.h.
 *
 * For tests: the kernel itself parks no CPU. Parking and waking are the interface for hot-plug and
 * power management, and they test that the other modules stay correct when CPUs come and go.
 *
 * Context: thread context on an online CPU, interrupts on, one request at a time on the whole
 * machine (-EBUSY: another is under way). The CPU to park must reach its idle loop.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_PARK_H
#define PERCH_SMP_RUN_PARK_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

/* Functions to run when CPUs come and go; each may be NULL. */
struct cpu_hooks {
    /*
     * On the CPU that asks, before `cpu` is online for the first time: prepares what it needs. An
     * error refuses the wake; the next wake calls the hook again, and what it did before stays. May
     * shoot down, call, and take locks that are taken with interrupts on.
     */
    int (*first_online)(void *ctx, u32 cpu);
    /* On the CPU itself, in its idle loop, interrupts on, still online. May shoot down and call. */
    void (*parking)(void *ctx, u32 cpu);
    /*
     * After that, interrupts off, still online: the last thing it does, for what interrupts have
     * done since `parking`. Makes no call.
     */
    void (*parked)(void *ctx, u32 cpu);
    /* On the CPU itself, interrupts on: the first thing it does when it is online. */
    void (*woken)(void *ctx, u32 cpu);
    void *ctx;
};

/*
 * Adds and removes hooks. first_online and woken run in the order of adding, parking in reverse.
 * *hooks must stay valid until removed. -ENOSPC: more than 4; -EBUSY: a CPU is parking or waking;
 * -ENOENT: they were not added.
 */
int cpu_hooks_add(const struct cpu_hooks *hooks) MUST_CHECK;
int cpu_hooks_remove(const struct cpu_hooks *hooks) MUST_CHECK;

/*
 * Takes an online CPU off-line; returns when it is parked. -EINVAL: the boot CPU or the caller;
 * -ENODEV: not online; -ETIMEDOUT, with a log line: it did not reach its idle loop and stays
 * online, or its hooks have not ended and it parks when they do.
 */
int cpu_park_request(u32 cpu) MUST_CHECK;

/*
 * Brings a parked CPU back, or starts one that never ran; returns when its hooks have run.
 * -EEXIST: it is online; -ENODEV: not a possible CPU, or it cannot be started; -ETIMEDOUT: it did
 * not answer (a log line names the stage where a first start stopped); or an error of first_online.
 */
int cpu_wake(u32 cpu) MUST_CHECK;

/* The number of CPUs parked now. Any context. */
u32 cpus_parked(void);

/*
 * After a shoot-down: may a CPU that was not asked still hold what it dropped? A parked CPU keeps
 * entries of its paging-structure caches, also of tables that are freed later, and a speculative
 * walk through one sets the accessed flag in whatever the page is then (SDM vol. 3, 4.8, 4.10.2.3,
 * 4.10.3). So tables are freed only when this is false. Any context.
 *  - who writes: the CPU itself, one up before it leaves the online set, one down after the full
 *    flush by which it comes back;
 *  - who reads: a CPU that has unlinked tables and whose shoot-down has returned;
 *  - which order: sequentially consistent. If the shoot-down did not see the CPU in the set, the
 *    CPU counted before; and if it does not count any more, it has flushed.
 */
bool cpus_unflushed(void);

/* ---- for the idle loop and the vectors ------------------------------------------------------- */

/* True: this CPU is asked to park, or must run its hooks after a first start. Any context. */
bool cpu_park_asked(void);

/* Does what was asked; returns when the CPU is online again. Idle loop, interrupts on. */
void cpu_park_now(void);

/* For every NMI: moves rip back if the parked CPU would otherwise halt in spite of the NMI. */
void cpu_park_nmi(u64 *rip);

#endif
