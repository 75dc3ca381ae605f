/*
 * The magazines of this CPU in the kernel's instance: a per-CPU variable, read in one instruction.
 * The hosted library has its own version of this header, chosen by include path, because its
 * per-CPU variables have no section of their own. For percpu/percpu.c only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_CPU_MAGAZINES_H
#define PERCH_PERCPU_ALLOC_CPU_MAGAZINES_H

#include "kernel/base/cpu_local.h"
#include "percpu/alloc/alloc.h"

/* The CPU's entry of pcpu_allocator.mags. */
static DEFINE_PER_CPU_READ_MOSTLY(struct pcpu_mags *, magazines);

static inline void pcpu_cpu_magazines_init(struct pcpu_allocator *a)
{
    for (u32 cpu = 0; cpu < a->nr_cpus; cpu++)
        per_cpu(magazines, cpu) = a->mags[cpu];
}

/* Interrupts off. */
static ALWAYS_INLINE struct pcpu_mags *pcpu_cpu_magazines(const struct pcpu_allocator *a)
{
    (void)a;
    return this_cpu_read(magazines);
}

#endif
