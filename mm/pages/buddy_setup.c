/*
 * Set-up: declaring memory, and handing over the free part of it.
 * SPDX-License-Identifier: MIT
 */
#include "mm/pages/buddy_types.h"

static int init_node(struct buddy *b, s32 node, s32 *scratch)
{
    const struct buddy_config *cfg = &b->cfg;
    struct buddy_node *n = cfg->meta(cfg->ctx, node, sizeof(*n));
    u16 *order = cfg->meta(cfg->ctx, node, cfg->nr_nodes * sizeof(*order));

    if (!n || !order)
        return -ENOMEM;
    cfg->node_order(cfg->ctx, node, scratch);
    for (u32 i = 0; i < cfg->nr_nodes; i++)
        order[i] = (u16)scratch[i];
    n->order = order;
    for (u32 tier = 0; tier < 2; tier++) {
        n->zone[tier].node = node;
        n->zone[tier].last = tier == 1;
        n->zone[tier].section = NO_SECTION;
    }
    b->nodes[node] = n;
    return 0;
}

int buddy_init(struct buddy *b, const struct buddy_config *cfg)
{
    if (!cfg->nr_nodes || cfg->nr_nodes > MAX_NODES || !cfg->max_pa || cfg->max_pa >> 52)
        return -EINVAL;
    *b = (struct buddy){
        .cfg = *cfg,
        .nr_sections = (u32)((cfg->max_pa - 1) / SECTION_SIZE + 1),
    };
    b->sections = cfg->meta(cfg->ctx, NODE_NONE, b->nr_sections * sizeof(*b->sections));
    b->ranges = cfg->meta(cfg->ctx, NODE_NONE, cfg->max_ranges * sizeof(*b->ranges));
    b->nodes = cfg->meta(cfg->ctx, NODE_NONE, cfg->nr_nodes * sizeof(*b->nodes));
    s32 *scratch = cfg->meta(cfg->ctx, NODE_NONE, cfg->nr_nodes * sizeof(*scratch));
    if (!b->sections || !b->ranges || !b->nodes || !scratch)
        return -ENOMEM;
    for (u32 node = 0; node < cfg->nr_nodes; node++) {
        int err = init_node(b, (s32)node, scratch);

        if (err)
            return err;
    }
    return 0;
}

/* ---- declaring ------------------------------------------------------------------------------- */

static void declare_in_section(struct buddy *b, u32 section, const struct buddy_range *r)
{
    struct buddy_section *sec = &b->sections[section];
    struct buddy_range part = section_part(section, r->start, r->end);
    u16 lo = (u16)((part.start >> PB_SHIFT) % SECTION_PBS);

    if (!sec->pages) {
        sec->lo = lo;
        sec->zone = r->zone;
    } else if (sec->zone != r->zone) {
        sec->zone = NULL;
    }
    sec->hi = (u16)(((part.end - 1) >> PB_SHIFT) % SECTION_PBS + 1);
    sec->pages += (u32)((part.end - part.start) >> PAGE_SHIFT);
}

int buddy_declare(struct buddy *b, s32 node, u64 start, u64 end, bool last)
{
    u64 floor = b->nr_ranges ? b->ranges[b->nr_ranges - 1].end : 0;

    if (!is_aligned(start | end, PAGE_SIZE) || start >= end || start < floor ||
        end > b->cfg.max_pa || node < 0 || (u32)node >= b->cfg.nr_nodes)
        return -EINVAL;
    if (b->nr_ranges == b->cfg.max_ranges)
        return -ENOSPC;
    struct buddy_range *r = &b->ranges[b->nr_ranges++];
    *r = (struct buddy_range){start, end, &b->nodes[node]->zone[last]};
    r->zone->declared += (end - start) >> PAGE_SHIFT;
    for (u64 s = start >> SECTION_SHIFT; s <= (end - 1) >> SECTION_SHIFT; s++)
        declare_in_section(b, (u32)s, r);
    return 0;
}

