/*
 * Returns pages of a chunk. It demotes promoted ranges and flushes, clears the page table entries
 * and flushes, and only then frees pages and reservations. If the second flush fails, the pages are
 * lost, because some CPU may still use them. See backing.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/backing/backing_internal.h"

#include "kernel/base/print.h"

/* Pages that are unmapped but not flushed. At cap single pages the list is flushed. */
struct leaving {
    struct pcpu_backing *b;
    struct pcpu_flush_list flush;
    u64 *pas; /* single pages */
    u32 n, cap;
    u32 lost; /* quarantined pages */
};

static inline bool in_part(const struct pcpu_part *part, u32 block)
{
    return block >= part->lo && block < part->hi;
}

/* ---- after the flush ------------------------------------------------------------------------- */

/* The range's leaving pages return to its reservation. The caller frees single pages. */
static void release_range(struct leaving *lv, struct pcpu_range *r)
{
    struct pcpu_backing *b = lv->b;

    bitmap_zero(r->leaving, PCPU_RANGE_PAGES);
    if (r->block) {
        _Atomic u64 *reserved = &pcpu_range_count(b, r)->reserved;

        pcpu_node_add(reserved, r->nr_leaving);
        if (!r->nr_real) {
            b->env->pages->block_free(b->env->pages->ctx, r->block);
            pcpu_node_add(reserved, -(s64)PCPU_RANGE_PAGES);
            r->block = 0;
        }
    }
    r->nr_leaving = 0;
}

/* Quarantines the leaving pages. The reservation ends, because it can never be whole again. */
static void quarantine_range(struct leaving *lv, struct pcpu_range *r)
{
    struct pcpu_backing *b = lv->b;
    const struct pcpu_part *part;

    pcpu_for_each_part(part, r)
    {
        u32 n = 0;

        for (u32 block = part->lo; block < part->hi; block++)
            n += bitmap_test_bit(r->leaving, pcpu_part_index(part, block));
        pcpu_node_add(&b->env->count[part->node].quarantined, n);
        lv->lost += n;
    }
    if (r->block)
        pcpu_range_break(b, r);
    bitmap_zero(r->leaving, PCPU_RANGE_PAGES);
    r->nr_leaving = 0;
}

/*
 * Flushes the entries cleared so far, then frees their pages. After a failed flush all ranges are
 * stale, so that pcpu_backing_populate() flushes before it maps other pages there.
 */
static void settle(struct leaving *lv)
{
    const struct pcpu_page_ops_dyn *pages = lv->b->env->pages;
    int err = pcpu_flush_do(lv->b, &lv->flush);
    struct pcpu_range *r;

    pcpu_for_each_range(r, lv->b)
    {
        pcpu_range_set_stale(lv->b, r, r->stale || err);
        if (!r->nr_leaving)
            continue;
        if (err)
            quarantine_range(lv, r);
        else
            release_range(lv, r);
    }
    if (!err && lv->n)
        pages->pages_free(pages->ctx, lv->n, lv->pas);
    lv->n = 0;
    lv->flush.n = 0;
}

/* ---- clearing entries ------------------------------------------------------------------------ */

static inline bool clear_page(struct leaving *lv, struct pcpu_range *r, u32 index)
{
    const struct pcpu_map_ops *maps = lv->b->env->maps;
    u64 pa = maps->clear(maps->ctx, r->slot, index);
    u64 va = lv->b->base + r->shape->off + index * PAGE_SIZE;

    pcpu_flush_add(&lv->flush, va, va + PAGE_SIZE);
    if (!pa)
        return false;
    bitmap_clear_bit(r->real, index);
    bitmap_set_bit(r->leaving, index);
    r->nr_real--;
    r->nr_leaving++;
    if (!r->block)
        lv->pas[lv->n++] = pa;
    return true;
}

