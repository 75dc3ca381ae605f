/*
 * Statistics of the page allocator, and the check of every invariant in mm/pages/buddy_types.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/bitmap.h"
#include "kernel/base/print.h"
#include "mm/pages/buddy_types.h"

/* ---- statistics ------------------------------------------------------------------------------ */

/* Maximal aligned runs of set bits, as a buddy system would list them. */
static void count_runs(const struct pageblock *pb, u64 *blocks)
{
    u32 i = 0;

    while (i < PB_PAGES) {
        u32 order = 0;

        if (!(pb->free[i / 64] >> (i % 64) & 1)) {
            i++;
            continue;
        }
        for (; order < BUDDY_BLOCK_ORDER && i % (2u << order) == 0; order++) {
            u32 from = i + (1u << order), j = from;

            while (j < i + (2u << order) && pb->free[j / 64] >> (j % 64) & 1)
                j++;
            if (j < i + (2u << order))
                break;
        }
        blocks[order]++;
        i += 1u << order;
    }
}

static void zone_stats(struct buddy_zone *z, struct buddy_stats *out)
{
    u64 irq = spin_lock_irqsave(&z->lock);

    out->declared += z->declared;
    out->handed_over += z->handed_over;
    out->records += z->records;
    out->free += z->free_pages;
    if (z->last)
        out->free_last += z->free_pages;
    out->local += z->local;
    out->foreign += z->foreign;
    for (u32 i = 0; i < BIG_ORDERS; i++)
        out->blocks[BUDDY_BLOCK_ORDER + i] += z->count[i];
    for (u32 i = 0; i < PB_WORDS; i++)
        for (struct pageblock *pb = z->bucket[i]; pb; pb = pb->next)
            count_runs(pb, out->blocks);
    spin_unlock_irqrestore(&z->lock, irq);
}

void buddy_stats(struct buddy *b, s32 node, struct buddy_stats *out)
{
    struct buddy_node *n = b->nodes[node];

    *out = (struct buddy_stats){
        .fallen_back = atomic_load_explicit(&n->fallen_back, memory_order_relaxed),
        .failed = atomic_load_explicit(&n->failed, memory_order_relaxed),
    };
    zone_stats(&n->zone[0], out);
    zone_stats(&n->zone[1], out);
}

/* ---- invariants ------------------------------------------------------------------------------ */

static int broken(const char *what, u64 where)
{
    pr_err("buddy: verify: %s (0x%llx)", what, (ull)where);
    return -EINVAL;
}

static int verify_small(const struct pageblock *pb)
{
    u32 n = (u32)bitmap_weight(pb->free, PB_PAGES), words = 0;

    for (u32 i = 0; i < PB_WORDS; i++)
        words |= (u32)(pb->free[i] != 0) << i;
    if (n != pb->nfree || words != pb->words)
        return broken("free bits and their number differ", pb_pa(pb));
    if (n > pb->owned || n == PB_PAGES)
        return broken("more free pages than there may be", pb_pa(pb));
    if (pb->bucket != (n ? (n - 1) / 64 : NO_BUCKET))
        return broken("pageblock in a wrong bucket", pb_pa(pb));
    return 0;
}

static bool has_bits(const struct pageblock *pb)
{
    u64 all = pb->nfree | pb->words;

    for (u32 i = 0; i < PB_WORDS; i++)
        all |= pb->free[i];
    return all != 0;
}

/* The free block that begins at pb. */
static int verify_block(const struct buddy *b, const struct pageblock *pb)
{
    u32 n = 1u << (pb->order - BUDDY_BLOCK_ORDER);

    if (pb->order < BUDDY_BLOCK_ORDER || pb->order > BUDDY_MAX_ORDER || pb->index % n)
        return broken("free block of a wrong order", pb_pa(pb));
    for (u32 i = 0; i < n; i++) {
        const struct pageblock *at = record_at(b, pb->index + i);

        if (!at || at->zone != pb->zone || at->owned != PB_PAGES || has_bits(at) ||
            at->bucket != NO_BUCKET || at->state != (i ? PB_BODY : PB_FREE))
            return broken("free block with a wrong pageblock in it", pb_pa(pb));
    }
    const struct pageblock *mate = record_at(b, pb->index ^ n);
    if (pb->order < BUDDY_MAX_ORDER && mate && mate->state == PB_FREE && mate->order == pb->order &&
        mate->zone == pb->zone)
        return broken("two free buddies side by side", pb_pa(pb));
    return 0;
}

/* Sums over the records, to compare with the lists and counters. */
struct zone_sums {
    u64 pages, buckets, blocks;
};

