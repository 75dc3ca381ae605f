/*
 * The four stacks of a CPU, each above a guard page and in memory of the CPU's node: the one it
 * runs on, and those its TSS gives to NMI, double fault and machine check.
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
 * Allocates them for cpu and writes GDT and TSS of its unit (for the boot CPU, which runs on them,
 * only the TSS's stacks). *top: end of the main stack. 0, -ENOMEM, -ENOSPC; what was taken stays.
 */
int cpu_stacks_alloc(struct kernel_vm *vm, struct node_order *order, u32 cpu, u64 *top);

#endif
