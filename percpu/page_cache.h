/*
 * A cache of single pages for each CPU, above the page allocator: a CPU takes pages of its own node
 * without a lock and without touching memory of others, 16 at a time fetched and given back. It
 * promises that every page in it lies on its CPU's home node, and that no page is in it that
 * somebody has. Pages for other nodes pass straight through to the allocator and back.
 *
 * Pages are not cleared. A page freed last is handed out first: it is likely in the CPU's caches.
 *
 * Context: any CPU that has a cache, any context but NMI; a call runs with interrupts off and
 * touches its own CPU's cache only, so there is no lock. It calls the page source with interrupts
 * off. CPU-local: state by pointer.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_PAGE_CACHE_H
#define PERCH_PERCPU_PAGE_CACHE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

#define PAGE_CACHE_MAX   32u /* pages in a CPU's cache */
#define PAGE_CACHE_BATCH 16u /* fetched, or given back, in one go */

/* The page allocator below: any CPU, interrupts off. */
struct page_cache_ops {
    /* Up to n pages into pas; how many. exact: of that node, else also of the nearest others. */
    u32 (*alloc)(void *ctx, s32 node, bool exact, u32 n, u64 *pas);
    void (*free)(void *ctx, const u64 *pas, u32 n);
    s32 (*node_of)(void *ctx, u64 pa);
    void *ctx;
};

/* Only its own CPU changes it; anybody may read the counts (each alone is right). */
struct page_cache_cpu {
    s32 home;  /* node of all pages in it; NODE_NONE: this CPU caches nothing */
    u32 count; /* pages[0..count), the last freed at the top */
    u64 pages[PAGE_CACHE_MAX];
    u64 hits;    /* gets served from it without the allocator */
    u64 refills; /* batches fetched */
    u64 drains;  /* batches given back because it was full */
    u64 direct;  /* gets and puts that passed through */
} ALIGNED(64);

struct page_cache {
    const struct page_cache_ops *ops;
    struct page_cache_cpu **cpus; /* by CPU; each on its CPU's node */
    u32 nr_cpus;
};

struct page_cache_stats {
    u64 pages; /* in caches now */
    u64 hits, refills, drains, direct;
};

/* cpus[nr_cpus] stays the caller's. Every CPU caches nothing until page_cache_set_home(). */
void page_cache_init(struct page_cache *pc, const struct page_cache_ops *ops,
                     struct page_cache_cpu **cpus, u32 nr_cpus);

/*
 * From now on cpu caches pages of that node: its own, or the nearest with memory; NODE_NONE: none
 * any more. What it has goes back. By cpu itself, or while cpu does not run.
 */
void page_cache_set_home(struct page_cache *pc, u32 cpu, s32 node);

/* *pa: a page of that node, or else of the nearest that has one (NODE_NONE: of any). -ENOMEM. */
int page_cache_get(struct page_cache *pc, s32 node, u64 *pa) MUST_CHECK;

/* Gives a page of any node back. */
void page_cache_put(struct page_cache *pc, u64 pa);

/*
 * Gives all pages in cpu's cache back; how many. By cpu itself (under pressure, by a cross-CPU call
 * to each), or while cpu does not run (parked).
 */
u32 page_cache_drain(struct page_cache *pc, u32 cpu);

/* Sums over all CPUs; a moment's truth while they run. */
void page_cache_get_stats(const struct page_cache *pc, struct page_cache_stats *out);

/*
 * Checks count, alignment, node and that no page is in a cache twice; NULL, or what is broken. No
 * CPU may use the caches meanwhile.
 */
const char *page_cache_verify(const struct page_cache *pc);

#endif
