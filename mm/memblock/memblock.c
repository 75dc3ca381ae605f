/*
 * Memblock's front: set-up, and the calls that add, remove, reserve and free ranges.
 * SPDX-License-Identifier: MIT
 */
#include "mm/memblock/memblock.h"

#include "kernel/base/print.h"
#include "kernel/base/range.h"
#include "mm/memblock/memblock_types.h"

static void type_init(struct memblock_type *type, const char *name, struct memblock_region *array,
                      u32 max)
{
    ASSERT(array && max >= 4);
    *type = (struct memblock_type){.regions = array, .max = max, .name = name};
}

void memblock_init(struct memblock *mb, struct memblock_region *mem_static, u32 mem_max,
                   struct memblock_region *res_static, u32 res_max, const struct memblock_ops *ops)
{
    *mb = (struct memblock){
        .current_limit = MEMBLOCK_NO_LIMIT,
        .min_floor = PAGE_SIZE,
        .ops = ops,
    };
    type_init(&mb->memory, "memory", mem_static, mem_max);
    type_init(&mb->reserved, "reserved", res_static, res_max);
}

void memblock_set_bottom_up(struct memblock *mb, bool enable)
{
    mb->bottom_up = enable;
}

void memblock_set_current_limit(struct memblock *mb, u64 limit)
{
    mb->current_limit = limit;
}

int memblock_add(struct memblock *mb, u64 base, u64 size)
{
    return memblock_add_node(mb, base, size, NODE_NONE, 0);
}

int memblock_add_node(struct memblock *mb, u64 base, u64 size, s32 nid, u32 flags)
{
    return memblock_range_add(mb, &mb->memory, base, memblock_clamp_end(base, size), nid, flags);
}

int memblock_remove(struct memblock *mb, u64 base, u64 size)
{
    return memblock_range_remove(mb, &mb->memory, base, memblock_clamp_end(base, size));
}

int memblock_reserve(struct memblock *mb, u64 base, u64 size)
{
    return memblock_reserve_node(mb, base, size, NODE_NONE, 0);
}

static bool array_overlaps(const struct memblock_type *type, u64 base, u64 end)
{
    return type->array_size && type->array_pa < end && base < type->array_pa + type->array_size;
}

int memblock_reserve_node(struct memblock *mb, u64 base, u64 size, s32 nid, u32 flags)
{
    u64 end = memblock_clamp_end(base, size);
    int rc = memblock_range_add(mb, &mb->reserved, base, end, nid, flags);

    if (rc)
        return rc;
    /* The caller's reservation lasts longer: the next growth must not free the array's memory. */
    if (array_overlaps(&mb->memory, base, end))
        mb->memory.pinned = true;
    if (array_overlaps(&mb->reserved, base, end))
        mb->reserved.pinned = true;
    return 0;
}

int memblock_phys_free(struct memblock *mb, u64 base, u64 size)
{
    u64 end = memblock_clamp_end(base, size);

    if (array_overlaps(&mb->memory, base, end) || array_overlaps(&mb->reserved, base, end))
        return -EBUSY;
    return memblock_range_remove(mb, &mb->reserved, base, end);
}

int memblock_give_back(struct memblock *mb, u64 base, u64 size)
{
    int rc = memblock_phys_free(mb, base, size);

    if (rc) {
        struct range r = {base, memblock_clamp_end(base, size)};
        mb->kept_bytes += range_size(r);
        mb->kept_count++;
        pr_warn("memblock: cannot give back " RANGE_FMT ", it stays reserved (error %d)",
                RANGE_ARG(r), rc);
    }
    return rc;
}

void memblock_close(struct memblock *mb)
{
    mb->closed = true;
}
