/*
 * The size classes of the magazines, and the tag byte of an object in the boundary map
 * (percpu/chunk/chunk.h). Promises that an object is at least as large and as aligned as requested,
 * and that rounding up costs at most 7 bytes. Other sizes and alignments have no class and are
 * allocated straight from a chunk.
 *
 *   class 1          4 bytes, aligned to 4
 *   class 2..65      8, 16, .. 512 bytes, aligned to 8
 *   class 66..74     16, 32, .. 4096 bytes, aligned to their size (requests aligned to more than 8)
 *
 * Pure; any context; no state.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_SIZE_CLASS_H
#define PERCH_PERCPU_CHUNK_SIZE_CLASS_H

#include "kernel/base/types.h"

#define PCPU_GRANULE_SHIFT 2 /* the allocation map has one bit for 4 bytes */
#define PCPU_GRANULE       4u

#define PCPU_CLASS_NONE    0u /* no class: straight from a chunk */
#define PCPU_CLASS_4       1u
#define PCPU_CLASS_8       2u  /* + (size - 8) / 8 */
#define PCPU_CLASS_ALIGNED 66u /* + log2(size) - 4 */
#define PCPU_CLASSES       75u /* one past the last */

#define PCPU_STEP_MAX    512u
#define PCPU_ALIGNED_MAX 4096u

/* The tag byte: 0 where no object begins, else its class or TAG_BIG, and OWNED. */
#define PCPU_TAG_BIG   0x7fu /* granules, 7 bits in each of the four tag bytes that follow */
#define PCPU_TAG_OWNED 0x80u /* the user has the object; clear: it is in a magazine */
#define PCPU_TAG_KIND  0x7fu

/* The class that serves size bytes (not 0) at a multiple of align (a power of two). */
static inline u32 pcpu_class_of(size_t size, size_t align)
{
    if (align <= 8 && size <= PCPU_STEP_MAX)
        return size <= 4 && align <= 4 ? PCPU_CLASS_4 : (u32)((size + 7) / 8) + 1;
    if (size > PCPU_ALIGNED_MAX || !is_pow2(size) || align > size)
        return PCPU_CLASS_NONE;
    return PCPU_CLASS_ALIGNED + (u32)__builtin_ctzll(size) - 4;
}

/* Is it one of the 8-byte steps? */
static inline bool pcpu_class_has_steps(u32 class)
{
    return class >= PCPU_CLASS_8 && class < PCPU_CLASS_ALIGNED;
}

/* Bytes of an object of a class 1..PCPU_CLASSES-1. */
static inline u32 pcpu_class_size(u32 class)
{
    if (class == PCPU_CLASS_4)
        return 4;
    return class < PCPU_CLASS_ALIGNED ? (class - 1) * 8 : 16u << (class - PCPU_CLASS_ALIGNED);
}

/* Alignment in bytes of its objects. */
static inline u32 pcpu_class_align(u32 class)
{
    if (class == PCPU_CLASS_4)
        return 4;
    return class < PCPU_CLASS_ALIGNED ? 8 : 16u << (class - PCPU_CLASS_ALIGNED);
}

#endif
