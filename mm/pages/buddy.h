/*
 * The page allocator: free physical memory of every node in blocks of 4 KiB << order, orders 0 to
 * 18. It promises whoever holds a `struct buddy`: a block is aligned to its size, lies on one node,
 * comes from the node asked for or else, in the order of distance, from the nearest that has one,
 * and what served is said and counted. Two tiers: memory that should be used last (hot-pluggable,
 * special-purpose) serves only when no node has plain memory left, or none of the exact node has.
 *
 * Structure. Memory is seen as sections of 1 GiB, each of 512 pageblocks of 2 MiB. Orders 9 to 18
 * are a classic buddy system over pageblocks. A pageblock that is not wholly free has one bit per
 * page; orders 0 to 8 are aligned runs of set bits, so that merging inside it is implicit, and a
 * pageblock whose last page comes back rises to order 9 at once. Small orders are served from the
 * fullest pageblock, lowest address first, so that order-9 blocks survive. Free memory is never
 * touched, but for the records of a section (64 KiB, at its own end), made when the section is
 * first split. A section that is handed over whole costs only its entry in a table. Once split, it
 * never becomes an order-18 block again: its records take the last 64 KiB.
 *
 * Any part of an allocated block may be given back on its own, down to single pages, and merges
 * again; only an order-18 block goes back whole. A page that was never handed over but is declared
 * (memory reserved during the boot) counts as allocated, and may be given back likewise. A free of
 * what is free already, is not memory, or is not aligned is refused with a line and counted.
 *
 * Invariants: buddy_verify() (mm/pages/buddy_types.h has them beside the data).
 *
 * Context: buddy_init, _declare, _add, _seal: one CPU, before the first use. Everything else: any
 * CPU, any context but NMI; takes one zone's lock at a time, interrupts off; never sleeps. It is
 * the innermost lock. CPU-local: state by pointer.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_PAGES_BUDDY_H
#define PERCH_MM_PAGES_BUDDY_H

#include <stdatomic.h>
#include "kernel/base/errno.h"
#include "kernel/base/types.h"

#define BUDDY_BLOCK_ORDER 9  /* 2 MiB: a pageblock, and what a large leaf maps */
#define BUDDY_MAX_ORDER   18 /* 1 GiB: a section */
#define BUDDY_ORDERS      (BUDDY_MAX_ORDER + 1)

/* Flags of buddy_alloc and buddy_alloc_bulk. */
#define BUDDY_EXACT_NODE 1u /* no other node serves */

struct buddy_node;
struct buddy_section;
struct buddy_range;

struct buddy_config {
    u32 nr_nodes;   /* 1 to MAX_NODES */
    u32 max_ranges; /* calls of buddy_declare() to come, at most */
    u64 max_pa;     /* end of memory, exclusive */
    /* All nr_nodes nodes into out, nearest to node first, node itself in front. */
    void (*node_order)(void *ctx, s32 node, s32 *out);
    /* A pointer to handed-over memory, good for the page that pa is in and the 15 behind it. */
    void *(*map)(void *ctx, u64 pa);
    /* Cleared memory for the tables, best on that node (NODE_NONE: any); NULL when there is none.
       Only buddy_init() calls it. Cache-line aligned. */
    void *(*meta)(void *ctx, s32 node, size_t size);
    /* Tests only, may be NULL: true makes this allocation fail as if there were no memory. */
    bool (*fail)(void *ctx);
    void *ctx;
};

struct buddy {
    struct buddy_config cfg;
    u32 nr_sections, nr_ranges;
    struct buddy_node **nodes;
    struct buddy_section *sections; /* by pa >> 30 */
    struct buddy_range *ranges;     /* declared memory, sorted */
    u64 lost_pages;                 /* handed over, but there was no memory for their records */
    _Atomic u64 bad_frees;          /* refused */
};

