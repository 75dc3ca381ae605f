/*
 * Turns a layout and its memory into the first chunk: makes the tables from CPU to unit. First it
 * checks all that the rest of the per-CPU code relies on, because a wrong unit map would corrupt
 * memory much later. For the builders behind first_chunk.h. pcpu_first_chunk_verify() is for tests
 * and for users of the allocator as a library. Pure; boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_FIRST_SETUP_FIRST_CHUNK_H
#define PERCH_PERCPU_FIRST_SETUP_FIRST_CHUNK_H

#include "percpu/first/first_chunk_types.h"

/*
 * Checks ai and base, and fills *out. Its tables are one block from env->alloc, aligned to 64. The
 * caller still owns ai. -EINVAL: a check failed; the log names the condition, the possible CPUs and
 * the layout. -ENOMEM. On an error nothing is kept and *out is zeroed.
 */
int pcpu_setup_first_chunk(const struct pcpu_env *env, const struct pcpu_alloc_info *ai, void *base,
                           struct pcpu_first_chunk *out);

/* Writes [0, size_sum) of a unit once: the template, then zeroes. template_size <= size_sum. */
void pcpu_fill_unit(const struct pcpu_env *env, u8 *unit, size_t size_sum);

/* Frees the tables (not the units) and zeroes *fc. */
void pcpu_first_chunk_release(const struct pcpu_env *env, struct pcpu_first_chunk *fc);

/* NULL, or which invariant of struct pcpu_first_chunk is broken. Any context. */
const char *pcpu_first_chunk_verify(const struct pcpu_first_chunk *fc);

#endif
