/*
 * An area with pages: the area allocator and the page tables together. The contract is in
 * mm/map/vspace.h. A file of its own, because the library has vspace without page tables. Both
 * halves are all or nothing, so an error only has to free the area.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "mm/map/vspace.h"

int vspace_map_range(struct vspace *vs, struct pagetable *pt, u64 pa, u64 size,
                     const struct vspace_map_args *args, u64 *va)
{
    u64 offset = pa & (PAGE_SIZE - 1), at;
    u64 bytes = align_up(offset + size, PAGE_SIZE), align = PAGE_SIZE;
    u32 prot = args->prot;
    int err, undo;

    if (!size || bytes < size)
        return -EINVAL;
    if (is_aligned(pa, SZ_2M) && bytes >= SZ_2M && !(prot & PT_MAX_4K))
        align = SZ_2M;
    err = vspace_alloc(vs, bytes, align, args->guard, args->tag, &at);
    if (err)
        return err;
    err = pagetable_map(pt, at, pa - offset, bytes, prot, args->node);
    if (!err) {
        *va = at + offset;
        return 0;
    }
    undo = vspace_free(vs, at);
    ASSERT(!undo);
    return err;
}
