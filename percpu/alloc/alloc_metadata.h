/*
 * Metadata of blocks (struct pcpu_block), kept clean in a pool.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_METADATA_H
#define PERCH_PERCPU_ALLOC_ALLOC_METADATA_H

#include "percpu/alloc/alloc_types.h"

/* Clean metadata for n blocks, all or nothing, and back. Any context. */
bool pcpu_metas_get(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);
void pcpu_metas_put(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);

/* Metadata that lookups may still see waits here, until it is released. balance_mutex held. */
void pcpu_metas_retire(struct pcpu_allocator *a, u32 n, struct pcpu_block **metas);
/* Retired metadata goes into the pool, after a cross-call. Interrupts on. */
void pcpu_metas_release(struct pcpu_allocator *a);

/* Gives memory that is entirely unused back; returns pieces. */
u32 pcpu_metas_trim(struct pcpu_allocator *a);

/* NULL, or what is wrong. Nobody uses the pool. */
const char *pcpu_metas_verify(struct pcpu_allocator *a);

#endif
