/*
 * A struct percpu_lib for suites: the kernel's CPUs, nodes and grace periods, over a small static
 * per-CPU area, so that these suites depend on no allocator. Everything is given back at once.
 * Header only, one area per file that includes it. Context: the test thread.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_KERNEL_LIB_RIG_H
#define PERCH_TESTS_KERNEL_LIB_RIG_H

#include "kernel/base/string.h"
#include "percpu/lib.h"
#include "smp/quiesce.h"
#include "tests/kernel/kutil.h"

static DEFINE_PER_CPU_ALIGNED(u64, rig_area[64]);
static u8 rig_plain[64 * 1024] ALIGNED(64);
static size_t rig_used, rig_plain_used;
static u32 rig_part[NR_CPUS];
static s32 rig_node[NR_CPUS];

static void *rig_alloc(void *ctx, size_t size, size_t align)
{
    size_t at = align_up(rig_used, align);

    (void)ctx;
    if (at + size > sizeof(rig_area))
        return NULL;
    rig_used = at + size;
    return (u8 *)rig_area + at;
}

static void *rig_node_alloc(void *ctx, s32 node, size_t size)
{
    size_t at = align_up(rig_plain_used, 64);

    (void)ctx;
    (void)node;
    if (at + size > sizeof(rig_plain))
        return NULL;
    rig_plain_used = at + size;
    return rig_plain + at;
}

static void rig_free(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

static void rig_node_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)ptr;
    (void)size;
}

static int rig_quiesce(void *ctx)
{
    (void)ctx;
    return smp_quiesce();
}

static struct percpu_lib rig = {.alloc = rig_alloc,
                                .free = rig_free,
                                .node_alloc = rig_node_alloc,
                                .node_free = rig_node_free,
                                .quiesce = rig_quiesce};

/* Empty and zero, for one case. */
static inline void rig_reset(void)
{
    const struct numa_topology *topo = &boot_state_get()->topo;
    static s32 node[NR_CPUS];
    u32 cpu;

    for_each_possible_cpu(cpu)
    {
        memset(per_cpu_ptr(&rig_area[0], cpu), 0, sizeof(rig_area));
        node[cpu] = topo->cpus[cpu].node;
    }
    rig_used = rig_plain_used = 0;
    rig.nr_cpus = cpu_map.nr_ids;
    rig.nr_parts = percpu_lib_parts(node, rig.nr_cpus, rig_part, rig_node);
    rig.cpu_part = rig_part;
    rig.part_node = rig_node;
}

#endif
