/*
 * Declared ranges, the records of sections, and opening a whole section. The states are in
 * mm/pages/buddy_types.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/sort.h"
#include "kernel/base/string.h"
#include "mm/pages/buddy_types.h"

#define RECORDS_PER_PAGE (PAGE_SIZE / sizeof(struct pageblock))

/* For a section that is wholly one zone's. */
#define SECTION_RECORD_PAGES (SECTION_PBS / RECORDS_PER_PAGE)

/* ---- ranges ---------------------------------------------------------------------------------- */

struct buddy_range section_part(u32 section, u64 start, u64 end)
{
    u64 base = (u64)section << SECTION_SHIFT;

    return (struct buddy_range){MAX(start, base), MIN(end, base + SECTION_SIZE), NULL};
}

const struct buddy_range *range_at(const struct buddy *b, u64 pa)
{
    u32 at = FIRST_WHERE(i, b->nr_ranges, b->ranges[i].end > pa);

    return at < b->nr_ranges && b->ranges[at].start <= pa ? &b->ranges[at] : NULL;
}

const struct buddy_range *section_first_range(const struct buddy *b, u32 section)
{
    u64 start = (u64)section << SECTION_SHIFT;

    return &b->ranges[FIRST_WHERE(i, b->nr_ranges, b->ranges[i].end > start)];
}

#define for_each_range_in(r, b, section)                                                           \
    for ((r) = section_first_range((b), (section));                                                \
         (r) < (b)->ranges + (b)->nr_ranges && (r)->start < ((u64)(section) + 1) << SECTION_SHIFT; \
         (r)++)

/* ---- records --------------------------------------------------------------------------------- */

/* The record of zone z for a pageblock: its own, the first one if unused, or a spare. */
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

/* Each range may share its first pageblock with the range before. */
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

u32 section_record_pages(const struct buddy *b, u32 section)
{
    return (u32)((records_needed(b, section) + RECORDS_PER_PAGE - 1) / RECORDS_PER_PAGE);
}

void section_make_records(struct buddy *b, u32 section, u64 pa)
{
    struct buddy_section *sec = &b->sections[section];
    struct pageblock *pbs = b->cfg.map(b->cfg.ctx, pa);
    struct pageblock *spare = pbs + (sec->hi - sec->lo);
    const struct buddy_range *r;

    memset(pbs, 0, section_record_pages(b, section) * PAGE_SIZE);
    for (u32 i = sec->lo; i < sec->hi; i++)
        pbs[i - sec->lo].index = section * SECTION_PBS + i;
    for_each_range_in(r, b, section)
    {
        struct buddy_range part = section_part(section, r->start, r->end);

        for (u64 at = part.start; at < part.end;) {
            u64 next = MIN(part.end, align_down(at, SZ_2M) + SZ_2M);
            u32 i = (u32)(at >> PB_SHIFT) % SECTION_PBS - sec->lo;

            record_for(&pbs[i], r->zone, &spare)->owned += (u16)((next - at) >> PAGE_SHIFT);
            at = next;
        }
    }
    __atomic_store_n(&sec->pbs, pbs, __ATOMIC_RELEASE);
}

void zone_put_range(struct buddy *b, struct buddy_zone *z, u64 start, u64 end)
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
    section_make_records(b, section, records);
    zone_put_range(b, z, start, records);
}
