/*
 * The two big mappings of the kernel half: the direct map of physical memory at DIRECT_MAP_BASE,
 * and the kernel image section by section. Promises that exactly the listed memory is reachable,
 * never a hole or a device; that nothing in the direct map is executable; and that memory which the
 * image maps read-only is read-only in the direct map too.
 * Pure; boot CPU, on tables that no CPU uses yet; allocates through the table's page source only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_DIRECT_MAP_H
#define PERCH_MM_MAP_DIRECT_MAP_H

#include "kernel/base/range.h"
#include "mm/map/pagetable.h"

struct direct_map_stats {
    u64 bytes;                 /* mapped */
    u64 clipped;               /* listed bytes above PHYS_LIMIT, left out */
    u64 leaves[PT_LEAF_KINDS]; /* by size */
    u64 tables;                /* table pages added */
};

/*
 * Maps ranges (RAM and ACPI tables: sorted by start, not overlapping) at DIRECT_MAP_BASE + address,
 * global, no-execute, rounded outward to 4 KiB; ranges that touch share large leaves. Memory in ro
 * (physical, sorted, whole pages: kernel text, rodata, per-CPU template) is mapped read-only, the
 * rest writable. Prints `direct map: 4096 MiB: 3 x 1G, 510 x 2M, 37 x 4K`.
 * On error nothing stays mapped. -EINVAL: a list is not in order, or ro not whole pages; -EEXIST: a
 * part is mapped already; -ENOMEM.
 */
int direct_map_build(struct pagetable *pt, const struct range *ranges, u32 n_ranges,
                     const struct range *ro, u32 n_ro, struct direct_map_stats *stats) MUST_CHECK;

struct kernel_section {
    u64 va, pa, size; /* size is rounded up to whole pages; 0: skipped */
    u32 prot;         /* PT_W or PT_X or neither; PT_W | PT_X is refused */
    const char *name;
};

/*
 * Maps the sections of the kernel image, global; the guard pages between them stay unmapped. On
 * error nothing of it stays mapped. -EINVAL: unaligned, or writable and executable, with a line
 * that names the section; -EEXIST: two sections share a page; -ENOMEM.
 */
int kernel_map_build(struct pagetable *pt, const struct kernel_section *sections, u32 n) MUST_CHECK;

#endif
