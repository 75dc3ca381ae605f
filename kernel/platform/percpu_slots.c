/*
 * The dynamic per-CPU allocator's address space: areas of the per-CPU window, slots of the live
 * page tables, and the shoot-down after which retired table pages are freed. See percpu_platform.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/percpu_platform.h"
#include "mm/map/pagetable_range.h"
#include "percpu/percpu_instance.h"
#include "smp/call/tlb.h"
#include "smp/run/park.h"

#define UNIT_PROT   (PT_W | PT_G)
#define FLUSH_BATCH 32u /* ranges in one shoot-down */

static u64 zero_page;
/* Table pages to free after a flush, and after one beside a parked CPU; under the paging lock. */
static struct pt_flush retired, kept;
static u32 nr_kept; /* pages in kept */

u32 percpu_tables_kept(void)
{
    return __atomic_load_n(&nr_kept, __ATOMIC_RELAXED);
}

/* ctx is the struct kernel_vm. */

static struct pagetable *pt_of(void *ctx)
{
    return &((struct kernel_vm *)ctx)->pt;
}

static int area_alloc(void *ctx, const u64 *offsets, const u64 *sizes, u32 n, u64 align, u64 *base)
{
    struct kernel_vm *vm = ctx;
    int err;

    /* An unusable base stays allocated, so that the next search does not find it again. */
    paging_lock(vm);
    do {
        err = vspace_alloc_congruent(&vm->pcpu_window, offsets, sizes, n, align, "per-CPU chunk",
                                     base);
    } while (!err && !percpu_base_usable(*base));
    paging_unlock(vm);
    return err;
}

static void area_free(void *ctx, u64 base, const u64 *offsets, u32 n)
{
    struct kernel_vm *vm = ctx;
    int err;

    paging_lock(vm);
    err = vspace_free_congruent(&vm->pcpu_window, base, offsets, n);
    paging_unlock(vm);
    if (err)
        pr_err("percpu: chunk area at 0x%llx was not taken", (unsigned long long)base);
}

static int slot_open(void *ctx, u64 va, s32 node, void **slot)
{
    struct kernel_vm *vm = ctx;
    struct pt_slot *s = small_alloc(vm->small, node, sizeof(*s));
    int err;

    if (!s)
        return -ENOMEM;
    paging_lock(vm);
    err = pt_slot_open(&vm->pt, va, node, s);
    paging_unlock(vm);
    if (err)
        small_free(vm->small, s, sizeof(*s));
    else
        *slot = s;
    return err;
}

static void slot_close(void *ctx, void *slot)
{
    struct kernel_vm *vm = ctx;

    paging_lock(vm);
    pt_slot_close(&vm->pt, slot, &retired);
    paging_unlock(vm);
    small_free(vm->small, slot, sizeof(struct pt_slot));
}

static void slot_set(void *ctx, void *slot, u32 index, u32 n, u64 pa)
{
    pt_slot_set_run(pt_of(ctx), slot, index, n, pa, UNIT_PROT);
}

static void slot_set_zero(void *ctx, void *slot, u32 index, u32 n)
{
    pt_slot_set_same(pt_of(ctx), slot, index, n, zero_page, PT_G);
}

static void slot_replace(void *ctx, void *slot, u32 index, u64 pa)
{
    pt_slot_replace(pt_of(ctx), slot, index, pa, UNIT_PROT);
}

static u64 slot_clear(void *ctx, void *slot, u32 index)
{
    u64 pa = pt_slot_clear(pt_of(ctx), slot, index);

    return pa == zero_page ? 0 : pa;
}

static u64 slot_get(void *ctx, void *slot, u32 index)
{
    u64 pa = pt_slot_entry(pt_of(ctx), slot, index, NULL);

    if (!pa)
        return PCPU_GET_NONE;
    return pa == zero_page ? PCPU_GET_ZERO : pa;
}

static int slot_promote(void *ctx, void *slot, u64 block)
{
    struct kernel_vm *vm = ctx;
    int err;

    paging_lock(vm);
    err = pt_slot_promote(&vm->pt, slot, block, UNIT_PROT, &retired);
    paging_unlock(vm);
    return err;
}

static int slot_demote(void *ctx, void *slot)
{
    struct kernel_vm *vm = ctx;
    int err;

    paging_lock(vm);
    err = pt_slot_demote(&vm->pt, slot, 0, &retired);
    paging_unlock(vm);
    return err;
}

static int shoot_down(const struct pcpu_flush_range *ranges, u32 n, const struct pt_flush *f)
{
    struct tlb_range list[FLUSH_BATCH];
    u32 k = 0;

    if (n + 1 > FLUSH_BATCH)
        return tlb_shootdown_all();
    for (; k < n; k++)
        list[k] = (struct tlb_range){ranges[k].start, ranges[k].end};
    if (f->start != f->end)
        list[k++] = (struct tlb_range){f->start, f->end};
    return tlb_shootdown_ranges(list, k);
}

/*
 * Frees the pages retired before the flush; those retired later wait for the next flush. While a
 * CPU is parked, which was not asked, tables are kept until the first flush after its wake.
 */
static int flush(void *ctx, const struct pcpu_flush_range *ranges, u32 n)
{
    struct kernel_vm *vm = ctx;
    struct pt_flush f;
    int err;

    paging_lock(vm);
    f = retired;
    retired = PT_FLUSH_NONE;
    paging_unlock(vm);
    err = shoot_down(ranges, n, &f);
    if (err)
        return err; /* a CPU may still use these tables: they are never freed */
    paging_lock(vm);
    nr_kept += pagetable_keep(&vm->pt, &kept, &f);
    if (!cpus_unflushed()) {
        pagetable_release(&vm->pt, &kept);
        nr_kept = 0;
    }
    paging_unlock(vm);
    return 0;
}

static struct pcpu_map_ops map_ops = {
    .area_alloc = area_alloc,
    .area_free = area_free,
    .slot_open = slot_open,
    .slot_close = slot_close,
    .set = slot_set,
    .set_zero = slot_set_zero,
    .replace = slot_replace,
    .clear = slot_clear,
    .get = slot_get,
    .promote = slot_promote,
    .demote = slot_demote,
    .flush = flush,
};

const struct pcpu_map_ops *percpu_slots_init(struct kernel_vm *vm, u64 zero_pa, bool can_promote)
{
    zero_page = zero_pa;
    map_ops.ctx = vm;
    map_ops.can_promote = can_promote;
    return &map_ops;
}
