/*
 * Hand-over: which memory there is, which of it is free, and the records of sections.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "mm/buddy_internal.h"

#define RECORDS_PER_PAGE (PAGE_SIZE / sizeof(struct pageblock))

/* Records of a whole section, which is one zone's. */
#define SECTION_RECORD_PAGES (SECTION_PBS / RECORDS_PER_PAGE)

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

/* ---- what there is ----------------------------------------------------------------------------
 */

/* What of [start, end) is in the section. */
static struct buddy_range in_section(u32 section, u64 start, u64 end)
{
    u64 base = (u64)section << SECTION_SHIFT;

    return (struct buddy_range){MAX(start, base), MIN(end, base + SECTION_SIZE), NULL};
}

static void declare_in_section(struct buddy *b, u32 section, const struct buddy_range *r)
{
    struct buddy_section *sec = &b->sections[section];
    struct buddy_range part = in_section(section, r->start, r->end);
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

const struct buddy_range *range_at(const struct buddy *b, u64 pa)
{
    u32 lo = 0, hi = b->nr_ranges;

    while (lo < hi) {
        u32 mid = lo + (hi - lo) / 2;

        if (b->ranges[mid].end > pa)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo < b->nr_ranges && b->ranges[lo].start <= pa ? &b->ranges[lo] : NULL;
}

/* First declared range that ends above the section's start. */
static const struct buddy_range *first_range(const struct buddy *b, u32 section)
{
    const struct buddy_range *r = b->ranges;

    while (r < b->ranges + b->nr_ranges && r->end <= (u64)section << SECTION_SHIFT)
        r++;
    return r;
}

#define for_each_range_in(r, b, section)                                                           \
    for ((r) = first_range((b), (section));                                                        \
         (r) < (b)->ranges + (b)->nr_ranges && (r)->start < ((u64)(section) + 1) << SECTION_SHIFT; \
         (r)++)

/* ---- records ----------------------------------------------------------------------------------
 */

/* The record of zone z for a pageblock: an unused one, one that is there, or a further one. */
static struct pageblock *record_for(struct pageblock *pb, struct buddy_zone *z,
                                    struct pageblock **spare)
{
    u32 index = pb->index;

    for (;; pb = pb->other) {
        if (!pb->zone || pb->zone == z)
            break;
        if (!pb->other) {
            pb->other = (*spare)++;
            pb->other->index = index;
        }
    }
    pb->zone = z;
    pb->state = PB_SMALL;
    pb->bucket = NO_BUCKET;
    return pb;
}

/* Every range may share its first pageblock with the one before. */
static u32 records_needed(const struct buddy *b, u32 section)
{
    const struct buddy_section *sec = &b->sections[section];
    const struct buddy_range *r;
    u32 n = (u32)(sec->hi - sec->lo);

    if (sec->zone)
        return n;
    for_each_range_in(r, b, section) n++;
    return n;
}

static u32 record_pages(const struct buddy *b, u32 section)
{
    return (u32)((records_needed(b, section) + RECORDS_PER_PAGE - 1) / RECORDS_PER_PAGE);
}

/* All declared pages of the section count as allocated. */
static void make_records(struct buddy *b, u32 section, u64 pa)
{
    struct buddy_section *sec = &b->sections[section];
    struct pageblock *pbs = b->cfg.map(b->cfg.ctx, pa);
    struct pageblock *spare = pbs + (sec->hi - sec->lo);
    const struct buddy_range *r;

    memset(pbs, 0, record_pages(b, section) * PAGE_SIZE);
    for (u32 i = sec->lo; i < sec->hi; i++)
        pbs[i - sec->lo].index = section * SECTION_PBS + i;
    for_each_range_in(r, b, section)
    {
        struct buddy_range part = in_section(section, r->start, r->end);

        for (u64 at = part.start; at < part.end;) {
            u64 next = MIN(part.end, align_down(at, SZ_2M) + SZ_2M);
            u32 i = (u32)(at >> PB_SHIFT) % SECTION_PBS - sec->lo;

            record_for(&pbs[i], r->zone, &spare)->owned += (u16)((next - at) >> PAGE_SHIFT);
            at = next;
        }
    }
    __atomic_store_n(&sec->pbs, pbs, __ATOMIC_RELEASE);
}

/* Pages in a section with records become free; the zone's lock is held. */
static void put_range(struct buddy *b, struct buddy_zone *z, u64 start, u64 end)
{
    while (start < end) {
        struct pageblock *pb = record_at(b, (u32)(start >> PB_SHIFT));
        u64 next = MIN(end, align_down(start, SZ_2M) + SZ_2M);

        while (pb->zone != z)
            pb = pb->other;
        if (next - start == SZ_2M) {
            u32 order = BUDDY_BLOCK_ORDER;

            while (order < BUDDY_MAX_ORDER && is_aligned(start, PAGE_SIZE << (order + 1)) &&
                   end - start >= PAGE_SIZE << (order + 1))
                order++;
            zone_put_block(b, z, pb, order);
            next = start + (PAGE_SIZE << order);
        } else {
            zone_put_pages(b, pb, (u32)(start >> PAGE_SHIFT) % PB_PAGES,
                           (u32)((next - start) >> PAGE_SHIFT));
        }
        start = next;
    }
}

void section_open(struct buddy *b, struct buddy_zone *z, u32 section)
{
    u64 start = (u64)section << SECTION_SHIFT;
    u64 records = start + SECTION_SIZE - SECTION_RECORD_PAGES * PAGE_SIZE;

    zone_count_pages(z, -(1ULL << BUDDY_MAX_ORDER));
    z->records += SECTION_RECORD_PAGES;
    make_records(b, section, records);
    put_range(b, z, start, records);
}

/* ---- what is free -----------------------------------------------------------------------------
 */

/* n pages in one piece from the nearest node that has them; NO_PA: none has. */
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

/* Records for a section of which a part [*start, *end) is free; they may come out of its top. */
static int find_records(struct buddy *b, u32 section, struct buddy_zone *z, u64 start, u64 *end)
{
    u64 pages = record_pages(b, section), pa;

    if (*end - start >= pages * PAGE_SIZE) {
        *end -= pages * PAGE_SIZE;
        pa = *end;
    } else {
        pa = borrow_pages(b, z->node, (u32)pages);
        if (pa == NO_PA)
            return -ENOMEM;
    }
    range_at(b, pa)->zone->records += pages;
    make_records(b, section, pa);
    return 0;
}

static int add_in_section(struct buddy *b, u32 section, struct buddy_zone *z, u64 start, u64 end)
{
    struct buddy_section *sec = &b->sections[section];
    struct buddy_range part = in_section(section, start, end);
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
        put_range(b, z, part.start, part.end);
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
    /* The smaller parts come last: they may need the rest for their records. */
    for (u32 s = first + 1; s < last; s++)
        err |= add_in_section(b, s, r->zone, start, end);
    bool last_is_larger = (end - 1) % SECTION_SIZE >= SECTION_SIZE - 1 - start % SECTION_SIZE;
    if (last != first && last_is_larger)
        err |= add_in_section(b, last, r->zone, start, end);
    err |= add_in_section(b, first, r->zone, start, end);
    if (last != first && !last_is_larger)
        err |= add_in_section(b, last, r->zone, start, end);
    return err;
}

int buddy_seal(struct buddy *b)
{
    int err = 0;

    for (u32 s = 0; s < b->nr_sections; s++) {
        struct buddy_section *sec = &b->sections[s];

        if (!sec->pages || sec->pbs || sec->state != SEC_RAW)
            continue;
        u64 pa = borrow_pages(b, first_range(b, s)->zone->node, record_pages(b, s));
        if (pa == NO_PA) {
            err = -ENOMEM;
            continue;
        }
        range_at(b, pa)->zone->records += record_pages(b, s);
        make_records(b, s, pa);
    }
    return err;
}
