/*
 * A cache of single pages for each CPU, above the page allocator. A CPU takes pages of its own node
 * without a lock and without touching other CPUs' memory; pages are refilled and drained 16 at a
 * time. Every page in a cache is free and lies on its CPU's home node. Pages of other nodes go
 * straight to the allocator and come straight from it.
 *
 * Pages are not cleared. The page freed last is handed out first: it is likely in the data cache.
 * Statistics and page_cache_verify() are for tests and for users of the allocator as a library.
 *
 * Context: any CPU that has a cache, any context but NMI. A call runs with interrupts off, also
 * where it calls the page allocator, and touches its own CPU's cache only, so there is no lock.
 * CPU-local: state by pointer.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_PAGE_CACHE_H
#define PERCH_PERCPU_PAGE_CACHE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

#define PAGE_CACHE_MAX   32u /* pages in a CPU's cache */
#define PAGE_CACHE_BATCH 16u /* pages of one refill or drain */

/* The page allocator below: any CPU, interrupts off. */
struct page_cache_ops {
    /* Up to n pages into pas; returns how many. exact: of that node only, else also of others. */
    u32 (*alloc)(void *ctx, s32 node, bool exact, u32 n, u64 *pas);
    void (*free)(void *ctx, const u64 *pas, u32 n);
    s32 (*node_of)(void *ctx, u64 pa);
    void *ctx;
};

/* Only its own CPU changes it. Anybody may read the counts, one by one. */
struct page_cache_cpu {
    s32 home;  /* node of all pages in it; NODE_NONE: this CPU caches nothing */
    u32 count; /* pages[0..count), the last freed at the top */
    u64 pages[PAGE_CACHE_MAX];
    u64 hits;    /* gets served from it without the allocator */
    u64 refills; /* batches allocated */
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
 * Drains cpu's cache. From now on it holds pages of this node: cpu's own, or the nearest with
 * memory; NODE_NONE: none. Called by cpu itself, or while cpu does not run.
 */
void page_cache_set_home(struct page_cache *pc, u32 cpu, s32 node);

/* *pa: a page of that node, or else of the nearest that has one (NODE_NONE: of any). -ENOMEM. */
int page_cache_get(struct page_cache *pc, s32 node, u64 *pa) MUST_CHECK;

/* Gives a page of any node back. */
void page_cache_put(struct page_cache *pc, u64 pa);

/*
 * Frees all pages in cpu's cache; returns how many. Called by cpu itself (under pressure, by a
 * cross-CPU call to each), or while cpu is parked.
 */
u32 page_cache_drain(struct page_cache *pc, u32 cpu);

/* Sums over all CPUs; approximate while they run. */
void page_cache_get_stats(const struct page_cache *pc, struct page_cache_stats *out);

/*
 * Checks count, alignment, node and that no page is in a cache twice; NULL, or what is broken. No
 * CPU may use the caches meanwhile.
 */
const char *page_cache_verify(const struct page_cache *pc);

#endif
