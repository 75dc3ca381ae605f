/*
 * The page allocator: allocation over zones and nodes, and freeing. The contract is in
 * mm/pages/buddy.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/events.h"
#include "mm/pages/buddy_types.h"

/* The most frequent request: one page, lowest first; NO_PA: none. */
static ALWAYS_INLINE u64 take_page(struct buddy *b, struct buddy_zone *z)
{
    struct pageblock *pb;

    if (likely(z->buckets_used))
        pb = z->bucket[__builtin_ctz(z->buckets_used)];
    else if (!(pb = zone_find_pages(b, z)))
        return NO_PA;
    u32 word = (u32)__builtin_ctz(pb->words);
    u64 bits = pb->free[word];

    pb->free[word] = bits & (bits - 1);
    if (unlikely(!pb->free[word]))
        pb->words &= (u8) ~(1u << word);
    zone_count_pages(z, -1ULL);
    if (unlikely(--pb->nfree % 64 == 0))
        zone_pages_changed(z, pb);
    return pb_pa(pb) + ((u64)(word * 64 + (u32)__builtin_ctzll(bits)) << PAGE_SHIFT);
}

static ALWAYS_INLINE u64 take_locked(struct buddy *b, struct buddy_zone *z, u32 order)
{
    if (likely(order == 0))
        return take_page(b, z);
    return order < BUDDY_BLOCK_ORDER ? zone_take_run(b, z, order) : zone_take_block(b, z, order);
}

static ALWAYS_INLINE u64 zone_serve(struct buddy *b, struct buddy_zone *z, u32 order, u64 *count)
{
    /* Read without the lock: the page of a concurrent free may be missed. */
    if (zone_free_pages(z) < 1ULL << order)
        return NO_PA;
    u64 irq = spin_lock_irqsave(&z->lock);
    u64 pa = take_locked(b, z, order);

    if (likely(pa != NO_PA))
        ++*count;
    spin_unlock_irqrestore(&z->lock, irq);
    return pa;
}

u64 zone_alloc(struct buddy *b, struct buddy_zone *z, u32 order, u64 *count)
{
    return zone_serve(b, z, order, count);
}

/* The zone's counter of requests for that node. */
static u64 *served(struct buddy_zone *z, s32 wanted)
{
    return wanted == z->node ? &z->local : &z->foreign;
}

/*
 * Zones in the order in which they serve a request for `node`: the k-th, or NULL at the end. Plain
 * memory of all nodes goes before memory that is to be used last.
 */
static struct buddy_zone *zone_in_order(const struct buddy *b, s32 node, u32 flags, u32 k)
{
    u32 nodes = b->cfg.nr_nodes;

    if (flags & BUDDY_EXACT_NODE)
        return k < 2 ? &b->nodes[node]->zone[k] : NULL;
    if (k >= 2 * nodes)
        return NULL;
    return &b->nodes[b->nodes[node]->order[k % nodes]]->zone[k / nodes];
}

static bool bad_node(const struct buddy *b, s32 node, u32 flags)
{
    if (node == NODE_NONE)
        return flags & BUDDY_EXACT_NODE;
    return node < 0 || (u32)node >= b->cfg.nr_nodes;
}

static void count_request(struct buddy *b, s32 wanted, u64 fallen_back, u64 failed)
{
    if (wanted == NODE_NONE)
        return;
    if (fallen_back) {
        const struct buddy_zone *z = b->nodes[wanted]->zone;

        atomic_fetch_add_explicit(&b->nodes[wanted]->fallen_back, fallen_back,
                                  memory_order_relaxed);
        /* That a node without memory is served by the nearest is no accident. */
        if (z[0].declared + z[1].declared)
            event_add(EVENT_NODE_FALLBACK, fallen_back);
    }
    if (failed)
        atomic_fetch_add_explicit(&b->nodes[wanted]->failed, failed, memory_order_relaxed);
}

static NOINLINE int alloc_in_order(struct buddy *b, s32 node, u32 order, u32 flags, u64 *pa,
                                   s32 *got)
{
    bool fail = b->cfg.fail && b->cfg.fail(b->cfg.ctx);
    s32 home = node == NODE_NONE ? 0 : node;
    struct buddy_zone *z;

    for (u32 k = 0; !fail && (z = zone_in_order(b, home, flags, k)); k++) {
        u64 found = zone_alloc(b, z, order, served(z, node));

        if (found == NO_PA)
            continue;
        if (z->node != node)
            count_request(b, node, 1, 0);
        *pa = found;
        if (got)
            *got = z->node;
        return 0;
    }
    count_request(b, node, 0, 1);
    return -ENOMEM;
}

