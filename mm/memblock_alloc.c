/*
 * The finder (one search: one range, one node, one class of memory) and the allocator, which is a
 * sequence of such searches in the order that mm/memblock.h promises.
 *
 * Cost of a search: the regions of memory once, and for each candidate a binary search in
 * `reserved` followed by the gaps from there; allocations pack against each other and merge, so the
 * first gap usually serves.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "mm/memblock_internal.h"

/* Highest fit in [lo, hi), which lies inside one memory region. */
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

static bool acceptable(const struct memblock_region *r, const struct memblock_want *w)
{
    return memblock_node_matches(w->nid, r->nid) && !(r->flags & (w->none | MEMBLOCK_NOMAP)) &&
           (r->flags & w->all) == w->all && (!w->some || (r->flags & w->some));
}

static bool try_region(const struct memblock *mb, const struct memblock_region *r,
                       const struct memblock_want *w, struct memblock_result *result)
{
    u64 lo = MAX(r->base, w->lo), hi = MIN(memblock_end(r), w->hi);
    bool found;

    if (!acceptable(r, w))
        return false;
    if (mb->bottom_up)
        found = fit_up(&mb->reserved, lo, hi, w->size, w->align, &result->base);
    else
        found = fit_down(&mb->reserved, lo, hi, w->size, w->align, &result->base);
    if (found)
        result->nid = r->nid;
    return found;
}

bool memblock_find_piece(const struct memblock *mb, const struct memblock_want *want,
                         struct memblock_result *result)
{
    const struct memblock_region *regions = mb->memory.regions, *r;
    u32 first, end;

    if (want->lo >= want->hi)
        return false;
    first = memblock_first_ending_above(&mb->memory, want->lo);
    end = memblock_first_from(&mb->memory, want->hi);
    if (mb->bottom_up) {
        for (r = regions + first; r < regions + end; r++)
            if (try_region(mb, r, want, result))
                return true;
    } else {
        for (r = regions + end; r-- > regions + first;)
            if (try_region(mb, r, want, result))
                return true;
    }
    return false;
}

/* One node (or any): from min_addr up, then anywhere below max_addr. */
static bool find_on_node(const struct memblock *mb, struct memblock_want *want, s32 nid,
                         u64 min_addr, struct memblock_result *result)
{
    want->nid = nid;
    want->lo = MAX(min_addr, mb->min_floor);
    if (memblock_find_piece(mb, want, result))
        return true;
    if (want->lo == mb->min_floor)
        return false;
    want->lo = mb->min_floor;
    return memblock_find_piece(mb, want, result);
}

/* The whole order of nodes, for one class of memory. */
static bool find_in_order(const struct memblock *mb, struct memblock_want *want,
                          const struct memblock_request *req, struct memblock_result *result)
{
    for (u32 i = 0; i < req->nr_nodes; i++)
        if (find_on_node(mb, want, req->nodes[i], req->min_addr, result))
            return true;
    if (req->nr_nodes && req->exact)
        return false;
    return find_on_node(mb, want, MEMBLOCK_NODE_ANY, req->min_addr, result);
}

int memblock_find(const struct memblock *mb, const struct memblock_request *req,
                  struct memblock_result *result)
{
    struct memblock_want want = {
        .size = req->size,
        .align = req->align ? req->align : MEMBLOCK_DEFAULT_ALIGN,
        .hi = req->max_addr ? MIN(req->max_addr, mb->current_limit) : mb->current_limit,
    };

    if (req->size == 0 || !is_pow2(want.align))
        return -EINVAL;
    want.none = MEMBLOCK_LAST;
    if (req->flags & MEMBLOCK_MIRROR) {
        want.all = MEMBLOCK_MIRROR;
        if (find_in_order(mb, &want, req, result))
            return 0;
        want.all = 0;
    }
    if (find_in_order(mb, &want, req, result))
        return 0;
    want.none = 0;
    want.some = MEMBLOCK_LAST;
    return find_in_order(mb, &want, req, result) ? 0 : -ENOMEM;
}

int memblock_alloc(struct memblock *mb, const struct memblock_request *req,
                   struct memblock_result *result)
{
    struct memblock_result found;
    int rc = memblock_find(mb, req, &found);

    if (rc)
        return rc;
    if ((req->flags & MEMBLOCK_MIRROR) &&
        !(memblock_search(&mb->memory, found.base)->flags & MEMBLOCK_MIRROR))
        pr_warn("memblock: no mirrored memory for 0x%llx bytes", (unsigned long long)req->size);
    rc = memblock_type_add(mb, &mb->reserved, found.base, found.base + req->size, NODE_NONE, 0);
    if (rc == 0)
        *result = found;
    return rc;
}
