/*
 * Operations on one sorted list of regions: insert, remove and change a range, merging and
 * splitting to keep the invariants of mm/memblock/memblock.h. Each call counts the slots it needs
 * before it changes the list, and returns their number when the array has fewer.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/range.h"
#include "kernel/base/string.h"
#include "mm/memblock/memblock_types.h"

static bool same_attr(const struct memblock_region *r, s32 nid, u32 flags)
{
    return r->nid == nid && r->flags == flags;
}

/* Moves regions [at, cnt) up by one; the caller has checked for a free slot and fills it. */
static struct memblock_region *open_slot(struct memblock_type *type, u32 at)
{
    struct memblock_region *r = &type->regions[at];

    ASSERT(type->cnt < type->max);
    memmove(r + 1, r, (type->cnt - at) * sizeof(*r));
    type->cnt++;
    return r;
}

static void close_slots(struct memblock_type *type, u32 from, u32 to)
{
    if (from == to)
        return;
    memmove(&type->regions[from], &type->regions[to], (type->cnt - to) * sizeof(type->regions[0]));
    type->cnt -= to - from;
}

void memblock_type_drop(struct memblock_type *type, u32 from, u32 to)
{
    for (u32 i = from; i < to; i++)
        type->total_size -= type->regions[i].size;
    close_slots(type, from, to);
}

/* False: [base, end) at index `at`, which overlaps nothing, merges with a neighbour. */
static bool needs_slot(const struct memblock_type *type, u32 at, u64 base, u64 end, s32 nid,
                       u32 flags)
{
    const struct memblock_region *r = &type->regions[at];

    if (at > 0 && memblock_end(r - 1) == base && same_attr(r - 1, nid, flags))
        return false;
    return !(at < type->cnt && r->base == end && same_attr(r, nid, flags));
}

/* Inserts a range that overlaps nothing; merges it with neighbours that touch it. */
static void insert_gap(struct memblock_type *type, u32 at, u64 base, u64 end, s32 nid, u32 flags)
{
    struct memblock_region *r = &type->regions[at];
    bool joins_below = at > 0 && memblock_end(r - 1) == base && same_attr(r - 1, nid, flags);
    bool joins_above = at < type->cnt && r->base == end && same_attr(r, nid, flags);

    type->total_size += end - base;
    if (joins_below && joins_above) {
        r[-1].size += end - base + r->size;
        close_slots(type, at, at + 1);
    } else if (joins_below) {
        r[-1].size += end - base;
    } else if (joins_above) {
        r->base = base;
        r->size += end - base;
    } else {
        r = open_slot(type, at);
        *r = (struct memblock_region){base, end - base, flags, nid};
    }
}

/* Regions [lo, hi) overlap [base, end) and have its attributes: all become one region. */
static void swallow(struct memblock_type *type, u32 lo, u32 hi, u64 base, u64 end)
{
    struct memblock_region *r = type->regions;
    u32 keep = lo;

    base = MIN(base, r[lo].base);
    end = MAX(end, memblock_end(&r[hi - 1]));
    if (lo > 0 && memblock_end(&r[lo - 1]) == base && same_attr(&r[lo - 1], r[lo].nid, r[lo].flags))
        base = r[--keep].base;
    if (hi < type->cnt && r[hi].base == end && same_attr(&r[hi], r[lo].nid, r[lo].flags))
        end = memblock_end(&r[hi++]);
    for (u32 i = keep; i < hi; i++)
        type->total_size -= r[i].size;
    type->total_size += end - base;
    r[keep].base = base;
    r[keep].size = end - base;
    close_slots(type, keep + 1, hi);
}

/*
 * First gap in [base, end) and its index; false: the list covers the range. The next call gets the
 * gap's end as base.
 */
static bool next_gap(const struct memblock_type *type, u64 base, u64 end, struct range *out,
                     u32 *at)
{
    u32 i = memblock_first_ending_above(type, base);

    while (i < type->cnt && type->regions[i].base <= base)
        base = memblock_end(&type->regions[i++]);
    if (base >= end)
        return false;
    *out = (struct range){base, i < type->cnt ? MIN(end, type->regions[i].base) : end};
    *at = i;
    return true;
}

static void warn_attr(const struct memblock_type *type, u32 lo, u32 hi, struct range added, s32 nid,
                      u32 flags)
{
    for (u32 i = lo; i < hi; i++) {
        const struct memblock_region *r = &type->regions[i];
        if ((nid == NODE_NONE || nid == r->nid) && (flags == 0 || flags == r->flags))
            continue;
        pr_warn("memblock: %s " RANGE_FMT " node %d flags 0x%x: node %d flags 0x%x is there and "
                "stays",
                type->name, RANGE_ARG(added), nid, flags, r->nid, r->flags);
        return;
    }
}

