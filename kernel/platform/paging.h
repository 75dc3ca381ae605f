/*
 * The final page tables and the virtual areas: direct map, kernel image with W^X, stacks with guard
 * pages, device registers, areas of the per-CPU window. One struct holds all of it; boot_state owns
 * the instance.
 *
 * Table pages and area records come from memblock until paging_hand_over(), then from the page
 * allocator, on the node asked for if possible. Code that changes tables or areas holds `lock`. The
 * functions here take it; other code calls paging_lock() and paging_unlock(). The lock is taken in
 * thread context with interrupts on (before paging_hand_over(), when only the boot CPU uses it,
 * also off). It may be held over allocations, never over a shoot-down. Lock order: a chunk's map
 * mutex, then this lock.
 *
 * Guard pages: paging_map_stack() leaves one unmapped below each stack; the boot stack's is left
 * out of the kernel image (map_image() in paging.c). paging_describe() names them in a panic.
 *
 * Context: boot CPU, before the other CPUs run, unless a function says otherwise.
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
    struct varea *boot_areas[2]; /* record arrays from memblock, which small_free() cannot take */
    struct page_source src;
    struct pagetable pt;
    struct vspace areas;       /* stacks, MMIO */
    struct vspace pcpu_window; /* page-mapped first chunk, dynamic chunks */
    struct varea area_slots[VM_FIRST_AREAS], window_slots[VM_FIRST_AREAS];
    struct vspace_storage storage;
    struct direct_map_stats direct;
    u64 trampoline_pa; /* the page mapped executable at its physical address; 0: none */
};

/*
 * Builds the final tables for the given memory (sorted ranges: RAM and ACPI tables), loads them,
 * and raises memblock's limit to all of it. Panics when there is no memory for tables.
 */
void paging_init(struct kernel_vm *vm, struct memblock *mb, const struct range *ranges, u32 n);

/* From now on memory comes from these, and no longer from memblock. Boot CPU, once. */
void paging_hand_over(struct kernel_vm *vm, struct buddy *pages, struct small_mem *small);

/* Any CPU; context as above. */
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
 * memory, which is written in order and never read. NULL, after a log line: it cannot be mapped, or
 * mmio_allowed() forbids it.
 */
void *paging_map_mmio(struct kernel_vm *vm, u64 pa, u64 size, u32 cache, const char *name);

/* Maps the local APIC's page, which no other device may be in. pa: from IA32_APIC_BASE. */
void *paging_map_local_apic(struct kernel_vm *vm, u64 pa);

/*
 * Maps the size bytes at pa as a stack, above a guard page. *top: its end. 0; -ENOMEM, -ENOSPC: no
 * tables or no addresses; the memory at pa stays the caller's.
 */
int paging_map_stack(struct kernel_vm *vm, u64 pa, u64 size, const char *name, u32 cpu, u64 *top);

/* Maps a trampoline page at its physical address: executable and read-only, or writable. */
int paging_map_identity(struct kernel_vm *vm, u64 pa, bool exec);
void paging_unmap_identity(struct kernel_vm *vm, u64 pa);

/* For tests: walks the live tables (CR3) and proves W^X, with a log line. Errors of wx_check(). */
int paging_prove_wx(const struct kernel_vm *vm, struct wx_result *result);

/* Text on a faulting address, for a panic; returns its length, 0: unknown. Any context. */
int paging_describe(u64 addr, char *buf, size_t size);

#endif
