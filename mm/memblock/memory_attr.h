/*
 * Memory that is not plain DRAM: a finding of class INFO for each range of memblock that is
 * special-purpose, more reliable, persistent, non-volatile, hot-pluggable or unaccepted, with its
 * node and its use.
 * Pure; any context; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MEMBLOCK_MEMORY_ATTR_H
#define PERCH_MM_MEMBLOCK_MEMORY_ATTR_H

#include "boot/boot_info.h"
#include "mm/memblock/memblock.h"

/*
 * Memblock's flags for RAM, special-purpose, persistent and unaccepted memory. False: a type that
 * does not go into memblock.
 */
bool memory_attr_of_type(enum boot_mem_type type, u32 *flags);

/* Memblock's flags for attributes of the EFI memory map (BOOT_ATTR_*). */
u32 memory_attr_of_efi(u32 attr);

/*
 * Makes the findings. When there is memory that is used last, a line tells the order of use. Nodes
 * must be in memblock.
 */
void memory_attr_report(const struct memblock *mb, const struct boot_efi_map *efi);

#endif
