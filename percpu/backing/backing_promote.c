/*
 * Promotes full ranges to 2 MiB leaves, and gives a new CPU real pages instead of the zero page.
 * Both change mappings in place while other CPUs may use them. See backing.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/backing/backing_internal.h"

#include "percpu/chunk/clear.h"

/* ---- promotion ------------------------------------------------------------------------------- */

static bool promote_range(struct pcpu_backing *b, struct pcpu_range *r)
{
    const struct pcpu_map_ops *maps = b->env->maps;

    if (maps->promote(maps->ctx, r->slot, r->block)) {
        r->refused = true;
    } else {
        r->promoted = true;
        pcpu_range_set_stale(b, r, true);
        pcpu_node_add(&pcpu_range_count(b, r)->leaves_2m, 1);
        pcpu_node_add(&pcpu_range_count(b, r)->promotions, 1);
    }
    pcpu_range_update_ready(b, r);
    return r->promoted;
}

/* Ignores the result of the flush: a range that stays stale is in the next flush. */
u32 pcpu_backing_promote(struct pcpu_backing *b)
{
    struct pcpu_range *r;
    u32 done = 0;
    int err = 0;

    spin_lock(&b->map_mutex);
    pcpu_for_each_range(r, b)
    {
        if (r->ready)
            done += promote_range(b, r);
    }
    if (done)
        err = pcpu_flush_stale(b);
    (void)err;
    spin_unlock(&b->map_mutex);
    return done;
}

/* ---- a CPU is online for the first time ------------------------------------------------------ */

/* Single pages, all for one node. */
struct stock {
    u64 pas[PCPU_BATCH];
    u32 n;
};

static u64 stock_take(struct pcpu_backing *b, struct stock *stock, s32 node, u32 max)
{
    const struct pcpu_page_ops_dyn *pages = b->env->pages;

    if (!stock->n)
        stock->n = pages->pages_alloc(pages->ctx, node, MIN(max, PCPU_BATCH), stock->pas);
    return stock->n ? stock->pas[--stock->n] : 0;
}

/* Takes a page that replaces the zero page at index. 0: no memory. */
static u64 page_for(struct pcpu_backing *b, struct pcpu_range *r, u32 index, struct stock *stock,
                    s32 node, u32 max)
{
    if (r->block || pcpu_range_reserve(b, r)) {
        if (!r->nr_real)
            pcpu_node_add(&pcpu_range_count(b, r)->reserved, PCPU_RANGE_PAGES);
        pcpu_node_add(&pcpu_range_count(b, r)->reserved, -1);
        return r->block + index * PAGE_SIZE;
    }
    return stock_take(b, stock, node, max);
}

static void replace_page(struct pcpu_backing *b, struct pcpu_range *r, u32 index, u64 pa, s32 node)
{
    const struct pcpu_page_ops_dyn *pages = b->env->pages;
    const struct pcpu_map_ops *maps = b->env->maps;
    s32 from = pages->node_of(pages->ctx, pa);

    pcpu_clear_pages(pages->map(pages->ctx, pa), 1);
    maps->replace(maps->ctx, r->slot, index, pa);
    bitmap_set_bit(r->real, index);
    r->nr_real++;
    pcpu_range_set_stale(b, r, true);
    pcpu_count_populated(b, node, 1, from == node);
    if (from != node)
        pcpu_warn_fallback(b->env, node, from);
}

/* Backs one unit's part of a range. */
static int back_part(struct pcpu_backing *b, struct pcpu_range *r, const struct pcpu_part *part,
                     struct stock *stock)
{
    size_t block = bitmap_next_set(b->populated, part->hi, part->lo);

    for (; block < part->hi; block = bitmap_next_set(b->populated, part->hi, block + 1)) {
        u32 index = pcpu_part_index(part, (u32)block);
        u64 pa;

        if (bitmap_test_bit(r->real, index))
            continue;
        pa = page_for(b, r, index, stock, part->node, part->hi - (u32)block);
        if (!pa)
            return -ENOMEM;
        replace_page(b, r, index, pa, part->node);
    }
    return 0;
}

static int back_unit(struct pcpu_backing *b, u32 cpu)
{
    const struct pcpu_page_ops_dyn *pages = b->env->pages;
    u64 off = b->env->fc->unit_off[cpu], end = off + b->env->fc->unit_size;
    struct stock stock = {.n = 0};
    int err = 0;

    while (off < end && !err) {
        struct pcpu_range *r = pcpu_range_at(b, off);
        const struct pcpu_part *part = r->shape->parts;

        while (part->cpu != cpu)
            part++;
        err = back_part(b, r, part, &stock);
        off = r->shape->off + PCPU_RANGE_SIZE;
    }
    if (stock.n)
        pages->pages_free(pages->ctx, stock.n, stock.pas);
    return err;
}

/* Flushes on every path: other CPUs may have read the zero page in this unit. */
int pcpu_backing_cpu_online(struct pcpu_backing *b, u32 cpu)
{
    int err = 0, flushed;

    spin_lock(&b->map_mutex);
    if (!bitmap_test_bit(b->served, cpu)) {
        err = back_unit(b, cpu);
        flushed = pcpu_flush_stale(b);
        err = err ? err : flushed;
        if (!err)
            bitmap_set_bit(b->served, cpu);
    }
    spin_unlock(&b->map_mutex);
    return err;
}
