/*
 * The kernel's struct percpu_lib; see kernel_percpu_lib.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/kernel_percpu_lib.h"

#include "kernel/base/print.h"
#include "percpu/percpu.h"
#include "smp/call/quiesce.h"

static void *area_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return percpu_alloc(size, align, 0);
}

static void area_free(void *ctx, void *ptr)
{
    (void)ctx;
    percpu_free(ptr);
}

/* Rounds up to a power of two from 64 up: small memory aligns such a size to itself. */
static size_t rounded(size_t size)
{
    size_t r = 64;

    while (r < size)
        r *= 2;
    return r;
}

static void *node_alloc(void *ctx, s32 node, size_t size)
{
    return small_alloc(ctx, node, rounded(size));
}

static void node_free(void *ctx, void *ptr, size_t size)
{
    small_free(ctx, ptr, rounded(size));
}

static int quiesce(void *ctx)
{
    (void)ctx;
    return smp_quiesce();
}

static struct percpu_lib lib = {
    .alloc = area_alloc,
    .free = area_free,
    .node_alloc = node_alloc,
    .node_free = node_free,
    .quiesce = quiesce,
};

const struct percpu_lib *kernel_percpu_lib(void)
{
    return &lib;
}

void kernel_percpu_lib_init(struct small_mem *small, const struct numa_topology *topo)
{
    u32 n = topo->cpu_count;
    size_t bytes = n * sizeof(u32);
    u32 *cpu_part = small_alloc(small, NODE_NONE, bytes);
    s32 *part_node = small_alloc(small, NODE_NONE, bytes);
    s32 *cpu_node = small_alloc(small, NODE_NONE, bytes);

    if (!cpu_part || !part_node || !cpu_node)
        panic("percpu: no memory for %u CPUs' nodes", n);
    for (u32 cpu = 0; cpu < n; cpu++)
        cpu_node[cpu] = topo->cpus[cpu].node;
    lib.ctx = small;
    lib.nr_cpus = n;
    lib.nr_parts = percpu_lib_parts(cpu_node, n, cpu_part, part_node);
    lib.cpu_part = cpu_part;
    lib.part_node = part_node;
    small_free(small, cpu_node, bytes);
}
