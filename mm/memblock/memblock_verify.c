/*
 * Memblock's own check of its invariants (see mm/memblock/memblock.h).
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "mm/memblock/memblock_types.h"

static int broken(const struct memblock_type *type, u32 i, const char *what)
{
    pr_err("memblock: %s[%u]: %s", type->name, i, what);
    return -EINVAL;
}

static int verify_pair(const struct memblock_type *type, u32 i)
{
    const struct memblock_region *r = &type->regions[i], *prev = r - 1;

    if (r->base < memblock_end(prev))
        return broken(type, i, "not sorted, or overlaps the one before");
    if (r->base == memblock_end(prev) && r->nid == prev->nid && r->flags == prev->flags)
        return broken(type, i, "not merged with the one before");
    return 0;
}

static int verify_array(const struct memblock *mb, const struct memblock_type *type)
{
    if (!type->array_size)
        return 0;
    if (!is_aligned(type->array_pa | type->array_size, PAGE_SIZE) ||
        type->max > type->array_size / sizeof(type->regions[0]) || type->array_pa < mb->min_floor)
        return broken(type, 0, "its array is not whole pages above the floor");
    if (!memblock_type_covers(&mb->reserved, type->array_pa, type->array_pa + type->array_size))
        return broken(type, 0, "its array is not reserved");
    return 0;
}

static int verify_type(const struct memblock *mb, const struct memblock_type *type)
{
    u64 total = 0;

    if (type->cnt > type->max)
        return broken(type, type->cnt, "more regions than slots");
    for (u32 i = 0; i < type->cnt; i++) {
        const struct memblock_region *r = &type->regions[i];
        if (r->size == 0 || memblock_end(r) < r->base)
            return broken(type, i, "empty, or wraps");
        if (i > 0 && verify_pair(type, i))
            return -EINVAL;
        total += r->size;
    }
    if (total != type->total_size)
        return broken(type, type->cnt, "total_size is not the sum of the sizes");
    return verify_array(mb, type);
}

int memblock_verify(const struct memblock *mb)
{
    if (mb->min_floor < PAGE_SIZE) {
        pr_err("memblock: the floor is inside page 0");
        return -EINVAL;
    }
    if (verify_type(mb, &mb->memory) || verify_type(mb, &mb->reserved))
        return -EINVAL;
    return 0;
}
