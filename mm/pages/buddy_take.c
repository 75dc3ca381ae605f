/*
 * Taking when a larger piece must be split first: a section into blocks, a block into halves, a
 * pageblock into pages. Opening a section frees its blocks and pages, so this file calls those that
 * free. The states are in mm/pages/buddy_types.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/pages/buddy_types.h"

/*
 * Pageblocks that are searched for a run of order 1 to 8 before an order-9 block is split. All are
 * searched only when there is no such block.
 */
#define RUN_TRIES 16

u64 zone_take_block(struct buddy *b, struct buddy_zone *z, u32 order)
{
    for (;;) {
        u32 closed;
        u64 pa = zone_take_ready_block(b, z, order, &closed);

        if (closed == NO_SECTION)
            return pa;
        section_open(b, z, closed); /* its records take a part of it, so search again */
    }
}

/* Splits an order-9 block into pages; the caller takes some at once. NULL: there is none. */
static struct pageblock *open_block(struct buddy *b, struct buddy_zone *z)
{
    u64 pa = zone_take_block(b, z, BUDDY_BLOCK_ORDER);

    if (pa == NO_PA)
        return NULL;
    struct pageblock *pb = record_at(b, (u32)(pa >> PB_SHIFT));
    zone_open_block(z, pb);
    return pb;
}

/* Opens a free whole section that has no records, if there is one. */
static void split_section(struct buddy *b, struct buddy_zone *z)
{
    if (z->section != NO_SECTION && !b->sections[z->section].pbs)
        section_open(b, z, zone_pop_section(b, z));
}

struct pageblock *zone_find_pages(struct buddy *b, struct buddy_zone *z)
{
    /* Opening a section frees single pages beside its records: use these first. */
    if (!z->buckets_used && z->orders_used == 1u << (BIG_ORDERS - 1))
        split_section(b, z);
    if (z->buckets_used)
        return z->bucket[__builtin_ctz(z->buckets_used)];
    return open_block(b, z);
}

u32 zone_take_pages(struct buddy *b, struct buddy_zone *z, u32 n, u64 *pas)
{
    u32 have = 0;

    while (have < n) {
        struct pageblock *pb = zone_find_pages(b, z);

        if (!pb)
            break;
        have += zone_take_some(z, pb, n - have, pas + have);
    }
    return have;
}

u64 zone_take_run(struct buddy *b, struct buddy_zone *z, u32 order)
{
    u32 first = 0;
    struct pageblock *pb = zone_search_run(z, order, RUN_TRIES, &first);

    if (!pb) {
        first = 0;
        pb = open_block(b, z);
    }
    if (!pb)
        pb = zone_search_run(z, order, ~0ULL, &first);
    if (!pb)
        return NO_PA;
    zone_take_range(z, pb, first, 1u << order);
    return pb_pa(pb) + ((u64)first << PAGE_SHIFT);
}
