/*
 * Doubling of a region array. The new array comes from memblock itself, at page alignment, first
 * above the range that is being added, then below it, never inside; the old one is given back
 * unless it is the static one or somebody else has reserved its memory as well.
 *
 * Reserving the new array and freeing the old one may each need a slot in `reserved`. A growth of
 * `reserved` counts them into the new size; a growth of `memory` asks for them first. So the
 * recursion is one deep, and nothing can fail once the array has been swapped.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/range.h"
#include "kernel/base/string.h"
#include "mm/memblock_internal.h"

/* Slots in `reserved` for the new array's range and for the split when the old one is freed. */
#define OWN_SLOTS 2
#define MAX_SLOTS (1u << 26)

static bool find_array(const struct memblock *mb, u64 size, u64 lo, u64 hi,
                       struct memblock_result *where)
{
    struct memblock_want want = {
        .size = size,
        .align = PAGE_SIZE,
        .lo = MAX(lo, mb->min_floor),
        .hi = MIN(hi, mb->current_limit),
        .nid = MEMBLOCK_NODE_ANY,
        .none = MEMBLOCK_LAST,
    };

    if (memblock_find_piece(mb, &want, where))
        return true;
    want.none = 0;
    return memblock_find_piece(mb, &want, where);
}

/* An address for the array, or -ENOMEM; changes nothing. */
static int place_array(const struct memblock *mb, u64 size, u64 avoid_base, u64 avoid_end,
                       struct memblock_result *where)
{
    if (find_array(mb, size, avoid_end, MEMBLOCK_NO_LIMIT, where))
        return 0;
    if (find_array(mb, size, 0, avoid_base, where))
        return 0;
    return -ENOMEM;
}

static void swap_array(struct memblock *mb, struct memblock_type *type, void *array, u64 pa,
                       u64 size, u32 max)
{
    u64 old_pa = type->array_pa, old_size = type->pinned ? 0 : type->array_size;
    int rc;

    memcpy(array, type->regions, type->cnt * sizeof(type->regions[0]));
    type->regions = array;
    type->max = max;
    type->array_pa = pa;
    type->array_size = size;
    type->pinned = false;
    type->grown++;
    rc = memblock_type_add(mb, &mb->reserved, pa, pa + size, NODE_NONE, 0);
    ASSERT(rc == 0);
    rc = memblock_type_remove(mb, &mb->reserved, old_pa, old_pa + old_size);
    ASSERT(rc == 0);
}

static int grow(struct memblock *mb, struct memblock_type *type, u32 n, u64 avoid_base,
                u64 avoid_end)
{
    u64 need = (u64)type->cnt + n + (type == &mb->reserved ? OWN_SLOTS : 0);
    u64 max = type->max, size;
    struct memblock_result where;
    void *array;
    int rc;

    if (!mb->ops || !mb->ops->phys_to_virt)
        return -ENOMEM;
    if (mb->ops->fail_growth && mb->ops->fail_growth(mb->ops->ctx))
        return -ENOMEM;
    do
        max *= 2;
    while (max < need);
    if (max > MAX_SLOTS)
        return -ENOMEM;
    size = align_up(max * sizeof(struct memblock_region), PAGE_SIZE);
    rc = place_array(mb, size, avoid_base, avoid_end, &where);
    if (rc == 0 && type == &mb->memory && mb->reserved.max - mb->reserved.cnt < OWN_SLOTS) {
        rc = memblock_ensure_slots(mb, &mb->reserved, OWN_SLOTS, avoid_base, avoid_end);
        if (rc == 0)
            rc = place_array(mb, size, avoid_base, avoid_end, &where);
    }
    if (rc)
        return rc;
    array = mb->ops->phys_to_virt(mb->ops->ctx, where.base);
    if (!array)
        return -ENOMEM;
    swap_array(mb, type, array, where.base, size, (u32)max);
    pr_debug("memblock: %s array grew to %u regions at " RANGE_FMT, type->name, type->max,
             RANGE_ARG(((struct range){where.base, where.base + size})));
    return 0;
}

int memblock_ensure_slots(struct memblock *mb, struct memblock_type *type, u32 n, u64 avoid_base,
                          u64 avoid_end)
{
    int rc = 0;

    if (n > type->max - type->cnt)
        rc = mb->closed ? -EBUSY : grow(mb, type, n, avoid_base, avoid_end);
    if (rc)
        pr_warn("memblock: no room for %u more %s regions (%u of %u)", n, type->name, type->cnt,
                type->max);
    return rc;
}
