/*
 * The final page tables and everything that lives in virtual areas: direct map, kernel image with
 * W^X, stacks with guard pages, device registers. One struct holds it; main owns the instance.
 * Boot CPU, before the other CPUs run, unless a function says otherwise.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_PAGING_H
#define PERCH_PLATFORM_PAGING_H

#include "kernel/base/range.h"
#include "mm/direct_map.h"
#include "mm/memblock.h"
#include "mm/pagetable.h"
#include "mm/vspace.h"
#include "mm/wx_check.h"

#define VM_FIRST_AREAS 64

struct kernel_vm {
    struct memblock *mb;
    struct page_source src;
    struct pagetable pt;
    struct vspace areas;       /* stacks, MMIO */
    struct vspace pcpu_window; /* page-mapped first chunk, dynamic chunks */
    struct varea area_slots[VM_FIRST_AREAS], window_slots[VM_FIRST_AREAS];
    struct vspace_storage storage;
    struct direct_map_stats direct;
    u64 trampoline_pa; /* page that is mapped executable at its physical address; 0: none */
};

/*
 * Builds the final tables for the given memory (sorted ranges: RAM and ACPI tables) and loads them;
 * raises memblock's limit to all of it. Panics when there is no memory for tables.
 */
void paging_init(struct kernel_vm *vm, struct memblock *mb, const struct range *ranges, u32 n);

/*
 * Maps device registers, uncached, at an address of the area window. NULL with a line when it
 * cannot; never undone.
 */
void *paging_map_mmio(struct kernel_vm *vm, u64 pa, u64 size, const char *name);

/*
 * A stack over the size bytes at pa, above a guard page. *top: its end. 0, -ENOMEM or -ENOSPC; the
 * memory stays the caller's.
 */
int paging_map_stack(struct kernel_vm *vm, u64 pa, u64 size, const char *name, u32 cpu, u64 *top);

/* One page at its physical address, for the trampoline: executable and read-only, or writable. */
int paging_map_identity(struct kernel_vm *vm, u64 pa, bool exec);
void paging_unmap_identity(struct kernel_vm *vm, u64 pa);

/* Walks the live tables (CR3) and proves W^X; says so in one line. 0 or what wx_check() found. */
int paging_prove_wx(const struct kernel_vm *vm, struct wx_result *result);

/* Names a faulting address for the panic text; any context. */
int paging_describe(u64 addr, char *buf, size_t size);

#endif
