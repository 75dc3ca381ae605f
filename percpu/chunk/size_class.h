/*
 * The size classes of the magazines, and the tag byte of an object in the boundary map
 * (percpu/chunk/chunk.h). Promises that an object is at least as large and as aligned as requested.
 * Rounding up costs at most 7 bytes up to 512 bytes, and an eighth above, when no alignment beyond
 * 8 is asked for. Other sizes and alignments have no class and are allocated straight from a chunk.
 *
 *   class 1          4 bytes, aligned to 4
 *   class 2..65      8, 16, .. 512 bytes, aligned to 8
 *   class 66..97     16, 32, .. 512 bytes   \
 *   class 98..105    576, 640, .. 1024       | aligned to the largest power of two that divides
 *   class 106..113   1152, 1280, .. 2048     | the size; for requests aligned to more than 8, or
 *   class 114..121   2304, 2560, .. 4096    /  larger than 512 bytes
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
#define PCPU_CLASS_8       2u   /* + (size - 8) / 8 */
#define PCPU_CLASS_ALIGNED 66u  /* + (size - 16) / 16 */
#define PCPU_CLASS_LARGE   98u  /* + 8 for each doubling, + eighths above it */
#define PCPU_CLASSES       122u /* one past the last */

#define PCPU_STEP_MAX    512u
#define PCPU_CLASS_MAX   4096u /* bytes */
#define PCPU_ALIGN_WASTE 64u   /* up to here an alignment may be more than the size */

/* The tag byte: 0 where no object begins, else its class or TAG_BIG, and OWNED. */
#define PCPU_TAG_BIG   0x7fu /* granules, 7 bits in each of the four tag bytes that follow */
#define PCPU_TAG_OWNED 0x80u /* the user has the object; clear: it is in a magazine */
#define PCPU_TAG_KIND  0x7fu

/* The class for size bytes, 512 < size <= 4096. */
static inline u32 pcpu_class_of_large(u32 size)
{
    u32 octave = 31 - (u32)__builtin_clz(size - 1); /* 9..11 */

    return PCPU_CLASS_LARGE + (octave - 9) * 8 + ((size - 1) >> (octave - 3) & 7);
}

/* The class that serves size bytes (not 0) at a multiple of align (a power of two). */
static inline u32 pcpu_class_of(size_t size, size_t align)
{
    if (align <= 8 && size <= PCPU_STEP_MAX)
        return size <= 4 && align <= 4 ? PCPU_CLASS_4 : (u32)((size + 7) / 8) + 1;
    if (size > PCPU_CLASS_MAX || align > MAX(size, PCPU_ALIGN_WASTE))
        return PCPU_CLASS_NONE;
    /* A multiple of align is divided by align, and so is a multiple of the next class's step. */
    if (align > 8)
        size = (size + align - 1) & ~(align - 1);
    if (size <= PCPU_STEP_MAX)
        return PCPU_CLASS_ALIGNED + (u32)size / 16 - 1;
    return size > PCPU_CLASS_MAX ? PCPU_CLASS_NONE : pcpu_class_of_large((u32)size);
}

/* Is it one of the 8-byte steps? */
static inline bool pcpu_class_has_steps(u32 class)
{
    return class >= PCPU_CLASS_8 && class < PCPU_CLASS_ALIGNED;
}

/* Bytes of an object of a class 1..PCPU_CLASSES-1. */
static inline u32 pcpu_class_size(u32 class)
{
    u32 large = class - PCPU_CLASS_LARGE;

    if (class < PCPU_CLASS_ALIGNED)
        return class == PCPU_CLASS_4 ? 4 : (class - 1) * 8;
    return class < PCPU_CLASS_LARGE ? (class - PCPU_CLASS_ALIGNED + 1) * 16
                                    : (9 + large % 8) << (6 + large / 8);
}

/* Alignment in bytes of its objects. */
static inline u32 pcpu_class_align(u32 class)
{
    u32 size = pcpu_class_size(class);

    if (class < PCPU_CLASS_ALIGNED)
        return class == PCPU_CLASS_4 ? 4 : 8;
    return size & -size;
}

#endif
