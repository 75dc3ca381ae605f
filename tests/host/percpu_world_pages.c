/*
 * The world's physical memory: a file, and for each node a page allocator that serves single pages
 * from blocks that are broken already before it breaks another one. See percpu_world.h.
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "tests/host/percpu_world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POISON 0xa5

static u32 node_blocks(const struct world *w)
{
    return w->node_pages / PCPU_RANGE_PAGES;
}

static u64 page_pa(u32 index)
{
    return WORLD_PHYS + index * PAGE_SIZE;
}

static void set_state(struct world *w, u32 index, enum world_page_state state)
{
    u16 *free = &w->block_free[index / PCPU_RANGE_PAGES];

    *free += state == WORLD_FREE;
    *free -= w->pages[index].state == WORLD_FREE;
    w->pages[index].state = state;
}

/* The block to take single pages from: the fullest one that has any; ~0: none. */
static u32 pick_block(const struct world *w, u32 node)
{
    u32 first = node * node_blocks(w), best = ~0u;

    for (u32 b = first; b < first + node_blocks(w); b++) {
        if (w->block_free[b] && (best == ~0u || w->block_free[b] < w->block_free[best]))
            best = b;
    }
    return best;
}

/* What was there before: nobody may take a fresh page for a cleared one. */
static void poison(struct world *w, u32 index)
{
    u8 *page = w->memory + index * PAGE_SIZE;

    memset(page, POISON, 64);
    page[PAGE_SIZE - 1] = POISON;
}

static u32 check_node(struct world *w, s32 node)
{
    if (node >= 0 && (u32)node < w->shape.nr_nodes)
        return (u32)node;
    world_violation(w, "memory of a node that does not exist", (u64)node);
    return 0;
}

static int block_alloc(void *ctx, s32 node, u64 *pa)
{
    struct world *w = ctx;
    u32 b, end;
    int err = -ENOMEM;

    spin_lock(&w->lock);
    b = check_node(w, node) * node_blocks(w);
    end = b + node_blocks(w);
    if (world_fails(w, WORLD_BLOCK))
        b = end;
    while (b < end && w->block_free[b] != PCPU_RANGE_PAGES)
        b++;
    if (b < end) {
        for (u32 i = b * PCPU_RANGE_PAGES; i < (b + 1) * PCPU_RANGE_PAGES; i++) {
            set_state(w, i, WORLD_TAKEN);
            poison(w, i);
        }
        *pa = page_pa(b * PCPU_RANGE_PAGES);
        err = 0;
    }
    spin_unlock(&w->lock);
    return err;
}

static void free_page(struct world *w, u64 pa)
{
    struct world_page *p;

    if (!world_has_page(w, pa)) {
        world_violation(w, "a page that does not exist was given back", pa);
        return;
    }
    p = world_page(w, pa);
    if (p->state != WORLD_TAKEN)
        world_violation(w, "a page was given back that was not taken", pa);
    if (p->mapped)
        world_violation(w, "a page was given back while mapped", pa);
    if (p->stale)
        world_violation(w, "a page was given back before its flush", pa);
    set_state(w, (u32)((pa - WORLD_PHYS) / PAGE_SIZE), WORLD_FREE);
}

static void block_free(void *ctx, u64 pa)
{
    struct world *w = ctx;

    spin_lock(&w->lock);
    if (!is_aligned(pa, PCPU_RANGE_SIZE))
        world_violation(w, "a block is not aligned", pa);
    for (u32 i = 0; i < PCPU_RANGE_PAGES; i++)
        free_page(w, pa + i * PAGE_SIZE);
    spin_unlock(&w->lock);
}

/* From one node: lowest first in its fullest block. */
static u32 take_pages(struct world *w, u32 node, u32 n, u64 *pas, bool *failed)
{
    u32 got = 0, b, i;

    while (got < n && (b = pick_block(w, node)) != ~0u) {
        for (i = b * PCPU_RANGE_PAGES; got < n && w->block_free[b]; i++) {
            if (w->pages[i].state != WORLD_FREE)
                continue;
            if (world_fails(w, WORLD_PAGE)) {
                *failed = true;
                return got;
            }
            set_state(w, i, WORLD_TAKEN);
            poison(w, i);
            pas[got++] = page_pa(i);
        }
    }
    return got;
}

static u32 pages_alloc(void *ctx, s32 node, u32 n, u64 *pas)
{
    struct world *w = ctx;
    bool failed = false;
    u32 got = 0, from;

    spin_lock(&w->lock);
    from = check_node(w, node);
    for (u32 i = 0; i < w->shape.nr_nodes && got < n && !failed; i++)
        got += take_pages(w, (u32)w->order[from][i], n - got, pas + got, &failed);
    spin_unlock(&w->lock);
    return got;
}

