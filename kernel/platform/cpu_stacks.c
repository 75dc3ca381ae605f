/*
 * The stacks of a CPU; see cpu_stacks.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/cpu_stacks.h"
#include "kernel/base/cpu_local.h"
#include "kernel/platform/cpu_tables.h"

#define BYTES_PER_CPU (CPU_STACK_SIZE + IST_COUNT * IST_STACK_SIZE)

/*
 * One piece of memory for the stacks of all CPUs of a node, allocated with the node's first CPU. So
 * memblock is searched once per node, not once per CPU.
 */
static struct {
    u64 next, free; /* free is 0 if there was no such piece */
    bool asked;
} pieces[MAX_NODES];

static int take_memory(struct kernel_vm *vm, struct node_order *order, s32 node, u64 size, u64 *pa)
{
    struct memblock_request req = {
        .size = size,
        .align = PAGE_SIZE,
        .min_addr = 16 * SZ_1M,
        .nodes = node_order_of(order, node),
        .nr_nodes = order->topo->node_count,
    };
    struct memblock_result res;
    int err = memblock_alloc(vm->mb, &req, &res);

    if (!err)
        *pa = res.base;
    return err;
}

static int cpu_memory(struct kernel_vm *vm, struct node_order *order, s32 node, u64 *pa)
{
    u64 all = (u64)order->topo->nodes[node].cpu_count * BYTES_PER_CPU;

    if (!pieces[node].asked) {
        pieces[node].asked = true;
        if (take_memory(vm, order, node, all, &pieces[node].next) == 0)
            pieces[node].free = all;
    }
    if (pieces[node].free < BYTES_PER_CPU)
        return take_memory(vm, order, node, BYTES_PER_CPU, pa);
    *pa = pieces[node].next;
    pieces[node].next += BYTES_PER_CPU;
    pieces[node].free -= BYTES_PER_CPU;
    return 0;
}

int cpu_stacks_alloc(struct kernel_vm *vm, struct node_order *order, u32 cpu, u64 *top)
{
    static const char *const names[1 + IST_COUNT] = {"stack", "NMI stack", "double fault stack",
                                                     "machine check stack"};
    u64 tops[1 + IST_COUNT], pa;
    int err = cpu_memory(vm, order, order->topo->cpus[cpu].node, &pa);

    for (u32 i = 0; i <= IST_COUNT && !err; i++) {
        u64 size = i ? IST_STACK_SIZE : CPU_STACK_SIZE;

        err = paging_map_stack(vm, pa, size, names[i], cpu, &tops[i]);
        pa += size;
    }
    if (err)
        return err;
    if (cpu == 0)
        cpu_tables_set_ist(this_cpu_ptr(&cpu_tables), &tops[1]);
    else
        cpu_tables_fill(per_cpu_ptr(&cpu_tables, cpu), &tops[1]);
    *top = tops[0];
    return 0;
}
