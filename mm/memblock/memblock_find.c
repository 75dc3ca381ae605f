/*
 * One search for free memory: one range, one node, one class of memory.
 *
 * Cost: one pass over the regions of memory; for each candidate a binary search in `reserved`, then
 * its gaps from there. Allocations are adjacent and merge, so the first gap usually serves.
 * SPDX-License-Identifier: MIT
 */
#include "mm/memblock/memblock_types.h"

/* Highest fit in [lo, hi), a part of one memory region. */
static bool fit_down(const struct memblock_type *reserved, u64 lo, u64 hi, u64 size, u64 align,
                     u64 *base)
{
    const struct memblock_region *r = reserved->regions + memblock_first_from(reserved, hi);

    /* r - 1 is the highest reservation that begins below hi. */
    for (; hi > lo && hi - lo >= size; hi = (--r)->base) {
        u64 from = r > reserved->regions ? MAX(lo, memblock_end(r - 1)) : lo;
        if (hi > from && hi - from >= size) {
            u64 at = align_down(hi - size, align);
            if (at >= from) {
                *base = at;
                return true;
            }
        }
        if (r == reserved->regions)
            return false;
    }
    return false;
}

/* Lowest fit in [lo, hi). */
static bool fit_up(const struct memblock_type *reserved, u64 lo, u64 hi, u64 size, u64 align,
                   u64 *base)
{
    const struct memblock_region *r = reserved->regions + memblock_first_ending_above(reserved, lo);
    const struct memblock_region *end = reserved->regions + reserved->cnt;

    for (; hi > lo && hi - lo >= size; lo = memblock_end(r++)) {
        u64 to = r < end ? MIN(hi, r->base) : hi;
        u64 at = align_up(lo, align);
        if (at >= lo && at < to && to - at >= size) {
            *base = at;
            return true;
        }
        if (r == end)
            return false;
    }
    return false;
}

static bool acceptable(const struct memblock_region *r, const struct memblock_criteria *c)
{
    return memblock_node_matches(c->nid, r->nid) && !(r->flags & (c->none | MEMBLOCK_NOMAP)) &&
           (r->flags & c->all) == c->all && (!c->some || (r->flags & c->some));
}

static bool try_region(const struct memblock *mb, const struct memblock_region *r,
                       const struct memblock_criteria *c, struct memblock_result *result)
{
    u64 lo = MAX(r->base, c->lo), hi = MIN(memblock_end(r), c->hi);
    bool found;

    if (!acceptable(r, c))
        return false;
    if (mb->bottom_up)
        found = fit_up(&mb->reserved, lo, hi, c->size, c->align, &result->base);
    else
        found = fit_down(&mb->reserved, lo, hi, c->size, c->align, &result->base);
    if (found)
        result->nid = r->nid;
    return found;
}

bool memblock_find_piece(const struct memblock *mb, const struct memblock_criteria *c,
                         struct memblock_result *result)
{
    const struct memblock_region *regions = mb->memory.regions, *r;
    u32 first, end;

    if (c->lo >= c->hi)
        return false;
    first = memblock_first_ending_above(&mb->memory, c->lo);
    end = memblock_first_from(&mb->memory, c->hi);
    if (mb->bottom_up) {
        for (r = regions + first; r < regions + end; r++)
            if (try_region(mb, r, c, result))
                return true;
    } else {
        for (r = regions + end; r-- > regions + first;)
            if (try_region(mb, r, c, result))
                return true;
    }
    return false;
}
