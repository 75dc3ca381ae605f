/*
 * Doubling of a region array. The new array comes from memblock itself, at page alignment, first
 * above the range that is being added, then below it, never inside. The old one is freed unless it
 * is the static one or a caller has reserved its memory as well.
 *
 * Reserving the new array and freeing the old one may each need a slot in `reserved`. A growth of
 * `reserved` adds them to the new size; a growth of `memory` makes room for them first. So the
 * recursion has depth one, and nothing can fail after the arrays are swapped.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/range.h"
#include "kernel/base/string.h"
#include "mm/memblock/memblock_types.h"

/* Slots in `reserved`: one for the new array, one for the split when the old one is freed. */
#define OWN_SLOTS 2
#define MAX_SLOTS (1u << 26)

static bool find_array(const struct memblock *mb, u64 size, u64 lo, u64 hi,
                       struct memblock_result *where)
{
    struct memblock_criteria criteria = {
        .size = size,
        .align = PAGE_SIZE,
        .lo = MAX(lo, mb->min_floor),
        .hi = MIN(hi, mb->current_limit),
        .nid = MEMBLOCK_NODE_ANY,
        .none = MEMBLOCK_LAST,
    };

    if (memblock_find_piece(mb, &criteria, where))
        return true;
    criteria.none = 0;
    return memblock_find_piece(mb, &criteria, where);
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
    u32 missing;

    memcpy(array, type->regions, type->cnt * sizeof(type->regions[0]));
    type->regions = array;
    type->max = max;
    type->array_pa = pa;
    type->array_size = size;
    type->pinned = false;
    type->grown++;
    missing = memblock_type_add(&mb->reserved, pa, pa + size, NODE_NONE, 0);
    ASSERT(!missing);
    missing = memblock_type_remove(&mb->reserved, old_pa, old_pa + old_size);
    ASSERT(!missing);
}

/* Makes at least n slots free, without memory in [avoid_base, avoid_end). 0, -ENOMEM, -EBUSY. */
static int ensure_slots(struct memblock *mb, struct memblock_type *type, u32 n, u64 avoid_base,
                        u64 avoid_end);

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
        rc = ensure_slots(mb, &mb->reserved, OWN_SLOTS, avoid_base, avoid_end);
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

static int ensure_slots(struct memblock *mb, struct memblock_type *type, u32 n, u64 avoid_base,
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

int memblock_reserve_slots(struct memblock *mb, u32 extra)
{
    return ensure_slots(mb, &mb->reserved, extra, 0, 0);
}

/* ---- changes that may grow ------------------------------------------------------------------- */

/* True, with a line: memblock is closed, so [base, end) cannot change. */
static bool refuses(const struct memblock *mb, u64 base, u64 end)
{
    if (likely(!mb->closed))
        return false;
    pr_err("memblock: " RANGE_FMT " cannot change: the page allocator has taken over",
           RANGE_ARG(((struct range){base, end})));
    return true;
}

/* Growth may itself change the list, so a second try may need more slots than the first. */
int memblock_range_add(struct memblock *mb, struct memblock_type *type, u64 base, u64 end, s32 nid,
                       u32 flags)
{
    int rc = refuses(mb, base, end) ? -EBUSY : 0;
    u32 missing;

    while (!rc && (missing = memblock_type_add(type, base, end, nid, flags)))
        rc = ensure_slots(mb, type, missing, base, end);
    return rc;
}

int memblock_range_remove(struct memblock *mb, struct memblock_type *type, u64 base, u64 end)
{
    int rc = refuses(mb, base, end) ? -EBUSY : 0;
    u32 missing;

    while (!rc && (missing = memblock_type_remove(type, base, end)))
        rc = ensure_slots(mb, type, missing, base, end);
    return rc;
}

int memblock_range_change(struct memblock *mb, struct memblock_type *type, u64 base, u64 end,
                          const struct memblock_change *change)
{
    int rc = refuses(mb, base, end) ? -EBUSY : 0;
    u32 missing;

    while (!rc && (missing = memblock_type_change(type, base, end, change)))
        rc = ensure_slots(mb, type, missing, base, end);
    return rc;
}
