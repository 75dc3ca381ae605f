/*
 * The page allocator: free physical memory of every node in blocks of 4 KiB << order, orders 0 to
 * 18. It promises its users: a block is aligned to its size, is on one node, and comes from the
 * node asked for or else from the nearest node that has one; the node that served is returned and
 * counted. Memory has two tiers: memory to be used last (hot-pluggable, special-purpose) serves
 * only when no node (of an exact request: this node) has free plain memory.
 *
 * Structure. Memory is seen as sections of 1 GiB, each of 512 pageblocks of 2 MiB. Orders 9 to 18
 * are a classic buddy system over pageblocks. A pageblock that is not wholly free has one bit per
 * page. Orders 0 to 8 are aligned runs of set bits, so merging inside a pageblock is implicit, and
 * a pageblock whose pages are all free becomes an order-9 block at once. Small orders come from the
 * pageblock with the fewest free pages, lowest address first, which keeps order-9 blocks whole.
 * Free memory is never written, except the records of a section (64 KiB, at its own end), made when
 * the section is first split. An unsplit section costs only its entry in a table. Once split, it
 * never becomes an order-18 block again, because its records take the last 64 KiB.
 *
 * Any part of an allocated block may be freed on its own, down to single pages, and merges again;
 * only an order-18 block must be freed whole. A declared page that was never handed over (memory
 * reserved during the boot) counts as allocated, and may be freed in the same way. A free of free
 * memory, of no memory, or of an unaligned address is refused with a line and counted.
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
#define BUDDY_EXACT_NODE 1u /* fails rather than use another node */

struct buddy_node;
struct buddy_section;
struct buddy_range;

struct buddy_config {
    u32 nr_nodes;   /* 1 to MAX_NODES */
    u32 max_ranges; /* limit of calls of buddy_declare() */
    u64 max_pa;     /* end of memory, exclusive */
    /* All nr_nodes nodes into out, nearest to node first, node itself in front. */
    void (*node_order)(void *ctx, s32 node, s32 *out);
    /* A pointer to handed-over memory, valid for the page of pa and the 15 pages behind it. */
    void *(*map)(void *ctx, u64 pa);
    /* For buddy_init(): cleared memory for the tables, cache-line aligned, best on that node
       (NODE_NONE: any); NULL: there is none. */
    void *(*meta)(void *ctx, s32 node, size_t size);
    /* For tests, may be NULL: true makes this allocation fail as if there were no memory. */
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
    u64 free_last;   /* free pages of memory to be used last */
    u64 local;       /* requests for this node that it served; each page of a bulk call counts */
    u64 foreign;     /* requests for other nodes, or for any, that it served */
    u64 fallen_back; /* requests for this node that another served */
    u64 failed;      /* requests for this node that failed */
    u64 blocks[BUDDY_ORDERS]; /* free blocks by order */
};

/* ---- set-up (buddy_setup.c) ------------------------------------------------------------------ */

/* No memory yet. 0; -EINVAL: nr_nodes or max_pa out of range; -ENOMEM: meta had none. */
int buddy_init(struct buddy *b, const struct buddy_config *cfg) MUST_CHECK;

/*
 * Declares [start, end) in bytes, whole pages, as memory of that node; in rising order, before the
 * first buddy_add(). last: to be used last. All pages count as allocated. -EINVAL: not whole pages,
 * not in order, beyond max_pa, no such node; -ENOSPC: more than max_ranges.
 */
int buddy_declare(struct buddy *b, s32 node, u64 start, u64 end, bool last) MUST_CHECK;

/*
 * Hands over [start, end), free memory inside one declared range. O(1) for a whole section, O(512)
 * for a part of one. -EINVAL: not declared, not whole pages. -ENOMEM: there was no memory for the
 * records of a section, and its part is lost (lost_pages); adding large ranges first avoids that.
 */
int buddy_add(struct buddy *b, u64 start, u64 end) MUST_CHECK;

/*
 * After the last buddy_add(): makes the records of sections without handed-over memory, so that
 * memory which the boot holds can be freed there too. -ENOMEM: some have no records, and a free of
 * their memory is refused.
 */
int buddy_seal(struct buddy *b) MUST_CHECK;

/* ---- use (buddy.c) --------------------------------------------------------------------------- */

/*
 * A block of 4096 << order bytes, not cleared, for node (NODE_NONE: anywhere). *pa: its address;
 * *got (may be NULL): its node. -ENOMEM; -EINVAL: order or node out of range.
 */
int buddy_alloc(struct buddy *b, s32 node, u32 order, u32 flags, u64 *pa, s32 *got) MUST_CHECK;

/*
 * Up to n single pages into pas, with one lock hold per node that serves. Returns the number of
 * pages; buddy_node_of() has the node of a page.
 */
u32 buddy_alloc_bulk(struct buddy *b, s32 node, u32 n, u32 flags, u64 *pas) MUST_CHECK;

/* Frees a block, or a part of one. */
void buddy_free(struct buddy *b, u64 pa, u32 order);

/* The same for n single pages; neighbours of one node in pas share a lock hold. */
void buddy_free_bulk(struct buddy *b, const u64 *pas, u32 n);

/* Node of declared memory; NODE_NONE: not declared. O(1); O(log ranges) at a border of ranges. */
s32 buddy_node_of(const struct buddy *b, u64 pa);

/* All nodes, nearest to node first; nr_nodes entries. */
const u16 *buddy_node_order(const struct buddy *b, s32 node);

/*
 * For tests, which compare it before and after: free pages of a node, both tiers; NODE_NONE: of all
 * nodes. Takes no lock, so the sum may be out of date.
 */
u64 buddy_free_pages(const struct buddy *b, s32 node);

/* ---- inspection (buddy_verify.c) ------------------------------------------------------------- */

/* O(pageblocks not wholly free), under the node's locks. */
void buddy_stats(struct buddy *b, s32 node, struct buddy_stats *out);

/*
 * For tests: checks every invariant; 0, or -EINVAL with a line. Holds all locks while it runs.
 * O(nodes * (sections + pageblocks of split sections)).
 */
int buddy_verify(struct buddy *b) MUST_CHECK;

#endif
