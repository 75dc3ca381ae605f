/*
 * Queries, and the walk over free memory; nothing is changed.
 * SPDX-License-Identifier: MIT
 */
#include "mm/memblock/memblock_types.h"

u64 memblock_phys_mem_size(const struct memblock *mb)
{
    return mb->memory.total_size;
}

u64 memblock_reserved_size(const struct memblock *mb)
{
    return mb->reserved.total_size;
}

const struct memblock_region *memblock_search(const struct memblock_type *type, u64 pa)
{
    u32 i = memblock_first_ending_above(type, pa);

    return i < type->cnt && type->regions[i].base <= pa ? &type->regions[i] : NULL;
}

bool memblock_is_memory(const struct memblock *mb, u64 pa)
{
    return memblock_search(&mb->memory, pa) != NULL;
}

bool memblock_is_map_memory(const struct memblock *mb, u64 pa)
{
    const struct memblock_region *r = memblock_search(&mb->memory, pa);

    return r && !(r->flags & MEMBLOCK_NOMAP);
}

bool memblock_is_reserved(const struct memblock *mb, u64 pa)
{
    return memblock_search(&mb->reserved, pa) != NULL;
}

bool memblock_type_covers(const struct memblock_type *type, u64 base, u64 end)
{
    u32 i = memblock_first_ending_above(type, base);

    for (; base < end && i < type->cnt && type->regions[i].base <= base; i++)
        base = memblock_end(&type->regions[i]);
    return base >= end;
}

bool memblock_is_region_memory(const struct memblock *mb, u64 base, u64 size)
{
    return memblock_type_covers(&mb->memory, base, memblock_clamp_end(base, size ? size : 1));
}

bool memblock_overlaps_region(const struct memblock_type *type, u64 base, u64 size)
{
    u64 end = memblock_clamp_end(base, size);
    u32 i = memblock_first_ending_above(type, base);

    return end > base && i < type->cnt && type->regions[i].base < end;
}

bool memblock_is_region_reserved(const struct memblock *mb, u64 base, u64 size)
{
    return memblock_overlaps_region(&mb->reserved, base, size);
}

s32 memblock_addr_nid(const struct memblock *mb, u64 pa)
{
    const struct memblock_region *r = memblock_search(&mb->memory, pa);

    return r ? r->nid : NODE_NONE;
}

static u64 node_sum(const struct memblock *mb, s32 nid, u32 skip_flags)
{
    const struct memblock_region *r;
    u64 sum = 0;

    for_each_mem_region(r, mb)
    {
        if (memblock_node_matches(nid, r->nid) && !(r->flags & skip_flags))
            sum += r->size;
    }
    return sum;
}

u64 memblock_node_size(const struct memblock *mb, s32 nid)
{
    return node_sum(mb, nid, 0);
}

/* Walks both lists in parallel. */
bool memblock_next_free(const struct memblock *mb, s32 nid, u32 skip_flags,
                        struct memblock_cursor *c, struct memblock_free_range *out)
{
    const struct memblock_type *res = &mb->reserved;

    for (; c->mem < mb->memory.cnt; c->mem++) {
        const struct memblock_region *r = &mb->memory.regions[c->mem];
        u64 end = memblock_end(r);

        if ((r->flags & skip_flags) || !memblock_node_matches(nid, r->nid))
            continue;
        c->pos = MAX(c->pos, r->base);
        while (c->pos < end) {
            u64 start = c->pos, stop = end;
            while (c->res < res->cnt && memblock_end(&res->regions[c->res]) <= start)
                c->res++;
            if (c->res < res->cnt) {
                stop = MIN(end, res->regions[c->res].base);
                c->pos = stop < end ? memblock_end(&res->regions[c->res]) : end;
            } else {
                c->pos = end;
            }
            if (stop > start) {
                *out = (struct memblock_free_range){start, stop, r->nid, r->flags};
                return true;
            }
        }
    }
    return false;
}

static u64 node_unreserved(const struct memblock *mb, s32 nid, u32 skip_flags)
{
    struct memblock_cursor c;
    struct memblock_free_range f;
    u64 sum = 0;

    for_each_free_range(&f, mb, nid, skip_flags, &c) sum += f.end - f.start;
    return sum;
}

u64 memblock_node_reserved(const struct memblock *mb, s32 nid)
{
    return memblock_node_size(mb, nid) - node_unreserved(mb, nid, 0);
}

u64 memblock_node_free(const struct memblock *mb, s32 nid)
{
    return node_unreserved(mb, nid, MEMBLOCK_NOMAP);
}

u64 memblock_node_without(const struct memblock *mb, s32 nid, u32 skip_flags)
{
    return node_sum(mb, nid, skip_flags | MEMBLOCK_NOMAP);
}

u64 memblock_end_of_mapped(const struct memblock *mb)
{
    u64 end = 0;

    for (u32 i = mb->memory.cnt; i && !end; i--)
        if (!(mb->memory.regions[i - 1].flags & MEMBLOCK_NOMAP))
            end = memblock_end(&mb->memory.regions[i - 1]);
    return end;
}
