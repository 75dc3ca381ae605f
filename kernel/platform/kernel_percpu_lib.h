/*
 * The kernel's struct percpu_lib, from which counters, references and reader-writer locks are made.
 * It gives them memory of the dynamic per-CPU allocator, small objects on the CPUs' nodes, and
 * grace periods by cross-call (smp/call/quiesce.h).
 * Context: any CPU, after stage_percpu_dynamic(). The operations run where percpu_alloc() may, with
 * interrupts on.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_KERNEL_PERCPU_LIB_H
#define PERCH_PLATFORM_KERNEL_PERCPU_LIB_H

#include "mm/numa/numa.h"
#include "mm/pages/smallmem.h"
#include "percpu/sync/percpu_lib.h"

/* Boot CPU, once, after the dynamic allocator's set-up. Panics when there is no memory. */
void kernel_percpu_lib_init(struct small_mem *small, const struct numa_topology *topo);

const struct percpu_lib *kernel_percpu_lib(void);

#endif
