/*
 * Population of a chunk. First it allocates all pages. Only then does it write page table entries,
 * so a failure never has to undo a mapping that a CPU may use. Single pages wait in a list, linked
 * by their first words. Then it clears, maps and counts range by range, and so node by node. See
 * backing.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/backing/backing_internal.h"

#include "percpu/chunk/block_list.h"
#include "percpu/chunk/clear.h"

/* Pages in the order of use. The first word of a page is the address of the next one, or 0. */
struct page_list {
    u64 first;
    u64 *last_link;
};

/* Pages still to be allocated for one node. */
struct pending {
    s32 node;
    u32 n;
};

struct populate {
    struct pcpu_backing *b;
    const struct pcpu_page_ops_dyn *pages;
    const struct pcpu_map_ops *maps;
    const u32 *blocks;
    u32 n;
    struct page_list list;
    struct pending pending;
    /* Pages mapped for this node, but not counted yet: all, and those on the node. */
    s32 node;
    u32 done, local;
};

/* Index of the first of p->blocks >= block. */
static u32 lower_bound(const struct populate *p, u32 block)
{
    u32 lo = 0, hi = p->n;

    while (lo < hi) {
        u32 mid = (lo + hi) / 2;

        if (p->blocks[mid] < block)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* [*i, *end): indices of the p->blocks in this part, nearly always all. */
static inline void blocks_in(const struct populate *p, const struct pcpu_part *part, u32 *i,
                             u32 *end)
{
    *i = part->lo ? lower_bound(p, part->lo) : 0;
    *end = p->blocks[p->n - 1] < part->hi ? p->n : lower_bound(p, part->hi);
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* Allocates the pending pages. -ENOMEM: pages allocated before stay in the list. */
static int take_pages(struct populate *p)
{
    u64 pas[PCPU_BATCH];

    while (p->pending.n) {
        u32 got = p->pages->pages_alloc(p->pages->ctx, p->pending.node,
                                        MIN(p->pending.n, PCPU_BATCH), pas);

        if (!got)
            return -ENOMEM;
        p->pending.n -= got;
        for (u32 i = 0; i < got; i++) {
            *p->list.last_link = pas[i];
            p->list.last_link = p->pages->map(p->pages->ctx, pas[i]);
            *p->list.last_link = 0;
        }
    }
    return 0;
}

static int add_pending(struct populate *p, s32 node, u32 n)
{
    int err = 0;

    if (node != p->pending.node) {
        err = take_pages(p);
        p->pending.node = node;
    }
    p->pending.n += n;
    return err;
}

/* Gets a reservation for this range, else single pages for its units. */
static int provide(struct populate *p, struct pcpu_range *r)
{
    const struct pcpu_part *part;
    bool tried = false;
    u32 i, end;
    int err = 0;

    if (r->block)
        return 0;
    pcpu_for_each_part(part, r)
    {
        if (!bitmap_test_bit(p->b->served, part->cpu))
            continue;
        blocks_in(p, part, &i, &end);
        if (i >= end)
            continue;
        if (!tried && pcpu_range_reserve(p->b, r))
            return 0;
        tried = true;
        err = add_pending(p, part->node, end - i);
        if (err)
            break;
    }
    return err;
}

static int provide_all(struct populate *p)
{
    struct pcpu_range *r;

    pcpu_for_each_range(r, p->b)
    {
        int err = provide(p, r);

        if (err)
            return err;
    }
    return take_pages(p);
}

/* Frees the pages and the new reservations. None of these pages is mapped. */
static void give_up(struct populate *p)
{
    u64 pas[PCPU_BATCH], pa = p->list.first;
    struct pcpu_range *r;
    u32 n = 0;

    while (pa) {
        pas[n++] = pa;
        pa = *(u64 *)p->pages->map(p->pages->ctx, pa);
        if (n == PCPU_BATCH || !pa) {
            p->pages->pages_free(p->pages->ctx, n, pas);
            n = 0;
        }
    }
    pcpu_for_each_range(r, p->b)
    {
        if (r->block && !r->nr_real) {
            p->pages->block_free(p->pages->ctx, r->block);
            r->block = 0;
        }
    }
}

/* ---- entries --------------------------------------------------------------------------------- */

static void count_done(struct populate *p)
{
    if (p->done)
        pcpu_count_populated(p->b, p->node, p->done, p->local);
    p->done = p->local = 0;
}

/* Maps n pages of the range's reservation, from index on. */
static inline void fill_reserved(struct populate *p, struct pcpu_range *r, u32 index, u32 n)
{
    u64 pa = r->block + index * PAGE_SIZE;

    pcpu_clear_pages(p->pages->map(p->pages->ctx, pa), n);
    p->maps->set(p->maps->ctx, r->slot, index, n, pa);
    p->local += n;
}

/* Takes the next page from the list and clears it. */
static inline u64 next_page(struct populate *p)
{
    u64 pa = p->list.first;
    u64 *page = p->pages->map(p->pages->ctx, pa);
    s32 from = p->pages->node_of(p->pages->ctx, pa);

    p->list.first = *page;
    pcpu_clear_pages(page, 1);
    if (likely(from == p->node))
        p->local++;
    else
        pcpu_warn_fallback(p->b->env, p->node, from);
    return pa;
}

/* Maps n single pages from index on, with one call for pages that are neighbours in memory. */
static void fill_single(struct populate *p, struct pcpu_range *r, u32 index, u32 n)
{
    while (n) {
        u64 pa = next_page(p);
        u32 run = 1;

        while (run < n && p->list.first == pa + run * PAGE_SIZE) {
            next_page(p);
            run++;
        }
        p->maps->set(p->maps->ctx, r->slot, index, run, pa);
        index += run;
        n -= run;
    }
}

static inline void mark_real(struct pcpu_range *r, u32 index, u32 n)
{
    r->nr_real += n;
    if (likely(n == 1))
        bitmap_set_bit(r->real, index);
    else
        bitmap_set(r->real, index, n);
}

/* Maps one unit's part of a range, by runs of neighbouring blocks. */
static inline void fill_part(struct populate *p, struct pcpu_range *r, const struct pcpu_part *part)
{
    bool served = bitmap_test_bit(p->b->served, part->cpu);
    u32 i, end;

    blocks_in(p, part, &i, &end);
    while (i < end) {
        u32 index = pcpu_part_index(part, p->blocks[i]), n = pcpu_blocks_run(p->blocks, i, end);

        i += n;
        if (unlikely(!served)) {
            p->maps->set_zero(p->maps->ctx, r->slot, index, n);
            continue;
        }
        if (r->block)
            fill_reserved(p, r, index, n);
        else
            fill_single(p, r, index, n);
        p->done += n;
        mark_real(r, index, n);
    }
}

static void fill_range(struct populate *p, struct pcpu_range *r)
{
    const struct pcpu_part *part;
    u32 before = r->nr_real;

    pcpu_for_each_part(part, r)
    {
        if (part->node != p->node) {
            count_done(p);
            p->node = part->node;
        }
        fill_part(p, r, part);
    }
    if (r->block)
        pcpu_node_add(&pcpu_range_count(p->b, r)->reserved,
                      (before ? 0 : (s64)PCPU_RANGE_PAGES) - (s64)(r->nr_real - before));
    pcpu_range_update_ready(p->b, r);
}

static int populate_locked(struct pcpu_backing *b, const u32 *blocks, u32 n)
{
    struct populate p = {
        .b = b, .pages = b->env->pages, .maps = b->env->maps, .blocks = blocks, .n = n};
    struct pcpu_range *r;
    int err = pcpu_flush_stale(b); /* no range is stale unless an earlier flush failed */

    if (err)
        return err;
    p.list.last_link = &p.list.first;
    err = provide_all(&p);
    if (err) {
        give_up(&p);
        return err;
    }
    pcpu_for_each_range(r, b) fill_range(&p, r);
    count_done(&p);
    for (u32 i = 0, run; i < n; i += run) {
        run = pcpu_blocks_run(blocks, i, n);
        bitmap_set(b->populated, blocks[i], run);
    }
    return 0;
}

/* The blocks ascend, are in the unit and unpopulated: else a new page would replace one in use. */
static bool may_populate(const struct pcpu_backing *b, const u32 *blocks, u32 n)
{
    for (u32 i = 1; i < n; i++)
        if (blocks[i] <= blocks[i - 1])
            return false;
    if (blocks[n - 1] >= b->env->layout->nr_blocks)
        return false;
    for (u32 i = 0, run; i < n; i += run) {
        run = pcpu_blocks_run(blocks, i, n);
        if (bitmap_next_set(b->populated, blocks[i] + run, blocks[i]) != blocks[i] + run)
            return false;
    }
    return true;
}

int pcpu_backing_populate(struct pcpu_backing *b, const u32 *blocks, u32 n)
{
    int err = -EINVAL;

    if (!n)
        return 0;
    spin_lock(&b->map_mutex);
    if (may_populate(b, blocks, n))
        err = populate_locked(b, blocks, n);
    spin_unlock(&b->map_mutex);
    return err;
}
