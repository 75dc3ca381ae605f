/*
 * Memory that is not plain DRAM: a finding of class INFO for each range of memblock that is
 * special-purpose, more reliable, persistent, non-volatile, hot-pluggable or unaccepted. It names
 * the node and what Perch does with the range. Other log lines take their words for the flags here.
 * Pure; any context; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MEMBLOCK_MEMORY_ATTR_H
#define PERCH_MM_MEMBLOCK_MEMORY_ATTR_H

#include "boot/boot_info.h"
#include "mm/memblock/memblock.h"

/*
 * Flags of memblock for what the memory map says, besides that it is memory: of RAM,
 * special-purpose and persistent memory, unaccepted memory. False: no memory that memblock should
 * know.
 */
bool memory_attr_of_type(enum boot_mem_type type, u32 *flags);

/* Flags of memblock for attributes of the EFI memory map (BOOT_ATTR_*). */
u32 memory_attr_of_efi(u32 attr);

/*
 * The findings, and where there is memory that is used last, the order in which memory is taken.
 * Nodes must be in memblock.
 */
void memory_attr_report(const struct memblock *mb, const struct boot_efi_map *efi);

#endif
