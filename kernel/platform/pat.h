/*
 * The page attribute table: which memory type the cache bits of a page table entry mean. Perch uses
 * entry 1 (PWT alone) as write-combining, for the screen; the other entries are as at reset.
 * SDM vol. 3, 12.12.2 to 12.12.4.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_PAT_H
#define PERCH_PLATFORM_PAT_H

#include "kernel/base/types.h"

#define PAT_WC 1u /* write-combining: what a store writes leaves the CPU in whole lines */

/*
 * Sets entry 1. Boot CPU, before the first entry with PWT; the other CPUs start with its PAT
 * (smp/start/trampoline.c). May be called again.
 */
void pat_set(void);

/* The memory type by PAT of a 2 MiB leaf with this entry. */
u32 pat_type_2m(u64 entry);

#endif
