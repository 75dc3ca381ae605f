/*
 * The sorted table of areas, for mm/map/vspace*.c only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_VSPACE_TABLE_H
#define PERCH_MM_MAP_VSPACE_TABLE_H

#include "kernel/base/errno.h"
#include "mm/map/vspace.h"

/* Index of the first area that ends above addr; count: none does. O(log count). */
u32 vspace_index(const struct vspace *vs, u64 addr);

/* Makes room for that many records in all, or -ENOMEM. */
int vspace_reserve(struct vspace *vs, u32 needed);

/* The area whose user part begins at va; NULL: none does. */
struct varea *vspace_area_at(const struct vspace *vs, u64 va);

#endif
