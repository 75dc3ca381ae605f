/*
 * Decides the layout of a chunk from the possible CPUs, their distances and the requested sizes. It
 * has the rules of Linux's pcpu_build_alloc_info, so that layouts can be compared line by line.
 * CPUs with local distance in both directions form a group. Units are as large as possible without
 * more blocks. At most a quarter of the units is unused. For the builders of the first chunk, and
 * for `perch layout`, which calls it without a machine. Pure; boot CPU only (the environment's
 * allocator is not locked).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_FIRST_LAYOUT_H
#define PERCH_PERCPU_FIRST_LAYOUT_H

#include "percpu/first/first_chunk_types.h"

/* Keeps all counts within 32 bits. No machine has that many CPUs. */
#define PCPU_MAX_CPUS (1U << 20)

/*
 * *out: a new layout; the caller frees it by pcpu_free_alloc_info. reserved, dyn and atom are
 * bytes. dyn is raised to PCPU_DYN_EARLY_SIZE and rounded up to whole pages; negative means the
 * minimum. atom: a power of two, at least a page. distance NULL: all CPUs form one group; else it
 * is called at most 2 * groups * CPUs times. Temporary memory from env->alloc is freed on every
 * path. -EINVAL: no CPU, more than PCPU_MAX_CPUS, or a bad atom. -EOVERFLOW: the chunk's size does
 * not fit 63 bits. -ENOMEM.
 */
int pcpu_build_alloc_info(const struct pcpu_env *env, size_t reserved, s64 dyn, size_t atom,
                          pcpu_distance_fn distance, struct pcpu_alloc_info **out);

/* ai may be NULL. */
void pcpu_free_alloc_info(const struct pcpu_env *env, struct pcpu_alloc_info *ai);

/* Bytes of each unit that are in use: static, reserved and dynamic area. */
static inline size_t pcpu_size_sum(const struct pcpu_alloc_info *ai)
{
    return ai->static_size + ai->reserved_size + ai->dyn_size;
}

#endif