static void pages_free(void *ctx, u32 n, const u64 *pas)
{
    struct world *w = ctx;

    spin_lock(&w->lock);
    for (u32 i = 0; i < n; i++)
        free_page(w, pas[i]);
    spin_unlock(&w->lock);
}

static s32 node_of(void *ctx, u64 pa)
{
    struct world *w = ctx;

    return world_has_page(w, pa) ? (s32)((pa - WORLD_PHYS) / PAGE_SIZE / w->node_pages) : NODE_NONE;
}

static void *map(void *ctx, u64 pa)
{
    struct world *w = ctx;

    return w->memory + (pa - WORLD_PHYS);
}

static const struct world *sort_world;
static s32 sort_from;

static int nearer(const void *a, const void *b)
{
    s32 x = *(const s32 *)a, y = *(const s32 *)b;
    const u8 *distance = sort_world->shape.distance;
    s32 n = (s32)sort_world->shape.nr_nodes;
    s32 dx = distance ? distance[sort_from * n + x] : abs(x - sort_from);
    s32 dy = distance ? distance[sort_from * n + y] : abs(y - sort_from);

    return dx != dy ? dx - dy : x - y;
}

static void fill_order(struct world *w)
{
    sort_world = w;
    for (u32 node = 0; node < w->shape.nr_nodes; node++) {
        for (u32 i = 0; i < w->shape.nr_nodes; i++)
            w->order[node][i] = (s32)i;
        sort_from = (s32)node;
        qsort(w->order[node], w->shape.nr_nodes, sizeof(s32), nearer);
    }
}

void world_make_memory(struct world *w)
{
    u64 size = w->shape.nr_nodes * w->shape.node_bytes;
    u32 pages = (u32)(size / PAGE_SIZE);

    w->node_pages = (u32)(w->shape.node_bytes / PAGE_SIZE);
    w->memory_file = memfd_create("memory", 0);
    if (w->memory_file < 0 || ftruncate(w->memory_file, (off_t)size))
        abort();
    w->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, w->memory_file, 0);
    w->pages = calloc(pages, sizeof(w->pages[0]));
    w->block_free = calloc(pages / PCPU_RANGE_PAGES, sizeof(w->block_free[0]));
    if (w->memory == MAP_FAILED || !w->pages || !w->block_free)
        abort();
    for (u32 b = 0; b < pages / PCPU_RANGE_PAGES; b++)
        w->block_free[b] = PCPU_RANGE_PAGES;
    fill_order(w);
    w->page_ops = (struct pcpu_page_ops_dyn){w,          block_alloc, block_free, pages_alloc,
                                             pages_free, node_of,     map};
}

void world_drop_memory(struct world *w)
{
    munmap(w->memory, w->shape.nr_nodes * w->shape.node_bytes);
    close(w->memory_file);
    free(w->pages);
    free(w->block_free);
}

/* ---- knobs ----------------------------------------------------------------------------------- */

void world_exhaust(struct world *w, u32 node, u32 leave)
{
    u32 first = node * w->node_pages;

    spin_lock(&w->lock);
    for (u32 i = first; i < first + w->node_pages; i++) {
        if (w->pages[i].state != WORLD_FREE)
            continue;
        if (leave)
            leave--;
        else
            set_state(w, i, WORLD_HIDDEN);
    }
    spin_unlock(&w->lock);
}

void world_refill(struct world *w, u32 node)
{
    u32 first = node * w->node_pages;

    spin_lock(&w->lock);
    for (u32 i = first; i < first + w->node_pages; i++) {
        if (w->pages[i].state == WORLD_HIDDEN)
            set_state(w, i, WORLD_FREE);
    }
    spin_unlock(&w->lock);
}

void world_fragment(struct world *w, u32 node)
{
    u32 first = node * node_blocks(w);

    spin_lock(&w->lock);
    for (u32 b = first; b < first + node_blocks(w); b++) {
        if (w->block_free[b] == PCPU_RANGE_PAGES)
            set_state(w, b * PCPU_RANGE_PAGES + 77, WORLD_HIDDEN);
    }
    spin_unlock(&w->lock);
}

u32 world_free_pages(const struct world *w, u32 node)
{
    u32 first = node * node_blocks(w), n = 0;

    for (u32 b = first; b < first + node_blocks(w); b++)
        n += w->block_free[b];
    return n;
}

u32 world_free_blocks(const struct world *w, u32 node)
{
    u32 first = node * node_blocks(w), n = 0;

    for (u32 b = first; b < first + node_blocks(w); b++)
        n += w->block_free[b] == PCPU_RANGE_PAGES;
    return n;
}
