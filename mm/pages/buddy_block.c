/*
 * Orders 9 to 18: a buddy system over pageblocks. The states are in mm/pages/buddy_types.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/pages/buddy_types.h"

static u32 pbs_of(u32 order)
{
    return 1u << (order - BUDDY_BLOCK_ORDER);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void section_link(struct buddy *b, struct buddy_zone *z, u32 section)
{
    struct buddy_section *sec = &b->sections[section];

    sec->prev = NO_SECTION;
    sec->next = z->section;
    if (sec->next != NO_SECTION)
        b->sections[sec->next].prev = section;
    z->section = section;
}

static void section_unlink(struct buddy *b, struct buddy_zone *z, u32 section)
{
    struct buddy_section *sec = &b->sections[section];

    if (sec->prev != NO_SECTION)
        b->sections[sec->prev].next = sec->next;
    else
        z->section = sec->next;
    if (sec->next != NO_SECTION)
        b->sections[sec->next].prev = sec->prev;
}

static void count_block(struct buddy_zone *z, u32 order, u64 delta)
{
    u32 i = order - BUDDY_BLOCK_ORDER;

    z->count[i] += delta;
    if (z->count[i])
        z->orders_used |= 1u << i;
    else
        z->orders_used &= ~(1u << i);
}

static void block_link(struct buddy *b, struct buddy_zone *z, struct pageblock *pb, u32 order)
{
    pb->state = PB_FREE;
    pb->order = (u8)order;
    if (order == BUDDY_MAX_ORDER)
        section_link(b, z, pb->index / SECTION_PBS);
    else
        list_push(&z->block[order - BUDDY_BLOCK_ORDER], pb);
    count_block(z, order, 1);
}

/* Not for order 18, which is in the list of sections and never merges. */
static void block_unlink(struct buddy_zone *z, struct pageblock *pb)
{
    list_remove(&z->block[pb->order - BUDDY_BLOCK_ORDER], pb);
    count_block(z, pb->order, -1ULL);
}

/* ---- taking ---------------------------------------------------------------------------------- */

static u64 use_block(struct buddy_zone *z, struct pageblock *pb, u32 order)
{
    for (u32 i = 0; i < pbs_of(order); i++)
        pb[i].state = PB_SMALL;
    zone_count_pages(z, -(1ULL << order));
    return pb_pa(pb);
}

static u64 use_section(struct buddy *b, struct buddy_zone *z, u32 section)
{
    b->sections[section].state = SEC_USED;
    zone_count_pages(z, -(1ULL << BUDDY_MAX_ORDER));
    return (u64)section << SECTION_SHIFT;
}

u32 zone_pop_section(struct buddy *b, struct buddy_zone *z)
{
    u32 section = z->section;

    section_unlink(b, z, section);
    count_block(z, BUDDY_MAX_ORDER, -1ULL);
    return section;
}

u64 zone_take_ready_block(struct buddy *b, struct buddy_zone *z, u32 order, u32 *closed)
{
    u32 able = z->orders_used >> (order - BUDDY_BLOCK_ORDER);
    struct pageblock *pb;

    *closed = NO_SECTION;
    if (!able)
        return NO_PA;
    u32 have = order + (u32)__builtin_ctz(able);
    if (have == BUDDY_MAX_ORDER) {
        u32 section = zone_pop_section(b, z);

        pb = b->sections[section].pbs;
        if (!pb && order == BUDDY_MAX_ORDER)
            return use_section(b, z, section);
        if (!pb) {
            *closed = section;
            return NO_PA;
        }
    } else {
        pb = z->block[have - BUDDY_BLOCK_ORDER];
        block_unlink(z, pb);
    }
    for (; have > order; have--)
        block_link(b, z, pb + pbs_of(have - 1), have - 1);
    return use_block(z, pb, order);
}

/* ---- freeing --------------------------------------------------------------------------------- */

/* The free buddy of pb's block of that order; NULL: none. */
static struct pageblock *free_mate(const struct buddy *b, const struct buddy_zone *z,
                                   const struct pageblock *pb, u32 order)
{
    if (order == BUDDY_MAX_ORDER)
        return NULL;
    struct pageblock *mate = record_at(b, pb->index ^ pbs_of(order));
    bool ok = mate && mate->state == PB_FREE && mate->order == order && mate->zone == z;

    return ok ? mate : NULL;
}

void zone_put_block(struct buddy *b, struct buddy_zone *z, struct pageblock *pb, u32 order)
{
    struct pageblock *mate;

    for (u32 i = 1; i < pbs_of(order); i++)
        pb[i].state = PB_BODY;
    zone_count_pages(z, 1ULL << order);
    while ((mate = free_mate(b, z, pb, order))) {
        block_unlink(z, mate);
        if (mate < pb) {
            pb->state = PB_BODY;
            pb = mate;
        } else {
            mate->state = PB_BODY;
        }
        order++;
    }
    block_link(b, z, pb, order);
}

void zone_put_section(struct buddy *b, struct buddy_zone *z, u32 section)
{
    b->sections[section].state = SEC_FREE;
    section_link(b, z, section);
    count_block(z, BUDDY_MAX_ORDER, 1);
    zone_count_pages(z, 1ULL << BUDDY_MAX_ORDER);
}
