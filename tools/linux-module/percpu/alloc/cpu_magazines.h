/*
 * The Linux module's twin of percpu/alloc/cpu_magazines.h: the table of the allocator itself. A
 * static per-CPU variable of a module would come from the allocator that this one is compared with.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LINUX_MODULE_CPU_MAGAZINES_H
#define PERCH_LINUX_MODULE_CPU_MAGAZINES_H

#include "percpu/alloc/alloc.h"

static inline void pcpu_cpu_magazines_init(struct pcpu_allocator *a)
{
    (void)a;
}

static ALWAYS_INLINE struct pcpu_mags *pcpu_cpu_magazines(const struct pcpu_allocator *a)
{
    return a->mags[cpu_number()];
}

#endif
