/*
 * Turns the loader's memory map, in any order and with overlaps, into one that can be trusted:
 * sorted, disjoint, adjacent ranges of one type merged, nothing above a limit. Where ranges overlap
 * the stricter type wins (enum boot_mem_type), so RAM loses against everything.
 * Pure; any context; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_MEMMAP_H
#define PERCH_BOOT_MEMMAP_H

#include "boot/boot_info.h"

/*
 * in[n] -> out[capacity], *count of them used; out must not be in. Addresses from limit (exclusive
 * end, a page multiple) up are left out; *clipped is the number of bytes of RAM among them, and a
 * line says so. Empty and wrapping (end < base) ranges are left out, the latter with a line.
 * -ENOSPC: out is full; the first *count ranges are right. Time grows with n * n.
 */
int memmap_normalise(const struct boot_mem_range *in, u32 n, u64 limit, struct boot_mem_range *out,
                     u32 capacity, u32 *count, u64 *clipped) MUST_CHECK;

/*
 * For a map in any order, as the loader gave it: is one byte of [base, end) memory that holds data
 * (RAM of any kind, ACPI's included)? NVS and reserved ranges do not count: firmware lists device
 * registers as such.
 */
bool memmap_is_ram(const struct boot_mem_range *in, u32 n, u64 base, u64 end);

/*
 * The first address of [base, end) that is not plain RAM (BOOT_MEM_RAM); end: all of it is. *type:
 * what it is there; BOOT_MEM_TYPES: the map says nothing.
 */
u64 memmap_first_not_ram(const struct boot_mem_range *in, u32 n, u64 base, u64 end,
                         enum boot_mem_type *type);

/* Is every byte of [base, end) in some range, of whatever type? */
bool memmap_lists(const struct boot_mem_range *in, u32 n, u64 base, u64 end);

/* Prints one line per range, as Linux: "BIOS-e820: [mem 0x...-0x...] usable". */
void memmap_print(const struct boot_mem_range *map, u32 count);

/* Linux's words for a type: "usable", "reserved", "ACPI data", ... For tests of memmap_print(). */
const char *memmap_type_name(enum boot_mem_type type);

#endif
