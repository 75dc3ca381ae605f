/*
 * A piece of address space for the suites that look for stale translations: mapped to one of two
 * pages of the kernel image whose contents tell them apart, and unmapped without any flush.
 * Header only; boot CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_SMP_CALL_TLB_AREA_H
#define PERCH_TESTS_SMP_CALL_TLB_AREA_H

#include "kernel/base/safe.h"
#include "smp/call/tlb.h"
#include "tests/suite/kutil.h"

#define TLB_AREA_FAULT   (~0ULL)
#define TLB_AREA_WORD(i) (0x7e57000000000000ULL + (i))

struct tlb_area {
    u64 va;
    u32 pages;
};

/* Addresses for that many pages, unmapped. -ENOSPC, -ENOMEM. */
static inline int tlb_area_take(struct tlb_area *a, u32 pages)
{
    struct kernel_vm *vm = &boot_state_get()->vm;
    struct varea_tag tag = {"test pages", VAREA_NO_OWNER};
    int err;

    a->pages = pages;
    paging_lock(vm);
    err = vspace_alloc(&vm->areas, pages * PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, tag, &a->va);
    paging_unlock(vm);
    return err;
}

/* All pages of the area lead to the one page `which`, 0 or 1. */
static inline void tlb_area_map(const struct tlb_area *a, u32 which)
{
    static u64 page[2][PAGE_SIZE / 8] ALIGNED(PAGE_SIZE);
    struct kernel_vm *vm = &boot_state_get()->vm;
    u64 pa = image_to_phys(page[which]);
    int err = 0;

    page[which][0] = TLB_AREA_WORD(which);
    paging_lock(vm);
    for (u32 i = 0; i < a->pages && !err; i++)
        err = pagetable_map_page(&vm->pt, a->va + i * PAGE_SIZE, pa, PT_G, NODE_NONE);
    paging_unlock(vm);
    EXPECT_EQ(err, 0);
}

/* Unmaps what is mapped; the caller shoots down. */
static inline void tlb_area_unmap(const struct tlb_area *a)
{
    struct kernel_vm *vm = &boot_state_get()->vm;
    struct pt_flush flush = PT_FLUSH_NONE;
    int err;

    paging_lock(vm);
    err = pagetable_unmap(&vm->pt, a->va, a->pages * PAGE_SIZE, PT_KEEP_TABLES, &flush);
    paging_unlock(vm);
    EXPECT_EQ(err, 0);
}

/* The area must be unmapped and shot down. */
static inline void tlb_area_give_back(const struct tlb_area *a)
{
    struct kernel_vm *vm = &boot_state_get()->vm;

    paging_lock(vm);
    EXPECT_EQ(vspace_free(&vm->areas, a->va), 0);
    paging_unlock(vm);
}

struct tlb_area_probe {
    u64 va, val;
};

static inline void tlb_area_probe_here(void *arg)
{
    struct tlb_area_probe *p = arg;

    if (probe_read(p->va, 8, &p->val))
        p->val = TLB_AREA_FAULT;
}

/* What the CPU reads at the area's first word; TLB_AREA_FAULT: it faults. */
static inline u64 tlb_area_read(const struct tlb_area *a, u32 cpu)
{
    struct tlb_area_probe p = {.va = a->va};

    EXPECT_EQ(smp_call_on_copy(cpu, tlb_area_probe_here, &p), 0);
    return p.val;
}

#endif
