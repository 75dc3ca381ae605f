/*
 * The environment of the structures on top of per-CPU memory (counter.h, ref.h, rwlock.h): memory,
 * the node of each CPU, and a grace period. The kernel (or a test, or another kernel) fills it
 * once. It must outlive the objects made with it. Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_SYNC_PERCPU_LIB_H
#define PERCH_PERCPU_SYNC_PERCPU_LIB_H

#include "kernel/base/types.h"

struct percpu_lib {
    void *ctx;
    u32 nr_cpus;          /* possible CPUs are 0..nr_cpus-1 */
    u32 nr_parts;         /* nodes that have CPUs, numbered from 0 without holes */
    const u32 *cpu_part;  /* [nr_cpus] */
    const s32 *part_node; /* [nr_parts] */

    /* Per-CPU memory, zero in every unit, also for CPUs never online. NULL: no memory. */
    void *(*alloc)(void *ctx, size_t size, size_t align);
    void (*free)(void *ctx, void *ptr);

    /* Plain memory near a node, at a multiple of 64 bytes, contents undefined. NULL: no memory. */
    void *(*node_alloc)(void *ctx, s32 node, size_t size);
    void (*node_free)(void *ctx, void *ptr, size_t size);

    /*
     * The grace period: returns when every online CPU has been outside of cpu_guard_enter() and
     * _exit() since the call began. The CPU's earlier writes are visible then. CPUs that become
     * online during the call need no wait: they see all writes from before it. Thread context,
     * interrupts on. An error: some CPU did not answer, so it is not known whether it was outside.
     */
    int (*quiesce)(void *ctx);
};

/*
 * Numbers the nodes in cpu_node[0..nr_cpus-1] without holes, in order of first use. Fills
 * cpu_part[nr_cpus] and part_node[at most nr_cpus]. Returns the number of nodes.
 */
static inline u32 percpu_lib_parts(const s32 *cpu_node, u32 nr_cpus, u32 *cpu_part, s32 *part_node)
{
    u32 n = 0;

    for (u32 cpu = 0; cpu < nr_cpus; cpu++) {
        u32 part = 0;

        while (part < n && part_node[part] != cpu_node[cpu])
            part++;
        if (part == n)
            part_node[n++] = cpu_node[cpu];
        cpu_part[cpu] = part;
    }
    return n;
}

#endif