static void clear_range(struct leaving *lv, struct pcpu_range *r, const u32 *blocks, u32 n)
{
    const struct pcpu_part *part;

    pcpu_for_each_part(part, r)
    {
        u32 pages = 0;

        for (u32 i = 0; i < n; i++) {
            if (!in_part(part, blocks[i]))
                continue;
            if (lv->n == lv->cap)
                settle(lv);
            pages += clear_page(lv, r, pcpu_part_index(part, blocks[i]));
        }
        if (pages)
            pcpu_node_add(&lv->b->env->count[part->node].populated, -(s64)pages);
    }
    pcpu_range_update_ready(lv->b, r);
}

/* Upper limit of the single pages of n blocks. */
static u32 single_pages(const struct pcpu_backing *b, u32 n)
{
    const struct pcpu_range *r;
    u64 pages = 0;

    pcpu_for_each_range(r, b)
    {
        if (!r->block)
            pages += MIN((u64)r->nr_real, (u64)n * r->shape->nr_parts);
    }
    return (u32)MIN(pages, 1u << 16);
}

static void clear_blocks(struct pcpu_backing *b, const u32 *blocks, u32 n)
{
    struct leaving lv = {.b = b};
    u64 few[PCPU_BATCH], *many = NULL;
    u32 most = single_pages(b, n);
    struct pcpu_range *r;

    if (most > PCPU_BATCH)
        many =
            b->env->meta_alloc(b->env->meta_ctx, b->env->layout->parts[0].node, most * sizeof(u64));
    lv.pas = many ? many : few;
    lv.cap = many ? most : PCPU_BATCH;
    pcpu_for_each_range(r, b) clear_range(&lv, r, blocks, n);
    settle(&lv);
    if (many)
        b->env->meta_free(b->env->meta_ctx, many, most * sizeof(u64));
    if (lv.lost)
        pr_err("percpu: a CPU did not answer the flush: %u pages are not used again", lv.lost);
    for (u32 i = 0; i < n; i++)
        bitmap_clear_bit(b->populated, blocks[i]);
}

/* ---- demotion -------------------------------------------------------------------------------- */

/* Index of the first block in the list with a page in this range; n: no such block. */
static u32 first_in_range(const struct pcpu_range *r, const u32 *blocks, u32 n)
{
    const struct pcpu_part *part;

    pcpu_for_each_part(part, r)
    {
        for (u32 i = 0; i < n; i++) {
            if (in_part(part, blocks[i]))
                n = i;
        }
    }
    return n;
}

/* Demotes the ranges of n blocks. Returns how many, from the start, may be unmapped now. */
static u32 demote_ranges(struct pcpu_backing *b, const u32 *blocks, u32 n)
{
    const struct pcpu_map_ops *maps = b->env->maps;
    struct pcpu_range *r;

    pcpu_for_each_range(r, b)
    {
        u32 first = r->promoted ? first_in_range(r, blocks, n) : n;

        if (first == n)
            continue;
        if (maps->demote(maps->ctx, r->slot)) {
            n = first;
            continue;
        }
        r->promoted = false;
        pcpu_node_add(&pcpu_range_count(b, r)->leaves_2m, -1);
        pcpu_node_add(&pcpu_range_count(b, r)->demotions, 1);
        pcpu_range_set_stale(b, r, true);
    }
    return n;
}

static bool may_return(const struct pcpu_backing *b, const u32 *blocks, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        if (blocks[i] >= b->env->layout->nr_blocks || !bitmap_test_bit(b->populated, blocks[i]))
            return false;
    }
    return true;
}

static int return_locked(struct pcpu_backing *b, const u32 *blocks, u32 n, u32 *returned)
{
    u32 possible;
    int err;

    if (!may_return(b, blocks, n))
        return -EINVAL;
    possible = demote_ranges(b, blocks, n);
    err = pcpu_flush_stale(b);
    if (err)
        return err;
    if (possible)
        clear_blocks(b, blocks, possible);
    *returned = possible;
    return possible < n ? -ENOMEM : 0;
}

int pcpu_backing_return(struct pcpu_backing *b, const u32 *blocks, u32 n, u32 *returned)
{
    int err;

    *returned = 0;
    spin_lock(&b->map_mutex);
    err = return_locked(b, blocks, n, returned);
    spin_unlock(&b->map_mutex);
    return err;
}
