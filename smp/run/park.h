/*
 * Takes CPUs off-line and back at run time. A parked CPU has left the online set: nobody asks it
 * anything, and it halts with interrupts off. Its memory, its unit and its state stay. A possible
 * CPU that maxcpus= left out at boot is started for the first time in the same way. The order of
 * the steps, and why no shoot-down or call is lost, is in smp/run/park_core.h.
 *
 * The kernel itself parks nobody: parking and waking are the interface for hot-plug and power
 * management, and the suites drive it.
 *
 * Context: thread context on an online CPU, interrupts on, one request at a time on the whole
 * machine (-EBUSY: another one is under way). The CPU that is to park must reach its idle loop.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_PARK_H
#define PERCH_SMP_RUN_PARK_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

/* Functions to run when CPUs come and go; each may be NULL. */
struct cpu_hooks {
    /*
     * On the CPU that asks, before `cpu` is online for the first time: makes ready what it needs.
     * An error refuses the wake, and it is called again for the next one: what it did before stays.
     * May shoot down, call, and take locks that are taken with interrupts on.
     */
    int (*first_online)(void *ctx, u32 cpu);
    /* On the CPU itself, in its idle loop, interrupts on: the last thing it does while online. */
    void (*parking)(void *ctx, u32 cpu);
    /* On the CPU itself, interrupts on: the first thing after it is online again, or at all. */
    void (*woken)(void *ctx, u32 cpu);
    void *ctx;
};

/*
 * Adds and removes hooks: first_online and woken run in order of adding, parking in reverse. They
 * must stay valid until removed. -ENOSPC: too many (4); -EBUSY: a CPU is parking or waking;
 * -ENOENT.
 */
int cpu_hooks_add(const struct cpu_hooks *hooks) MUST_CHECK;
int cpu_hooks_remove(const struct cpu_hooks *hooks) MUST_CHECK;

/*
 * Takes an online CPU off-line; returns when it is parked. -EINVAL: the boot CPU or the caller;
 * -ENODEV: not online; -ETIMEDOUT: it did not reach its idle loop, and stays online (a line says
 * so), or its hooks do not end, and it parks when they do.
 */
int cpu_park_request(u32 cpu) MUST_CHECK;

/*
 * Brings a parked CPU back, or starts one that never ran; returns when its hooks have run.
 * -EEXIST: it is online; -ENODEV: it is not possible, or cannot be started here; -ETIMEDOUT: it did
 * not come (a line names the stage where a first start stopped); or what first_online returned.
 */
int cpu_wake(u32 cpu) MUST_CHECK;

/* How many CPUs are parked now. Any context. */
u32 cpus_parked(void);

/* ---- for the idle loop and the vectors ------------------------------------------------------- */

/* This CPU is asked to park, or must run its hooks after a first start. Any context. */
bool cpu_park_asked(void);

/* Does it; returns when the CPU is online again. Idle loop, interrupts on. */
void cpu_park_now(void);

/* For every NMI: moves rip where the CPU would otherwise sleep through what it came for. */
void cpu_park_nmi(u64 *rip);

#endif
