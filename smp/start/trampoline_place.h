/*
 * Chooses the trampoline's pages. A start-up IPI names a page below 1 MiB (SDM vol. 3, 9.4.4), so
 * its TRAMPOLINE_SIZE bytes must be below 1 MiB. Promises the highest pages that are free: not page
 * 0, and not in use by firmware, loader or an earlier stage.
 * Pure; boot CPU, before memblock is closed.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_TRAMPOLINE_PLACE_H
#define PERCH_SMP_START_TRAMPOLINE_PLACE_H

#include "mm/memblock/memblock.h"

/* Reserves the pages. *pa: page-aligned. -ENOMEM, after a finding: none are free. */
int trampoline_place(struct memblock *mb, u64 *pa) MUST_CHECK;

#endif
