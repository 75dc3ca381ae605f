/*
 * The early window onto physical memory; see early_window.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/early_window.h"
#include "kernel/base/cpu.h"
#include "kernel/base/print.h"
#include "kernel/platform/mmio.h"
#include "kernel/platform/pat.h"
#include "mm/map/address_map.h"

#define PTE_PRESENT 0x1ULL
#define PTE_PWT     0x8ULL /* write-combining: pat.h */
#define PTE_NX      (1ULL << 63)

extern u64 early_window_pt[512], boot_pd_low[4 * 512]; /* boot/entry32.asm */

static u32 slots_used;

/* Read-only, no-execute slots, used in ascending order, then from the first again. */
static const void *map_high(u64 pa, size_t len)
{
    u64 first = align_down(pa, PAGE_SIZE);
    u64 pages = (align_up(pa + len, PAGE_SIZE) - first) >> PAGE_SHIFT;
    u64 va;

    if (pages > EARLY_WINDOW_SIZE / PAGE_SIZE) {
        pr_warn("early window: no room for %lu bytes at 0x%lx", len, pa);
        return NULL;
    }
    if (pages > EARLY_WINDOW_SIZE / PAGE_SIZE - slots_used)
        slots_used = 0;
    va = EARLY_WINDOW_BASE + slots_used * PAGE_SIZE;
    for (u64 i = 0; i < pages; i++) {
        early_window_pt[slots_used++] = (first + i * PAGE_SIZE) | PTE_PRESENT | PTE_NX;
        invlpg(va + i * PAGE_SIZE);
    }
    return (const void *)(va + (pa - first));
}

static const void *early_map(void *ctx, u64 pa, size_t len)
{
    (void)ctx;
    if (table_allowed(mmio_rules(), pa, len) == TABLE_NOWHERE)
        return NULL;
    if (pa + len <= BOOT_MAPPED_LIMIT)
        return phys_to_virt(pa);
    return map_high(pa, len);
}

static bool early_listed(void *ctx, u64 pa, size_t len)
{
    (void)ctx;
    return table_allowed(mmio_rules(), pa, len) == TABLE_LISTED;
}

bool early_window_combine(u64 base, u64 end)
{
    u64 first = align_down(base, SZ_2M), last = align_up(end, SZ_2M);

    if (last > BOOT_MAPPED_LIMIT || mmio_allowed(mmio_rules(), first, last - first) != MMIO_OK)
        return false;
    pat_set();
    for (u64 pa = first; pa < last; pa += SZ_2M)
        boot_pd_low[pa / SZ_2M] |= PTE_PWT;
    flush_tlb_local(); /* each leaf is mapped twice: at 0 and in the direct map */
    return true;
}

u32 early_window_type(u64 pa)
{
    return pat_type_2m(boot_pd_low[pa / SZ_2M]);
}

const struct phys_window early_window = {early_map, NULL, early_listed};
