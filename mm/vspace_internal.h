/*
 * Inside of the area allocator: what its files share. For mm/vspace*.c only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_VSPACE_INTERNAL_H
#define PERCH_MM_VSPACE_INTERNAL_H

#include "kernel/base/errno.h"
#include "mm/vspace.h"

/* Index of the first area that ends above addr; count when there is none. O(log count). */
u32 vspace_index(const struct vspace *vs, u64 addr);

/* Is [start, end) inside the window (0), and free (else -ERANGE, -EBUSY)? */
int vspace_is_free(const struct vspace *vs, u64 start, u64 end);

/* Room for want records in all, or -ENOMEM. */
int vspace_reserve(struct vspace *vs, u32 want);

/* The area whose user part begins at va; NULL: none does. */
struct varea *vspace_area_at(const struct vspace *vs, u64 va);

#endif