int buddy_alloc(struct buddy *b, s32 node, u32 order, u32 flags, u64 *pa, s32 *got)
{
    if (unlikely(order > BUDDY_MAX_ORDER || bad_node(b, node, flags)))
        return -EINVAL;
    /* The usual case: plain memory of the node. */
    if (likely(node != NODE_NONE && !b->cfg.fail)) {
        struct buddy_zone *z = &b->nodes[node]->zone[0];
        u64 found = zone_serve(b, z, order, &z->local);

        if (likely(found != NO_PA)) {
            *pa = found;
            if (got)
                *got = node;
            return 0;
        }
    }
    return alloc_in_order(b, node, order, flags, pa, got);
}

/* Up to n pages of one zone. */
static u32 zone_alloc_bulk(struct buddy *b, struct buddy_zone *z, u32 n, u64 *pas, u64 *count)
{
    if (!zone_free_pages(z))
        return 0;
    u64 irq = spin_lock_irqsave(&z->lock);
    u32 have = zone_take_pages(b, z, n, pas);

    *count += have;
    spin_unlock_irqrestore(&z->lock, irq);
    return have;
}

u32 buddy_alloc_bulk(struct buddy *b, s32 node, u32 n, u32 flags, u64 *pas)
{
    s32 home = node == NODE_NONE ? 0 : node;
    struct buddy_zone *z;
    u32 have = 0;

    if (bad_node(b, node, flags))
        return 0;
    bool fail = b->cfg.fail && b->cfg.fail(b->cfg.ctx);
    for (u32 k = 0; !fail && have < n && (z = zone_in_order(b, home, flags, k)); k++) {
        u32 more = zone_alloc_bulk(b, z, n - have, pas + have, served(z, node));

        if (!more)
            continue;
        if (z->node != node)
            count_request(b, node, more, 0);
        have += more;
    }
    if (have < n)
        count_request(b, node, 0, n - have);
    return have;
}

/* ---- freeing --------------------------------------------------------------------------------- */

static void refuse(struct buddy *b, u64 pa, u32 order, const char *why)
{
    atomic_fetch_add_explicit(&b->bad_frees, 1, memory_order_relaxed);
    pr_err("buddy: free of 0x%llx, order %u: %s", (ull)pa, order, why);
}

/* The record in a pageblock of several zones: that of the range which contains all n pages. */
static NOINLINE struct pageblock *locate_partial(const struct buddy *b, struct pageblock *pb,
                                                 u64 pa, u32 n)
{
    const struct buddy_range *r = range_at(b, pa);

    if (!r || pa + n * PAGE_SIZE > r->end)
        return NULL;
    while (pb && pb->zone != r->zone)
        pb = pb->other;
    return pb;
}

/* The record for pa; NULL: none, or the n pages from pa are not declared memory of one range. */
static ALWAYS_INLINE struct pageblock *locate(const struct buddy *b, u64 pa, u32 n)
{
    if (unlikely(pa >> SECTION_SHIFT >= b->nr_sections))
        return NULL;
    struct pageblock *pb = record_at(b, (u32)(pa >> PB_SHIFT));
    if (likely(pb && pb->owned == PB_PAGES))
        return pb;
    return pb ? locate_partial(b, pb, pa, n) : NULL;
}

/* Frees one page; false: it is free already. The zone's lock is held. */
static ALWAYS_INLINE bool put_page(struct buddy *b, struct pageblock *pb, u64 pa)
{
    u32 i = (u32)(pa >> PAGE_SHIFT) % PB_PAGES;
    u64 *word = &pb->free[i / 64], bit = 1ULL << (i % 64);

    if (unlikely(pb->state != PB_SMALL || *word & bit))
        return false;
    *word |= bit;
    pb->words |= (u8)(1u << (i / 64));
    pb->fits = BUDDY_BLOCK_ORDER - 1;
    zone_count_pages(pb->zone, 1);
    if (unlikely(++pb->nfree == PB_PAGES))
        zone_close_block(b, pb);
    else if (unlikely(pb->nfree % 64 == 1))
        zone_pages_changed(pb->zone, pb);
    return true;
}

static const char *free_block_locked(struct buddy *b, struct pageblock *pb, u32 order)
{
    u32 n = 1u << (order - BUDDY_BLOCK_ORDER);

    if (!record_at(b, pb->index + n - 1))
        return "not wholly memory";
    for (u32 i = 0; i < n; i++) {
        if (pb[i].zone != pb->zone || pb[i].owned != PB_PAGES)
            return "not wholly memory of one node";
        if (pb[i].state != PB_SMALL || pb[i].nfree)
            return "free already, all or in part";
    }
    zone_put_block(b, pb->zone, pb, order);
    return NULL;
}

/* Frees a whole section that was allocated as one. False: it was not. */
static bool free_section(struct buddy *b, u64 pa, u32 order)
{
    struct buddy_section *sec = &b->sections[pa >> SECTION_SHIFT];
    bool ok = false;

    if (order != BUDDY_MAX_ORDER || !sec->zone)
        return false;
    u64 irq = spin_lock_irqsave(&sec->zone->lock);
    if (!sec->pbs && sec->state == SEC_USED) {
        zone_put_section(b, sec->zone, (u32)(pa >> SECTION_SHIFT));
        ok = true;
    }
    spin_unlock_irqrestore(&sec->zone->lock, irq);
    return ok;
}

