/*
 * The stacks of a CPU.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/cpu_stacks.h"
#include "kernel/base/cpu_local.h"
#include "kernel/platform/cpu_tables.h"

int cpu_stacks_alloc(struct kernel_vm *vm, struct node_order *order, u32 cpu, u64 *top)
{
    static const char *const names[1 + IST_COUNT] = {"stack", "NMI stack", "double fault stack",
                                                     "machine check stack"};
    const s32 *nodes = node_order_of(order, order->topo->cpus[cpu].node);
    u64 tops[1 + IST_COUNT];

    for (u32 i = 0; i <= IST_COUNT; i++) {
        int err = paging_alloc_stack(vm, i ? IST_STACK_SIZE : CPU_STACK_SIZE, nodes,
                                     order->topo->node_count, names[i], cpu, &tops[i]);
        if (err)
            return err;
    }
    if (cpu == 0)
        cpu_tables_set_ist(this_cpu_ptr(&cpu_tables), &tops[1]);
    else
        cpu_tables_fill(per_cpu_ptr(&cpu_tables, cpu), &tops[1]);
    *top = tops[0];
    return 0;
}
