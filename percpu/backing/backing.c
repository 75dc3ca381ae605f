/*
 * A chunk's address space and slots, and functions for the other files of this folder: flush lists,
 * reservations, lookup. See backing.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/backing/backing_internal.h"

#include "kernel/base/print.h"
#include "kernel/base/string.h"

/* ---- flushing -------------------------------------------------------------------------------- */

void pcpu_flush_add(struct pcpu_flush_list *list, u64 start, u64 end)
{
    struct pcpu_flush_range *last = list->n ? &list->r[list->n - 1] : NULL;

    if (last && (list->n == PCPU_BATCH || last->end == start || last->start == end)) {
        last->start = MIN(last->start, start);
        last->end = MAX(last->end, end);
        return;
    }
    list->r[list->n++] = (struct pcpu_flush_range){start, end};
}

int pcpu_flush_do(struct pcpu_backing *b, const struct pcpu_flush_list *list)
{
    return list->n ? b->env->maps->flush(b->env->maps->ctx, list->r, list->n) : 0;
}

int pcpu_flush_stale(struct pcpu_backing *b)
{
    struct pcpu_flush_list list;
    struct pcpu_range *r;
    int err;

    list.n = 0;
    pcpu_for_each_range(r, b)
    {
        u64 va = b->base + r->shape->off;

        if (r->stale)
            pcpu_flush_add(&list, va, va + PCPU_RANGE_SIZE);
    }
    if (!list.n)
        return 0;
    err = pcpu_flush_do(b, &list);
    pcpu_for_each_range(r, b) pcpu_range_set_stale(b, r, r->stale && err != 0);
    return err;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

void pcpu_range_update_ready(struct pcpu_backing *b, struct pcpu_range *r)
{
    bool full = r->block && r->nr_real == PCPU_RANGE_PAGES, ready;

    if (!full)
        r->refused = false;
    ready = full && !r->stale && !r->promoted && !r->refused && b->env->maps->can_promote;
    if (ready != r->ready)
        atomic_fetch_add_explicit(&b->nr_ready, ready ? 1u : ~0u, memory_order_relaxed);
    r->ready = ready;
}

void pcpu_range_set_stale(struct pcpu_backing *b, struct pcpu_range *r, bool stale)
{
    r->stale = stale;
    pcpu_range_update_ready(b, r);
}

bool pcpu_range_reserve(struct pcpu_backing *b, struct pcpu_range *r)
{
    const struct pcpu_page_ops_dyn *pages = b->env->pages;

    if (r->nr_real || r->shape->node == NODE_NONE)
        return false;
    if (pages->block_alloc(pages->ctx, r->shape->node, &r->block) == 0)
        return true;
    r->block = 0;
    return false;
}

u32 pcpu_range_break(struct pcpu_backing *b, struct pcpu_range *r)
{
    const struct pcpu_page_ops_dyn *pages = b->env->pages;
    u64 pas[PCPU_BATCH];
    u32 n = 0, total = 0;

    for (u32 i = 0; i < PCPU_RANGE_PAGES; i++) {
        if (!bitmap_test_bit(r->real, i) && !bitmap_test_bit(r->leaving, i))
            pas[n++] = r->block + i * PAGE_SIZE;
        if (n == PCPU_BATCH || (n && i == PCPU_RANGE_PAGES - 1)) {
            pages->pages_free(pages->ctx, n, pas);
            total += n;
            n = 0;
        }
    }
    pcpu_node_add(&pcpu_range_count(b, r)->reserved, -(s64)total);
    r->block = 0;
    pcpu_range_update_ready(b, r);
    return total;
}

void pcpu_warn_fallback(struct pcpu_backing_env *env, s32 node, s32 from)
{
    if (!atomic_exchange_explicit(&env->count[node].warned, true, memory_order_relaxed))
        pr_warn("percpu: node %d: no memory left, pages come from node %d", node, from);
}

struct pcpu_range *pcpu_range_at(const struct pcpu_backing *b, u64 off)
{
    u32 lo = 0, hi = b->nr_ranges;

    while (lo < hi) {
        u32 mid = (lo + hi) / 2;
        u64 start = b->ranges[mid].shape->off;

        if (off < start)
            hi = mid;
        else if (off - start >= PCPU_RANGE_SIZE)
            lo = mid + 1;
        else
            return &b->ranges[mid];
    }
    return NULL;
}

int pcpu_backing_lookup(const struct pcpu_backing *b, u32 cpu, u64 off, u64 *pa)
{
    const struct pcpu_map_ops *maps = b->env->maps;
    const struct pcpu_first_chunk *fc = b->env->fc;
    const struct pcpu_range *r;
    u64 at, page;

    if (cpu >= fc->nr_cpus || off >= fc->unit_size)
        return -ENOENT;
    at = fc->unit_off[cpu] + off;
    r = pcpu_range_at(b, at);
    if (!r)
        return -ENOENT;
    page = maps->get(maps->ctx, r->slot, (u32)((at - r->shape->off) / PAGE_SIZE));
    if (page == PCPU_GET_NONE || page == PCPU_GET_ZERO)
        return -ENOENT;
    *pa = page + at % PAGE_SIZE;
    return 0;
}

/* ---- creation, destruction ------------------------------------------------------------------- */

/* Allocates one piece for ranges, served and populated. */
static int alloc_meta(struct pcpu_backing *b)
{
    const struct pcpu_backing_layout *l = b->env->layout;
    size_t cpu_words = BITMAP_WORDS(b->env->fc->nr_cpus);
    size_t block_words = BITMAP_WORDS(l->nr_blocks);

    b->meta_bytes = l->nr_ranges * sizeof(b->ranges[0]) + (cpu_words + block_words) * sizeof(u64);
    b->ranges = b->env->meta_alloc(b->env->meta_ctx, l->parts[0].node, b->meta_bytes);
    if (!b->ranges)
        return -ENOMEM;
    memset(b->ranges, 0, b->meta_bytes);
    b->served = (u64 *)(b->ranges + l->nr_ranges);
    b->populated = b->served + cpu_words;
    for (size_t i = 0; i < cpu_words; i++)
        b->served[i] = atomic_load_explicit(&b->env->backed[i], memory_order_relaxed);
    return 0;
}

static int open_slots(struct pcpu_backing *b)
{
    const struct pcpu_backing_layout *l = b->env->layout;
    const struct pcpu_map_ops *maps = b->env->maps;

    for (; b->nr_ranges < l->nr_ranges; b->nr_ranges++) {
        struct pcpu_range *r = &b->ranges[b->nr_ranges];
        int err;

        r->shape = &l->ranges[b->nr_ranges];
        err =
            maps->slot_open(maps->ctx, b->base + r->shape->off, r->shape->parts[0].node, &r->slot);
        if (err)
            return err;
    }
    return 0;
}

/* Closes the open slots. Addresses are free again only after a flush: CPUs cache table entries. */
static void release_space(struct pcpu_backing *b)
{
    const struct pcpu_backing_layout *l = b->env->layout;
    const struct pcpu_map_ops *maps = b->env->maps;
    struct pcpu_flush_list list;
    struct pcpu_range *r;

    list.n = 0;
    pcpu_for_each_range(r, b)
    {
        u64 va = b->base + r->shape->off;

        maps->slot_close(maps->ctx, r->slot);
        pcpu_flush_add(&list, va, va + PCPU_RANGE_SIZE);
    }
    if (pcpu_flush_do(b, &list) == 0)
        maps->area_free(maps->ctx, b->base, l->span_off, l->nr_spans);
    else
        pr_err("percpu: a CPU did not answer: the addresses of chunk %#llx are not used again",
               (unsigned long long)b->base);
    b->nr_ranges = 0;
}

int pcpu_backing_create(struct pcpu_backing_env *env, struct pcpu_backing *b)
{
    const struct pcpu_backing_layout *l = env->layout;
    const struct pcpu_map_ops *maps = env->maps;
    int err;

    memset(b, 0, sizeof(*b));
    b->env = env;
    err = alloc_meta(b);
    if (err)
        return err;
    err = maps->area_alloc(maps->ctx, l->span_off, l->span_size, l->nr_spans, PCPU_RANGE_SIZE,
                           &b->base);
    if (!err) {
        err = open_slots(b);
        if (err)
            release_space(b);
    }
    if (err)
        env->meta_free(env->meta_ctx, b->ranges, b->meta_bytes);
    return err;
}

void pcpu_backing_destroy(struct pcpu_backing *b)
{
    ASSERT(bitmap_next_set(b->populated, b->env->layout->nr_blocks, 0) ==
           b->env->layout->nr_blocks);
    release_space(b);
    b->env->meta_free(b->env->meta_ctx, b->ranges, b->meta_bytes);
    b->ranges = NULL;
}

u64 pcpu_backing_break_reservations(struct pcpu_backing *b)
{
    struct pcpu_range *r;
    u64 pages = 0;

    spin_lock(&b->map_mutex);
    pcpu_for_each_range(r, b)
    {
        if (r->block && r->nr_real < PCPU_RANGE_PAGES)
            pages += pcpu_range_break(b, r);
    }
    spin_unlock(&b->map_mutex);
    return pages;
}
