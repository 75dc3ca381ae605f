/*
 * Building the direct map and the kernel image's mapping. The contract is in mm/map/direct_map.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/map/direct_map.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "mm/map/address_map.h"

/* Walks the listed memory in pieces that are wholly read-only or wholly writable. */
struct piece_iter {
    const struct range *ranges, *ro;
    u32 n_ranges, n_ro;
    u32 next_range, next_ro;
    struct range span; /* the rest of ranges that touch each other, in whole pages */
};

struct piece {
    struct range r;
    bool ro;
};

static bool next_span(struct piece_iter *it)
{
    if (it->next_range == it->n_ranges)
        return false;
    it->span = range_pages_around(it->ranges[it->next_range++]);
    while (it->next_range < it->n_ranges) {
        struct range more = range_pages_around(it->ranges[it->next_range]);

        if (more.start > it->span.end)
            break;
        it->span.end = more.end;
        it->next_range++;
    }
    it->span.end = MIN(it->span.end, PHYS_LIMIT);
    return !range_empty(it->span);
}

static bool next_piece(struct piece_iter *it, struct piece *piece)
{
    const struct range *ro;
    u64 pos;

    if (range_empty(it->span) && !next_span(it))
        return false;
    pos = it->span.start;
    while (it->next_ro < it->n_ro && it->ro[it->next_ro].end <= pos)
        it->next_ro++;
    ro = it->next_ro < it->n_ro ? &it->ro[it->next_ro] : NULL;
    piece->ro = ro && ro->start <= pos;
    piece->r = it->span;
    if (ro)
        piece->r.end = MIN(it->span.end, piece->ro ? ro->end : ro->start);
    it->span.start = piece->r.end;
    return true;
}

static bool in_order(const struct range *r, u32 n, bool whole_pages)
{
    for (u32 i = 0; i < n; i++) {
        if (range_empty(r[i]) || (i && r[i].start < r[i - 1].end))
            return false;
        if (whole_pages && !is_aligned(r[i].start | r[i].end, PAGE_SIZE))
            return false;
    }
    return true;
}

/* Unmaps exactly one pagetable_map(), so no leaf is split and nothing is allocated. */
static void take_back(struct pagetable *pt, u64 va, u64 size)
{
    struct pt_flush flush = PT_FLUSH_NONE;
    int err = pagetable_unmap(pt, va, size, 0, &flush);

    ASSERT(!err);
    pagetable_release(pt, &flush);
}

static int map_pieces(struct pagetable *pt, const struct piece_iter *all, u64 *bytes)
{
    struct piece_iter it = *all;
    struct piece p;
    u32 done = 0;
    int err = 0;

    for (; next_piece(&it, &p); done++) {
        err = pagetable_map(pt, DIRECT_MAP_BASE + p.r.start, p.r.start, range_size(p.r),
                            PT_G | (p.ro ? 0 : PT_W), NODE_NONE);
        if (err)
            break;
        *bytes += range_size(p.r);
    }
    if (!err)
        return 0;
    pr_err("direct map: " RANGE_FMT ": error %d", RANGE_ARG(p.r), err);
    for (it = *all; done && next_piece(&it, &p); done--)
        take_back(pt, DIRECT_MAP_BASE + p.r.start, range_size(p.r));
    return err;
}

static u64 bytes_above_limit(const struct range *ranges, u32 n)
{
    u64 bytes = 0;

    for (u32 i = 0; i < n; i++)
        bytes += range_size((struct range){MAX(ranges[i].start, PHYS_LIMIT), ranges[i].end});
    return bytes;
}

int direct_map_build(struct pagetable *pt, const struct range *ranges, u32 n_ranges,
                     const struct range *ro, u32 n_ro, struct direct_map_stats *stats)
{
    const struct piece_iter all = {.ranges = ranges, .n_ranges = n_ranges, .ro = ro, .n_ro = n_ro};
    const struct pagetable before = *pt;
    int err;

    *stats = (struct direct_map_stats){0};
    if (!in_order(ranges, n_ranges, false) || !in_order(ro, n_ro, true))
        return -EINVAL;
    err = map_pieces(pt, &all, &stats->bytes);
    if (err)
        return err;
    for (u32 i = 0; i < PT_LEAF_KINDS; i++)
        stats->leaves[i] = pt->leaves[i] - before.leaves[i];
    stats->tables = pt->tables - before.tables;
    stats->clipped = bytes_above_limit(ranges, n_ranges);
    pr_info("direct map: %llu MiB: %llu x 1G, %llu x 2M, %llu x 4K", (ull)(stats->bytes >> 20),
            (ull)stats->leaves[PT_LEAF_1G], (ull)stats->leaves[PT_LEAF_2M],
            (ull)stats->leaves[PT_LEAF_4K]);
    if (stats->clipped)
        pr_warn("direct map: %llu MiB above %llu TiB are left unused", (ull)(stats->clipped >> 20),
                (ull)(PHYS_LIMIT >> 40));
    return 0;
}

static int map_section(struct pagetable *pt, const struct kernel_section *s)
{
    int err = -EINVAL;

    if ((s->prot & ~(PT_W | PT_X)) == 0 && s->prot != (PT_W | PT_X))
        err = pagetable_map(pt, s->va, s->pa, align_up(s->size, PAGE_SIZE), s->prot | PT_G,
                            NODE_NONE);
    if (err)
        pr_err("kernel map: section %s at 0x%llx, 0x%llx bytes, prot 0x%x: error %d", s->name,
               (ull)s->va, (ull)s->size, s->prot, err);
    return err;
}

int kernel_map_build(struct pagetable *pt, const struct kernel_section *sections, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        int err = sections[i].size ? map_section(pt, &sections[i]) : 0;

        if (!err)
            continue;
        while (i-- > 0) {
            if (sections[i].size)
                take_back(pt, sections[i].va, align_up(sections[i].size, PAGE_SIZE));
        }
        return err;
    }
    return 0;
}
