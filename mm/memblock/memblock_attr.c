/*
 * Nodes and flags of memory, and trimming to whole units.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "mm/memblock/memblock_types.h"

static int change(struct memblock *mb, struct memblock_type *type, u64 base, u64 size,
                  struct memblock_change c)
{
    return memblock_range_change(mb, type, base, memblock_clamp_end(base, size), &c);
}

int memblock_set_node(struct memblock *mb, u64 base, u64 size, s32 nid)
{
    return change(mb, &mb->memory, base, size,
                  (struct memblock_change){.set_nid = true, .nid = nid});
}

int memblock_mark(struct memblock *mb, u64 base, u64 size, u32 flags)
{
    return change(mb, &mb->memory, base, size, (struct memblock_change){.set = flags});
}

void memblock_trim_memory(struct memblock *mb, u64 align)
{
    struct memblock_type *type = &mb->memory;

    ASSERT(is_pow2(align) && !mb->closed);
    for (u32 i = 0; i < type->cnt;) {
        struct memblock_region *r = &type->regions[i];
        u64 start = align_up(r->base, align);
        u64 end = align_down(memblock_end(r), align);

        if (start < r->base || start >= end) {
            memblock_type_drop(type, i, i + 1);
            continue;
        }
        type->total_size -= r->size - (end - start);
        r->base = start;
        r->size = end - start;
        i++;
    }
}
