/*
 * The sorted table of areas, as the files of the area allocator share it. For mm/vspace*.c only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_VSPACE_TABLE_H
#define PERCH_MM_MAP_VSPACE_TABLE_H

#include "kernel/base/errno.h"
#include "mm/map/vspace.h"

/* Index of the first area that ends above addr; count when there is none. O(log count). */
u32 vspace_index(const struct vspace *vs, u64 addr);

/* Room for that many records in all, or -ENOMEM. */
int vspace_reserve(struct vspace *vs, u32 needed);

/* The area whose user part begins at va; NULL: none does. */
struct varea *vspace_area_at(const struct vspace *vs, u64 va);

#endif
