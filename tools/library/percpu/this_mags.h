/*
 * The hosted twin of percpu/this_mags.h: the table of the allocator itself.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LIBRARY_THIS_MAGS_H
#define PERCH_LIBRARY_THIS_MAGS_H

#include "percpu/alloc.h"

static inline void pcpu_this_mags_init(struct pcpu_allocator *a)
{
    (void)a;
}

static ALWAYS_INLINE struct pcpu_mags *pcpu_this_mags(const struct pcpu_allocator *a)
{
    return a->mags[cpu_number()];
}

#endif
