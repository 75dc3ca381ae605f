/*
 * The kernel's struct percpu_lib: what counters, references and reader-writer locks are made with.
 * Memory of the dynamic per-CPU allocator, small objects of the CPUs' nodes, grace periods by
 * cross-call (smp/call/quiesce.h).
 * Context: any CPU, after stage_percpu_dynamic(); contexts of what is made: those of
 * percpu_alloc(), with interrupts on.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_KERNEL_PERCPU_LIB_H
#define PERCH_PLATFORM_KERNEL_PERCPU_LIB_H

#include "mm/numa/numa.h"
#include "mm/pages/smallmem.h"
#include "percpu/sync/percpu_lib.h"

/* Boot CPU, once, when the dynamic allocator works. Panics when there is no memory. */
void kernel_percpu_lib_init(struct small_mem *small, const struct numa_topology *topo);

const struct percpu_lib *kernel_percpu_lib(void);

#endif
