/*
 * The dynamic per-CPU allocator's memory, from the page allocator; see percpu_platform.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/percpu_platform.h"
#include "mm/map/address_map.h"

/* ctx is the page allocator, struct buddy. */

static int block_alloc(void *ctx, s32 node, u64 *pa)
{
    return buddy_alloc(ctx, node, BUDDY_BLOCK_ORDER, BUDDY_EXACT_NODE, pa, NULL);
}

static void block_free(void *ctx, u64 pa)
{
    buddy_free(ctx, pa, BUDDY_BLOCK_ORDER);
}

static u32 pages_alloc(void *ctx, s32 node, u32 n, u64 *pas)
{
    return buddy_alloc_bulk(ctx, node, n, 0, pas);
}

static void pages_free(void *ctx, u32 n, const u64 *pas)
{
    buddy_free_bulk(ctx, pas, n);
}

static s32 node_of(void *ctx, u64 pa)
{
    return buddy_node_of(ctx, pa);
}

static void *map_page(void *ctx, u64 pa)
{
    (void)ctx;
    return phys_to_virt(pa);
}

static struct pcpu_page_ops_dyn page_ops = {
    .block_alloc = block_alloc,
    .block_free = block_free,
    .pages_alloc = pages_alloc,
    .pages_free = pages_free,
    .node_of = node_of,
    .map = map_page,
};

const struct pcpu_page_ops_dyn *percpu_pages_init(struct buddy *pages)
{
    page_ops.ctx = pages;
    return &page_ops;
}
