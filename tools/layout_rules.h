/*
 * Which machines `perch layout` and perch_host_init() take: one set of rules for both, so that what
 * the one computes the other can make. Sizes are bytes. The sum of sizes is judged by
 * pcpu_build_alloc_info() (-EOVERFLOW). Hosted only; pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_LAYOUT_RULES_H
#define PERCH_TOOLS_LAYOUT_RULES_H

#include "kernel/base/types.h"
#include "percpu/first/first_chunk_types.h"

#define LAYOUT_MAX_SIZE INT64_MAX /* the layout counts in 63 bits */

/* The reserved area ends where the dynamic one begins, whose granules have 4 bytes. */
#define LAYOUT_RESERVED_STEP 4u

static inline bool layout_static_ok(u64 size)
{
    return size >= 1 && size <= LAYOUT_MAX_SIZE;
}

static inline bool layout_reserved_ok(u64 size)
{
    return size <= LAYOUT_MAX_SIZE && size % LAYOUT_RESERVED_STEP == 0;
}

/* Not below 0: a negative size, which asks for the minimum, is the caller's to tell apart. */
static inline bool layout_dyn_ok(u64 size)
{
    return size <= LAYOUT_MAX_SIZE;
}

static inline bool layout_atom_ok(u64 size)
{
    return size >= PAGE_SIZE && size <= LAYOUT_MAX_SIZE && is_pow2(size);
}

/* CPUs of one node are a group only at this distance (ACPI 6.5, 5.2.17: the SLIT's diagonal). */
static inline bool layout_distance_ok(u32 from, u32 to, u64 distance)
{
    return distance <= 255 && (from != to || distance == PCPU_LOCAL_DISTANCE);
}

#endif
