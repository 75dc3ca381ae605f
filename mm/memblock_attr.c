/*
 * Nodes and flags of what is there, and the limits that cut memory down.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "mm/memblock_internal.h"

static int change(struct memblock *mb, struct memblock_type *type, u64 base, u64 size,
                  struct memblock_change c)
{
    return memblock_type_change(mb, type, base, memblock_clamp_end(base, size), &c);
}

int memblock_set_node(struct memblock *mb, u64 base, u64 size, s32 nid)
{
    return change(mb, &mb->memory, base, size,
                  (struct memblock_change){.set_nid = true, .nid = nid});
}

int memblock_set_reserved_node(struct memblock *mb, u64 base, u64 size, s32 nid)
{
    return change(mb, &mb->reserved, base, size,
                  (struct memblock_change){.set_nid = true, .nid = nid});
}

int memblock_mark(struct memblock *mb, u64 base, u64 size, u32 flags)
{
    return change(mb, &mb->memory, base, size, (struct memblock_change){.set = flags});
}

int memblock_clear(struct memblock *mb, u64 base, u64 size, u32 flags)
{
    return change(mb, &mb->memory, base, size, (struct memblock_change){.clear = flags});
}

int memblock_reserved_mark(struct memblock *mb, u64 base, u64 size, u32 flags)
{
    return change(mb, &mb->reserved, base, size, (struct memblock_change){.set = flags});
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

/* Cuts a region at one of its ends, which needs no slot. */
static void cut(struct memblock *mb, u64 from, u64 to)
{
    int rc = memblock_type_remove(mb, &mb->memory, from, to);

    ASSERT(rc == 0);
}

void memblock_cap_range(struct memblock *mb, u64 base, u64 size)
{
    u64 end = memblock_clamp_end(base, size);

    if (size == 0)
        return;
    for (u32 i = mb->memory.cnt; i-- > 0;) {
        const struct memblock_region *r = &mb->memory.regions[i];
        u64 from = r->base, to = memblock_end(r);

        if (r->flags & MEMBLOCK_NOMAP)
            continue;
        cut(mb, MAX(from, end), to);
        cut(mb, from, MIN(to, base));
    }
}

void memblock_enforce_limit(struct memblock *mb, u64 limit)
{
    struct memblock_type *type = &mb->memory;

    ASSERT(!mb->closed);
    for (u32 i = 0; limit && i < type->cnt; i++) {
        struct memblock_region *r = &type->regions[i];

        if (r->size < limit) {
            limit -= r->size;
            continue;
        }
        type->total_size -= r->size - limit;
        r->size = limit;
        memblock_type_drop(type, i + 1, type->cnt);
        return;
    }
}
