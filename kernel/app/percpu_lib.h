/*
 * The kernel's struct percpu_lib: what counters, references and reader-writer locks are made with.
 * Memory of the dynamic per-CPU allocator, small objects of the CPUs' nodes, grace periods by
 * cross-call (smp/quiesce.h).
 * Context: any CPU, after percpu_lib_init(); contexts of what is made: those of percpu_alloc(),
 * with interrupts on. SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_PERCPU_LIB_H
#define PERCH_APP_PERCPU_LIB_H

#include "kernel/app/boot_state.h"
#include "percpu/percpu_lib.h"

/* Once, after stage_percpu_dynamic(). */
void percpu_lib_init(struct boot_state *s);

const struct percpu_lib *kernel_percpu_lib(void);

#endif