/* Slots that the gaps of [base, end) need when they are filled. */
static u32 gap_slots(const struct memblock_type *type, u64 base, u64 end, s32 nid, u32 flags)
{
    struct range gap;
    u32 at, need = 0;

    for (u64 pos = base; next_gap(type, pos, end, &gap, &at); pos = gap.end)
        need += needs_slot(type, at, gap.start, gap.end, nid, flags);
    return need;
}

u32 memblock_type_add(struct memblock_type *type, u64 base, u64 end, s32 nid, u32 flags)
{
    u32 lo, hi, at, need;
    struct range gap;
    bool same = true;

    if (end <= base)
        return 0;
    lo = memblock_first_ending_above(type, base);
    for (hi = lo; hi < type->cnt && type->regions[hi].base < end; hi++)
        same = same && same_attr(&type->regions[hi], nid, flags);
    if (hi == lo && type->cnt < type->max) {
        insert_gap(type, lo, base, end, nid, flags);
        return 0;
    }
    if (hi != lo && same) {
        swallow(type, lo, hi, base, end);
        return 0;
    }
    need = gap_slots(type, base, end, nid, flags);
    if (need > type->max - type->cnt)
        return need;
    /* Existing regions keep their attributes. */
    warn_attr(type, lo, hi, (struct range){base, end}, nid, flags);
    for (u64 pos = base; next_gap(type, pos, end, &gap, &at); pos = gap.end)
        insert_gap(type, at, gap.start, gap.end, nid, flags);
    return 0;
}

/* Cuts region i in two at addr, an address inside it; a slot is free. */
static void split_at(struct memblock_type *type, u32 i, u64 addr)
{
    struct memblock_region *r = open_slot(type, i);

    r[1].size = memblock_end(r) - addr;
    r[1].base = addr;
    r[0].size = addr - r[0].base;
}

u32 memblock_type_remove(struct memblock_type *type, u64 base, u64 end)
{
    struct memblock_region *r;
    u32 lo, hi;

    if (end <= base)
        return 0;
    lo = memblock_first_ending_above(type, base);
    r = &type->regions[lo];
    if (lo < type->cnt && r->base < base && memblock_end(r) > end) {
        if (type->cnt == type->max)
            return 1;
        split_at(type, lo, base);
    }
    if (lo < type->cnt && r->base < base) {
        type->total_size -= memblock_end(r) - base;
        r->size = base - r->base;
        lo++;
    }
    for (hi = lo; hi < type->cnt && memblock_end(&type->regions[hi]) <= end; hi++)
        ;
    memblock_type_drop(type, lo, hi);
    r = &type->regions[lo];
    if (lo < type->cnt && r->base < end) {
        type->total_size -= end - r->base;
        r->size = memblock_end(r) - end;
        r->base = end;
    }
    return 0;
}

static bool changes(const struct memblock_region *r, const struct memblock_change *c)
{
    return (c->set_nid && r->nid != c->nid) || ((r->flags & ~c->clear) | c->set) != r->flags;
}

/* Merges equal neighbours among regions [from, to]. */
static void merge_window(struct memblock_type *type, u32 from, u32 to)
{
    struct memblock_region *r = type->regions;
    u32 out = from;

    if (type->cnt == 0)
        return;
    to = MIN(to, type->cnt - 1);
    for (u32 i = from + 1; i <= to; i++) {
        if (memblock_end(&r[out]) == r[i].base && same_attr(&r[out], r[i].nid, r[i].flags))
            r[out].size += r[i].size;
        else
            r[++out] = r[i];
    }
    if (to > out)
        close_slots(type, out + 1, to + 1);
}

u32 memblock_type_change(struct memblock_type *type, u64 base, u64 end,
                         const struct memblock_change *change)
{
    u32 lo = memblock_first_ending_above(type, base), hi = memblock_first_from(type, end);

    if (end <= base || lo >= hi)
        return 0;
    const struct memblock_region *first = &type->regions[lo], *last = &type->regions[hi - 1];
    bool cut_lo = first->base < base && changes(first, change);
    bool cut_hi = memblock_end(last) > end && changes(last, change);
    u32 need = cut_lo + cut_hi;

    if (need > type->max - type->cnt)
        return need;
    if (cut_hi)
        split_at(type, hi - 1, end);
    if (cut_lo) {
        split_at(type, lo++, base);
        hi++;
    }
    for (u32 i = lo; i < hi; i++) {
        struct memblock_region *r = &type->regions[i];
        r->nid = change->set_nid ? change->nid : r->nid;
        r->flags = (r->flags & ~change->clear) | change->set;
    }
    merge_window(type, lo > 0 ? lo - 1 : 0, hi);
    return 0;
}
