/*
 * Turns a layout and the memory found for it into the first chunk: checks everything the rest of
 * the per-CPU code relies on, and makes the tables by which a CPU's unit is found. For the builders
 * in first_chunk.h; the checks are there because a wrong unit map corrupts memory long after.
 * Pure; boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_SETUP_FIRST_CHUNK_H
#define PERCH_PERCPU_SETUP_FIRST_CHUNK_H

#include "percpu/chunk_info.h"

/*
 * Checks ai and base and fills *out, whose tables come from env->alloc (one block, 64-byte
 * aligned). ai stays the caller's. -EINVAL: a check failed, and the log names the condition, the
 * possible CPUs and the layout; -ENOMEM. On an error nothing is kept and *out is zeroed.
 */
int pcpu_setup_first_chunk(const struct pcpu_env *env, const struct pcpu_alloc_info *ai, void *base,
                           struct pcpu_first_chunk *out);

/* Gives the tables back (not the units) and zeroes *fc. */
void pcpu_first_chunk_release(const struct pcpu_env *env, struct pcpu_first_chunk *fc);

/*
 * The invariants of struct pcpu_first_chunk; NULL, or what is wrong. Any context.
 */
const char *pcpu_first_chunk_verify(const struct pcpu_first_chunk *fc);

#endif