/* Any order above 0. */
static NOINLINE void free_large(struct buddy *b, u64 pa, u32 order)
{
    if (order > BUDDY_MAX_ORDER || !is_aligned(pa, PAGE_SIZE << order)) {
        refuse(b, pa, order, "not aligned");
        return;
    }
    u32 n = 1u << order;
    struct pageblock *pb = locate(b, pa, MIN(n, PB_PAGES));
    if (!pb) {
        if (pa >> SECTION_SHIFT >= b->nr_sections || !free_section(b, pa, order))
            refuse(b, pa, order, "not allocated, or not memory");
        return;
    }
    struct buddy_zone *z = pb->zone;
    const char *why = NULL;
    u64 irq = spin_lock_irqsave(&z->lock);
    if (order >= BUDDY_BLOCK_ORDER)
        why = free_block_locked(b, pb, order);
    else if (pb->state != PB_SMALL || !zone_put_pages(b, pb, (u32)(pa >> PAGE_SHIFT) % PB_PAGES, n))
        why = "free already, all or in part";
    spin_unlock_irqrestore(&z->lock, irq);
    if (why)
        refuse(b, pa, order, why);
}

void buddy_free(struct buddy *b, u64 pa, u32 order)
{
    if (order) {
        free_large(b, pa, order);
        return;
    }
    struct pageblock *pb = likely(is_aligned(pa, PAGE_SIZE)) ? locate(b, pa, 1) : NULL;
    if (unlikely(!pb)) {
        refuse(b, pa, 0,
               is_aligned(pa, PAGE_SIZE) ? "not allocated, or not memory" : "not aligned");
        return;
    }
    struct buddy_zone *z = pb->zone;
    u64 irq = spin_lock_irqsave(&z->lock);
    bool ok = put_page(b, pb, pa);

    spin_unlock_irqrestore(&z->lock, irq);
    if (unlikely(!ok))
        refuse(b, pa, 0, "free already");
}

#define FREE_RUN 16u /* pages freed under one lock: interrupts are off meanwhile */

/*
 * Frees pages of one zone from the front of pas, up to n; returns the number. *wrong: the run ended
 * at a page that is free already.
 */
static u32 free_run(struct buddy *b, struct pageblock *pb, const u64 *pas, u32 n, bool *wrong)
{
    struct buddy_zone *z = pb->zone;
    u64 irq = spin_lock_irqsave(&z->lock);
    u32 i = 0;

    *wrong = false;
    while (pb && pb->zone == z && !(*wrong = !put_page(b, pb, pas[i]))) {
        if (++i == n)
            break;
        /* Usually the next page is in the same pageblock. */
        if (pas[i] >> PB_SHIFT != pb->index || pas[i] % PAGE_SIZE || pb->owned != PB_PAGES)
            pb = is_aligned(pas[i], PAGE_SIZE) ? locate(b, pas[i], 1) : NULL;
    }
    spin_unlock_irqrestore(&z->lock, irq);
    return i;
}

void buddy_free_bulk(struct buddy *b, const u64 *pas, u32 n)
{
    while (n) {
        struct pageblock *pb = is_aligned(*pas, PAGE_SIZE) ? locate(b, *pas, 1) : NULL;
        bool wrong = !pb;
        u32 done = pb ? free_run(b, pb, pas, MIN(n, FREE_RUN), &wrong) : 0;

        pas += done;
        n -= done;
        if (wrong && n--)
            buddy_free(b, *pas++, 0); /* refuses it, with a line */
    }
}

/* ---- queries --------------------------------------------------------------------------------- */

s32 buddy_node_of(const struct buddy *b, u64 pa)
{
    const struct buddy_range *r;

    if (pa >> SECTION_SHIFT >= b->nr_sections)
        return NODE_NONE;
    const struct buddy_section *sec = &b->sections[pa >> SECTION_SHIFT];
    if (sec->zone && sec->pages == 1u << BUDDY_MAX_ORDER)
        return sec->zone->node;
    const struct pageblock *pb = record_at(b, (u32)(pa >> PB_SHIFT));
    if (pb && pb->owned == PB_PAGES)
        return pb->zone->node;
    r = range_at(b, pa);
    return r ? r->zone->node : NODE_NONE;
}

const u16 *buddy_node_order(const struct buddy *b, s32 node)
{
    return b->nodes[node]->order;
}

u64 buddy_free_pages(const struct buddy *b, s32 node)
{
    u64 sum = 0;

    for (u32 i = 0; i < b->cfg.nr_nodes; i++)
        if (node == NODE_NONE || node == (s32)i)
            sum += zone_free_pages(&b->nodes[i]->zone[0]) + zone_free_pages(&b->nodes[i]->zone[1]);
    return sum;
}
