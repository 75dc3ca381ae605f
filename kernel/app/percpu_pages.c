/*
 * The dynamic per-CPU allocator's memory: pages of the page allocator, singly through a small cache
 * of each CPU.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/app/percpu_platform.h"
#include "mm/layout.h"
#include "percpu/page_cache.h"

#define FEW_PAGES 8u /* up to this many come from the CPU's cache, one by one */

static struct page_cache cache;

/* ctx, everywhere: the page allocator. */

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
    u32 got = 0;

    if (n > FEW_PAGES)
        return buddy_alloc_bulk(ctx, node, n, 0, pas);
    while (got < n && !page_cache_get(&cache, node, &pas[got]))
        got++;
    return got;
}

static void pages_free(void *ctx, u32 n, const u64 *pas)
{
    if (n > FEW_PAGES) {
        buddy_free_bulk(ctx, pas, n);
        return;
    }
    for (u32 i = 0; i < n; i++)
        page_cache_put(&cache, pas[i]);
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

static u32 cache_alloc(void *ctx, s32 node, bool exact, u32 n, u64 *pas)
{
    return buddy_alloc_bulk(ctx, node, n, exact ? BUDDY_EXACT_NODE : 0, pas);
}

static void cache_free(void *ctx, const u64 *pas, u32 n)
{
    buddy_free_bulk(ctx, pas, n);
}

static struct page_cache_ops cache_ops = {
    .alloc = cache_alloc,
    .free = cache_free,
    .node_of = node_of,
};

const struct pcpu_page_ops_dyn *percpu_pages_init(struct buddy *pages, struct small_mem *small,
                                                  const struct numa_topology *topo)
{
    u32 n = topo->cpu_count;
    struct page_cache_cpu **cpus = small_alloc(small, topo->cpus[0].node, n * sizeof(*cpus));

    if (!cpus)
        panic("percpu: no memory for the page caches");
    for (u32 cpu = 0; cpu < n; cpu++) {
        cpus[cpu] = small_alloc(small, topo->cpus[cpu].node, sizeof(**cpus));
        if (!cpus[cpu])
            panic("percpu: no memory for the page cache of CPU %u", cpu);
    }
    cache_ops.ctx = page_ops.ctx = pages;
    page_cache_init(&cache, &cache_ops, cpus, n);
    for (u32 cpu = 0; cpu < n; cpu++)
        page_cache_set_home(&cache, cpu, topo->cpus[cpu].node);
    return &page_ops;
}

void percpu_pages_parking(u32 cpu)
{
    page_cache_drain(&cache, cpu);
}