/* Of one node, both tiers together unless said otherwise. */
struct buddy_stats {
    u64 declared;    /* pages that exist */
    u64 handed_over; /* pages of buddy_add(), records included */
    u64 records;     /* pages that hold records of sections */
    u64 free;        /* pages */
    u64 free_last;   /* of these, in memory to be used last */
    u64 local;       /* requests for this node that it served; of a bulk each page counts */
    u64 foreign;     /* requests for other nodes, or for any, that it served */
    u64 fallen_back; /* requests for this node that another served */
    u64 failed;      /* requests for this node that nobody served */
    u64 blocks[BUDDY_ORDERS]; /* free blocks by order */
};

/* ---- set-up (buddy_setup.c) ------------------------------------------------------------------ */

/* Empty, no memory yet. -EINVAL: nr_nodes or max_pa out of range; -ENOMEM: meta had none. */
int buddy_init(struct buddy *b, const struct buddy_config *cfg) MUST_CHECK;

/*
 * [start, end) in bytes, whole pages, is memory of that node; in rising order, before the first
 * buddy_add(). last: to be used last. All of it counts as allocated. -EINVAL: not whole pages, not
 * in order, beyond max_pa, no such node; -ENOSPC: more than max_ranges.
 */
int buddy_declare(struct buddy *b, s32 node, u64 start, u64 end, bool last) MUST_CHECK;

/*
 * Hands over [start, end), free memory inside one declared range. O(1) for a whole section, O(512)
 * for a part of one. -EINVAL: not declared, not whole pages. -ENOMEM: some part found no memory for
 * the records of its section, and is lost (lost_pages); may be avoided by adding large ranges
 * first.
 */
int buddy_add(struct buddy *b, u64 start, u64 end) MUST_CHECK;

/*
 * After the last buddy_add(): sections of which nothing was handed over get their records, so that
 * what the boot holds of them can be given back too. -ENOMEM: those without records stay as they
 * are, and refuse it.
 */
int buddy_seal(struct buddy *b) MUST_CHECK;

/* ---- use (buddy.c) --------------------------------------------------------------------------- */

/*
 * A block of 4096 << order bytes, not cleared, for node (NODE_NONE: anywhere). *pa: its address;
 * *got (may be NULL): the node it is on. -ENOMEM; -EINVAL: order or node out of range.
 */
int buddy_alloc(struct buddy *b, s32 node, u32 order, u32 flags, u64 *pa, s32 *got) MUST_CHECK;

/*
 * Up to n single pages into pas, with one lock hold per node that serves. Returns how many;
 * buddy_node_of() tells a page's node.
 */
u32 buddy_alloc_bulk(struct buddy *b, s32 node, u32 n, u32 flags, u64 *pas) MUST_CHECK;

/* Gives a block back, or a part of one. */
void buddy_free(struct buddy *b, u64 pa, u32 order);

/* The same for n single pages; neighbours of one node in pas share a lock hold. */
void buddy_free_bulk(struct buddy *b, const u64 *pas, u32 n);

/* Node of declared memory; NODE_NONE when pa is none. O(1); O(log ranges) at a range's border. */
s32 buddy_node_of(const struct buddy *b, u64 pa);

/* All nodes, nearest to node first: nr_nodes entries. */
const u16 *buddy_node_order(const struct buddy *b, s32 node);

/*
 * Free pages of a node, both tiers; NODE_NONE: of all. No lock, so the sum may be outdated at once.
 * For tests: they compare it before and after.
 */
u64 buddy_free_pages(const struct buddy *b, s32 node);

/* ---- looking (buddy_verify.c) ---------------------------------------------------------------- */

/* O(pageblocks not wholly free), under the node's locks. */
void buddy_stats(struct buddy *b, s32 node, struct buddy_stats *out);

/*
 * Checks every invariant; 0, or -EINVAL with a line. All others wait meanwhile.
 * O(nodes * (sections + pageblocks of split sections)).
 */
int buddy_verify(struct buddy *b) MUST_CHECK;

#endif
