/*
 * Population of blocks: for an object, and for the reserve that serves PCPU_ATOMIC.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_GROW_H
#define PERCH_PERCPU_ALLOC_ALLOC_GROW_H

#include "percpu/alloc/alloc_types.h"

/* Makes populated room for an object (granules). -ENOMEM, -ENOSPC. Thread context, IRQs on. */
int pcpu_grow(struct pcpu_allocator *a, u32 size, u32 align) MUST_CHECK;

/* Populates up to n blocks for the reserve; how many. Thread context, interrupts on. */
u32 pcpu_grow_reserve(struct pcpu_allocator *a, u32 n);

/* After an allocation from the chunks: fills the reserve, or with PCPU_ATOMIC defers that. */
void pcpu_reserve_check(struct pcpu_allocator *a, u32 flags);

#endif
