/*
 * How the two parsers fill struct boot_info: bounded appends that refuse empty and wrapping ranges
 * with a line, count what does not fit, and never write past an array. For the parsers of boot/
 * only. Pure; boot CPU, first stage; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_BOOT_INFO_BUILD_H
#define PERCH_BOOT_BOOT_INFO_BUILD_H

#include "boot/boot_info.h"
#include "kernel/base/phys_window.h"

/* E820 types (ACPI 6.5, 15.1, table 15.4), as Multiboot2 3.6.8 and PVH use them. */
enum e820_type {
    E820_RAM = 1,
    E820_RESERVED = 2,
    E820_ACPI = 3,
    E820_NVS = 4,
    E820_UNUSABLE = 5,
    E820_PMEM = 7,
    E820_PRAM = 12, /* persistent memory too, by an older number */
    E820_SOFT_RESERVED = 0xefffffff,
};

/* An unknown type is RESERVED. */
enum boot_mem_type boot_mem_type_of_e820(u32 type);

/* Everything empty but the origin. */
void boot_info_init(struct boot_info *info, enum boot_origin origin);

/*
 * Appends [base, base + size). An empty one is ignored; one that wraps, or does not fit, is dropped
 * and counted, the first few with a line naming table, entry index, offset and values.
 */
void boot_info_add_range(struct boot_info *info, u64 base, u64 size, enum boot_mem_type type,
                         const char *table, u32 entry, u64 offset);

/*
 * Records attributes (BOOT_ATTR_*) of [base, base + size). Extends the last record when that ends
 * at base and has the same attributes. Empty or wrapping: ignored; what does not fit is counted.
 */
void boot_info_add_attr(struct boot_info *info, u64 base, u64 size, u32 attr);

/* Reserves [base, base + size); empty or wrapping: ignored. name: a string literal. */
void boot_info_reserve(struct boot_info *info, u64 base, u64 size, const char *name);

/*
 * Appends a module and reserves its memory; the caller fills in args. NULL: it wraps, or does not
 * fit (both counted, with a line); one that does not fit is reserved all the same.
 */
struct boot_module *boot_info_add_module(struct boot_info *info, u64 base, u64 end, u32 entry);

/*
 * Copies the string in len bytes at src into dst[size], always terminated. True: its NUL was found
 * and all of it fitted.
 */
bool boot_copy_string(char *dst, size_t size, const void *src, size_t len);

#endif
