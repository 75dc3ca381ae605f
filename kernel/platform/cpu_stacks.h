/*
 * The four stacks of a CPU: the one it runs on, and those that its TSS gives to NMI, double fault
 * and machine check. Their memory is on the CPU's node. Each is mapped above an unmapped guard page
 * (paging_map_stack() in kernel/platform/paging.h).
 * Boot CPU, after the per-CPU areas are set up.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CPU_STACKS_H
#define PERCH_PLATFORM_CPU_STACKS_H

#include "kernel/platform/paging.h"
#include "mm/numa/node_order.h"

#define CPU_STACK_SIZE (4 * PAGE_SIZE)
#define IST_STACK_SIZE (2 * PAGE_SIZE)

/*
 * Allocates the stacks of cpu and writes the GDT and TSS in its unit. For the boot CPU, whose GDT
 * and TSS are in use, it writes only the TSS's stacks. *top: end of the main stack. 0; -ENOMEM,
 * -ENOSPC: what was allocated stays.
 */
int cpu_stacks_alloc(struct kernel_vm *vm, struct node_order *order, u32 cpu, u64 *top);

#endif
