/*
 * Turns a layout and the memory found for it into the first chunk. It checks everything the rest of
 * the per-CPU code relies on, because a wrong unit map corrupts memory long after. It makes the
 * tables by which a CPU's unit is found. For the builders behind first_chunk.h.
 * pcpu_first_chunk_verify() is for tests and for users of the allocator as a library.
 * Pure; boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_FIRST_SETUP_FIRST_CHUNK_H
#define PERCH_PERCPU_FIRST_SETUP_FIRST_CHUNK_H

#include "percpu/first/first_chunk_types.h"

/*
 * Checks ai and base and fills *out, whose tables are one block from env->alloc, aligned to 64. ai
 * stays the caller's. -EINVAL: a check failed; the log names the condition, the possible CPUs and
 * the layout. -ENOMEM. On an error nothing is kept and *out is zeroed.
 */
int pcpu_setup_first_chunk(const struct pcpu_env *env, const struct pcpu_alloc_info *ai, void *base,
                           struct pcpu_first_chunk *out);

/*
 * Fills a unit: the template, then zeroes. Writes every byte of [0, size_sum) once and nothing
 * behind it. template_size <= size_sum.
 */
void pcpu_fill_unit(const struct pcpu_env *env, u8 *unit, size_t size_sum);

/* Gives the tables back (not the units) and zeroes *fc. */
void pcpu_first_chunk_release(const struct pcpu_env *env, struct pcpu_first_chunk *fc);

/* NULL, or which invariant of struct pcpu_first_chunk is broken. Any context. */
const char *pcpu_first_chunk_verify(const struct pcpu_first_chunk *fc);

#endif
