/*
 * Areas with pages in them: joins the area allocator with the page tables. The contract is in
 * mm/vspace.h. Both halves are all or nothing, so an error needs to give back the addresses only.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "mm/vspace_internal.h"

static int finish(struct vspace *vs, u64 va, int map_err)
{
    int err;

    if (!map_err) {
        vspace_area_at(vs, va)->flags |= VAREA_MAPPED;
        return 0;
    }
    err = vspace_free(vs, va);
    ASSERT(!err);
    return map_err;
}

int vspace_map_pages(struct vspace *vs, struct pagetable *pt, const u64 *pas, u32 n,
                     const struct vspace_map_args *args, u64 *va)
{
    u64 at;
    int err = vspace_alloc(vs, n * PAGE_SIZE, PAGE_SIZE, args->guard, args->tag, &at);

    if (err)
        return err;
    err = pagetable_map_pages(pt, at, pas, n, args->prot, args->node);
    err = finish(vs, at, err);
    if (!err)
        *va = at;
    return err;
}

int vspace_map_range(struct vspace *vs, struct pagetable *pt, u64 pa, u64 size,
                     const struct vspace_map_args *args, u64 *va)
{
    u64 offset = pa & (PAGE_SIZE - 1), at;
    u64 bytes = align_up(offset + size, PAGE_SIZE), align = PAGE_SIZE;
    u32 prot = args->prot;
    int err;

    if (!size || bytes < size)
        return -EINVAL;
    if (is_aligned(pa, SZ_2M) && bytes >= SZ_2M && !(prot & PT_MAX_4K))
        align = SZ_2M;
    err = vspace_alloc(vs, bytes, align, args->guard, args->tag, &at);
    if (err)
        return err;
    err = pagetable_map(pt, at, pa - offset, bytes, prot, args->node);
    err = finish(vs, at, err);
    if (!err)
        *va = at + offset;
    return err;
}

int vspace_unmap(struct vspace *vs, struct pagetable *pt, u64 va, const struct tlb_ops *tlb)
{
    const struct varea *area = vspace_area_at(vs, align_down(va, PAGE_SIZE));
    struct pt_flush flush = PT_FLUSH_NONE;
    int err;

    if (!area || !(area->flags & VAREA_MAPPED))
        return -ENOENT;
    err = pagetable_unmap(pt, area->va, area->end - area->va, 0, &flush);
    if (err)
        return err;
    if (tlb)
        tlb->flush(tlb->ctx, flush.start, flush.end);
    pagetable_release(pt, &flush);
    err = vspace_free(vs, area->va);
    ASSERT(!err);
    return 0;
}
