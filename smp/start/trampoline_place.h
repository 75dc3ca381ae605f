/*
 * Where the trampoline goes: a start-up IPI names a page below 1 MiB (SDM vol. 3, 9.4.4), so that
 * is where its TRAMPOLINE_SIZE bytes must be. Promises the bring-up pages that nobody has: not page
 * 0, not what firmware, loader or an earlier stage holds, the highest that there are.
 * Pure; boot CPU, before memblock is closed.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_TRAMPOLINE_PLACE_H
#define PERCH_SMP_START_TRAMPOLINE_PLACE_H

#include "mm/memblock/memblock.h"

/* Reserves the pages: *pa, page-aligned. -ENOMEM, after a finding: there are none. */
int trampoline_place(struct memblock *mb, u64 *pa) MUST_CHECK;

#endif