/* ---- handing over ---------------------------------------------------------------------------- */

/* n adjacent pages from the nearest node that has them; NO_PA: none has. */
static u64 borrow_pages(struct buddy *b, s32 node, u32 n)
{
    u32 order = 0;
    u64 pa = NO_PA, uncounted = 0;

    while (1u << order < n)
        order++;
    for (u32 tier = 0; tier < 2 && pa == NO_PA; tier++)
        for (u32 i = 0; i < b->cfg.nr_nodes && pa == NO_PA; i++)
            pa = zone_alloc(b, &b->nodes[b->nodes[node]->order[i]]->zone[tier], order, &uncounted);
    for (u32 i = n; pa != NO_PA && i < 1u << order; i++)
        buddy_free(b, pa + i * PAGE_SIZE, 0);
    return pa;
}

static void make_records(struct buddy *b, u32 section, u64 pa)
{
    range_at(b, pa)->zone->records += section_record_pages(b, section);
    section_make_records(b, section, pa);
}

/* Records for a section whose part [start, *end) is free: from the top of the part, or borrowed. */
static int find_records(struct buddy *b, u32 section, struct buddy_zone *z, u64 start, u64 *end)
{
    u64 pages = section_record_pages(b, section), pa;

    if (*end - start >= pages * PAGE_SIZE) {
        *end -= pages * PAGE_SIZE;
        pa = *end;
    } else {
        pa = borrow_pages(b, z->node, (u32)pages);
        if (pa == NO_PA)
            return -ENOMEM;
    }
    make_records(b, section, pa);
    return 0;
}

static int add_in_section(struct buddy *b, u32 section, struct buddy_zone *z, u64 start, u64 end)
{
    struct buddy_section *sec = &b->sections[section];
    struct buddy_range part = section_part(section, start, end);
    u64 pages = (part.end - part.start) >> PAGE_SHIFT;
    bool whole = part.end - part.start == SECTION_SIZE;
    int err = 0;

    if (!sec->pbs && !whole)
        err = find_records(b, section, z, part.start, &part.end);
    if (err) {
        b->lost_pages += pages;
        return err;
    }
    z->handed_over += pages;
    u64 flags = spin_lock_irqsave(&z->lock);
    if (whole && !sec->pbs)
        zone_put_section(b, z, section);
    else
        zone_put_range(b, z, part.start, part.end);
    spin_unlock_irqrestore(&z->lock, flags);
    return 0;
}

int buddy_add(struct buddy *b, u64 start, u64 end)
{
    const struct buddy_range *r = range_at(b, start);
    int err = 0;

    if (!is_aligned(start | end, PAGE_SIZE) || start >= end || !r || end > r->end)
        return -EINVAL;
    u32 first = (u32)(start >> SECTION_SHIFT), last = (u32)((end - 1) >> SECTION_SHIFT);
    /* The smaller part is last: it may borrow pages of the others for its records. */
    for (u32 s = first + 1; s < last; s++)
        err |= add_in_section(b, s, r->zone, start, end);
    bool last_is_larger = (end - 1) % SECTION_SIZE >= SECTION_SIZE - 1 - start % SECTION_SIZE;
    err |= add_in_section(b, last_is_larger ? last : first, r->zone, start, end);
    if (last != first)
        err |= add_in_section(b, last_is_larger ? first : last, r->zone, start, end);
    return err;
}

int buddy_seal(struct buddy *b)
{
    int err = 0;

    for (u32 s = 0; s < b->nr_sections; s++) {
        struct buddy_section *sec = &b->sections[s];

        if (!sec->pages || sec->pbs || sec->state != SEC_RAW)
            continue;
        u64 pa = borrow_pages(b, section_first_range(b, s)->zone->node, section_record_pages(b, s));
        if (pa == NO_PA)
            err = -ENOMEM;
        else
            make_records(b, s, pa);
    }
    return err;
}
