/*
 * Questions to memblock; none changes anything.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "mm/memblock_internal.h"

u64 memblock_phys_mem_size(const struct memblock *mb)
{
    return mb->memory.total_size;
}

u64 memblock_reserved_size(const struct memblock *mb)
{
    return mb->reserved.total_size;
}

u64 memblock_start_of_dram(const struct memblock *mb)
{
    return mb->memory.cnt ? mb->memory.regions[0].base : 0;
}

u64 memblock_end_of_dram(const struct memblock *mb)
{
    return mb->memory.cnt ? memblock_end(&mb->memory.regions[mb->memory.cnt - 1]) : 0;
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

u64 memblock_node_size(const struct memblock *mb, s32 nid)
{
    const struct memblock_region *r;
    u64 sum = 0;

    for_each_mem_region(r, mb) if (memblock_node_matches(nid, r->nid)) sum += r->size;
    return sum;
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
    const struct memblock_region *r;
    u64 sum = 0;

    for_each_mem_region(r, mb) if (memblock_node_matches(nid, r->nid) &&
                                   !(r->flags & (skip_flags | MEMBLOCK_NOMAP))) sum += r->size;
    return sum;
}

u64 memblock_end_of_mapped(const struct memblock *mb)
{
    u64 end = 0;

    for (u32 i = mb->memory.cnt; i && !end; i--)
        if (!(mb->memory.regions[i - 1].flags & MEMBLOCK_NOMAP))
            end = memblock_end(&mb->memory.regions[i - 1]);
    return end;
}

bool memblock_has_mirror(const struct memblock *mb)
{
    const struct memblock_region *r;

    for_each_mem_region(r, mb) if (r->flags & MEMBLOCK_MIRROR) return true;
    return false;
}

bool memblock_validate_numa_coverage(const struct memblock *mb, u64 threshold)
{
    u64 without = memblock_node_size(mb, NODE_NONE);

    if (without <= threshold)
        return true;
    pr_err("NUMA: no nodes coverage for %lluMB of %lluMB RAM",
           (unsigned long long)(without / SZ_1M),
           (unsigned long long)(memblock_phys_mem_size(mb) / SZ_1M));
    return false;
}
