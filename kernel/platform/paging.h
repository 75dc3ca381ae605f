/*
 * The final page tables and everything that lives in virtual areas: direct map, kernel image with
 * W^X, stacks with guard pages, device registers, areas of the per-CPU window. One struct holds
 * it; main owns the instance.
 *
 * Table pages and area records come from memblock until paging_hand_over(), from then on from the
 * page allocator, near the node asked for. Everything that changes tables or areas holds `lock`:
 * the functions here take it, others bracket their work with paging_lock() and paging_unlock(). It
 * is taken in thread context only, with interrupts on (during the boot, before there is anybody to
 * wait for, off too), may be held over allocations, never over a shoot-down, and lies inside of a
 * chunk's map mutex.
 * Boot CPU, before the other CPUs run, unless a function says otherwise.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_PAGING_H
#define PERCH_PLATFORM_PAGING_H

#include "kernel/base/print.h"
#include "kernel/base/range.h"
#include "kernel/base/spinlock.h"
#include "mm/map/direct_map.h"
#include "mm/map/pagetable.h"
#include "mm/map/vspace.h"
#include "mm/map/wx_check.h"
#include "mm/memblock/memblock.h"
#include "mm/pages/buddy.h"
#include "mm/pages/smallmem.h"

#define VM_FIRST_AREAS 64

struct kernel_vm {
    struct spinlock lock; /* pt, areas, pcpu_window */
    struct memblock *mb;
    struct buddy *pages; /* NULL before paging_hand_over() */
    struct small_mem *small;
    struct varea *boot_areas[2]; /* arrays from memblock, too odd to be given to the allocator */
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

/* From now on memory comes from these, and memblock is not touched any more. Boot CPU, once. */
void paging_hand_over(struct kernel_vm *vm, struct buddy *pages, struct small_mem *small);

/* See above. Any CPU, thread context. */
static inline void paging_lock(struct kernel_vm *vm)
{
    ASSERT(!vm->pages || local_irqs_enabled());
    spin_lock(&vm->lock);
}

static inline void paging_unlock(struct kernel_vm *vm)
{
    spin_unlock(&vm->lock);
}

/*
 * Maps device memory in the area window, for good. cache: PT_UC for registers, PT_WC for video
 * memory, which is written in order and never read. NULL, after a log line: it cannot be mapped.
 */
void *paging_map_mmio(struct kernel_vm *vm, u64 pa, u64 size, u32 cache, const char *name);

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
