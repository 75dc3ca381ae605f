/*
 * What both builders of the first chunk (first_chunk.c, first_chunk_page.c) do with a unit. Not for
 * anybody else. Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_FIRST_CHUNK_FILL_H
#define PERCH_PERCPU_FIRST_CHUNK_FILL_H

#include "kernel/base/string.h"
#include "percpu/chunk_info.h"

/*
 * The template, then zeroes: every byte of [0, size_sum) is written once and nothing behind it.
 * template_size <= size_sum.
 */
static inline void pcpu_fill_unit(const struct pcpu_env *env, u8 *unit, size_t size_sum)
{
    if (env->template_size)
        memcpy(unit, env->static_start, env->template_size);
    memset(unit + env->template_size, 0, size_sum - env->template_size);
}

#endif