static int verify_section(const struct buddy *b, u32 section, const struct buddy_zone *z,
                          struct zone_sums *sums)
{
    const struct buddy_section *sec = &b->sections[section];
    u32 body = 0;
    int err = 0;

    if (!sec->pbs) {
        bool is_free = sec->zone == z && sec->state == SEC_FREE;

        sums->pages += is_free ? 1ULL << BUDDY_MAX_ORDER : 0;
        sums->blocks += is_free;
        return 0;
    }
    for (u32 i = 0; i < (u32)(sec->hi - sec->lo) && !err; i++) {
        const struct pageblock *pb = &sec->pbs[i];

        if (pb->index != section * SECTION_PBS + sec->lo + i)
            return broken("record of another pageblock", pb->index);
        if (body ? (body--, pb->state != PB_BODY) : pb->state == PB_BODY)
            return broken("body without a head", pb_pa(pb));
        if (pb->state == PB_FREE)
            body = (1u << (pb->order - BUDDY_BLOCK_ORDER)) - 1;
        if (pb->state == PB_FREE && pb->zone == z) {
            err = verify_block(b, pb);
            sums->pages += 1ULL << pb->order;
            sums->blocks++;
        }
        for (; pb && !err; pb = pb->other) {
            if (pb->state != PB_SMALL || pb->zone != z)
                continue;
            err = verify_small(pb);
            sums->pages += pb->nfree;
            sums->buckets += pb->nfree != 0;
        }
    }
    return err;
}

static int verify_buckets(const struct buddy_zone *z, u64 expect)
{
    u64 n = 0;

    for (u32 i = 0; i < PB_WORDS; i++) {
        const struct pageblock *prev = NULL;

        if (!z->bucket[i] != !(z->buckets_used >> i & 1))
            return broken("bucket mask", i);
        for (const struct pageblock *pb = z->bucket[i]; pb; prev = pb, pb = pb->next, n++)
            if (pb->bucket != i || pb->prev != prev || pb->zone != z || n > expect)
                return broken("bucket list", pb_pa(pb));
    }
    return n == expect ? 0 : broken("pageblocks in buckets", n);
}

static int verify_blocks(const struct buddy *b, const struct buddy_zone *z, u64 expect)
{
    u64 n = 0, sections = 0;

    for (u32 i = 0; i < BIG_ORDERS - 1; i++) {
        const struct pageblock *prev = NULL;
        u64 here = 0;

        for (const struct pageblock *pb = z->block[i]; pb; prev = pb, pb = pb->next, here++)
            if (pb->state != PB_FREE || pb->order != BUDDY_BLOCK_ORDER + i || pb->prev != prev ||
                pb->zone != z || here > expect)
                return broken("list of free blocks", pb_pa(pb));
        if (here != z->count[i] || !here != !(z->orders_used >> i & 1))
            return broken("number of free blocks", i);
        n += here;
    }
    for (u32 s = z->section; s != NO_SECTION; s = b->sections[s].next, sections++)
        if (b->sections[s].zone != z || sections > expect)
            return broken("list of free sections", s);
    if (sections != z->count[BIG_ORDERS - 1] ||
        !sections != !(z->orders_used >> (BIG_ORDERS - 1) & 1))
        return broken("number of free sections", sections);
    return n + sections == expect ? 0 : broken("blocks in lists", n + sections);
}

static int verify_zone(const struct buddy *b, const struct buddy_zone *z)
{
    struct zone_sums sums = {0};
    int err = 0;

    if (!z->declared)
        return z->free_pages ? broken("free pages without memory", z->free_pages) : 0;
    for (u32 s = 0; s < b->nr_sections && !err; s++)
        if (b->sections[s].pages)
            err = verify_section(b, s, z, &sums);
    if (err)
        return err;
    if (sums.pages != z->free_pages || z->free_pages > z->declared - z->records)
        return broken("number of free pages", z->free_pages);
    err = verify_buckets(z, sums.buckets);
    return err ? err : verify_blocks(b, z, sums.blocks);
}

static struct buddy_zone *zone_number(struct buddy *b, u32 i)
{
    return &b->nodes[i / 2]->zone[i % 2];
}

/* No other code holds two of these locks at a time, so their order does not matter. */
int buddy_verify(struct buddy *b)
{
    u32 zones = 2 * b->cfg.nr_nodes;
    u64 irq = local_irq_save();
    int err = 0;

    for (u32 i = 0; i < zones; i++)
        spin_lock(&zone_number(b, i)->lock);
    for (u32 i = 0; i < zones && !err; i++)
        err = verify_zone(b, zone_number(b, i));
    for (u32 i = 0; i < zones; i++)
        spin_unlock(&zone_number(b, i)->lock);
    local_irq_restore(irq);
    return err;
}
