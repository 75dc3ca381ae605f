/*
 * The memory behind one dynamic chunk: the page of each block in each unit, and its node. Promises
 * the allocator: a populated block has cleared pages in every unit of a CPU that has been online
 * once. They are on the CPU's node, else on the nearest node with memory, which is counted. The
 * other units map the block to one read-only zero page. An unpopulated block faults in every unit.
 *
 * The chunk's part of a group is cut into aligned *ranges* of 2 MiB. When the first page of a range
 * is populated and its node has a free 2 MiB block, the range gets the block as a *reservation*;
 * its pages are then populated at their final place. When all 512 pages of such a range are
 * populated and all its units are backed, it is *ready*: pcpu_backing_promote() makes it one 2 MiB
 * leaf in place (docs/adr/0008), and pcpu_backing_return() demotes it before it unmaps a page.
 * Without a free block the range gets single 4 KiB pages. (Reservation-based superpages: Navarro,
 * Iyer, Druschel, Cox, OSDI 2002.) A range with an unused unit, or one that the group does not
 * fill, never has 512 pages, because unused units are never populated. A range with units of
 * several nodes (atoms below 2 MiB) gets single pages, each from its unit's node.
 *
 * Life of a page: buddy or reservation -> cleared through the direct map -> mapped -> (objects) ->
 * unmapped -> flushed on all CPUs -> back to the buddy or to its reservation. If the flush fails,
 * the pages are quarantined: counted, logged and never used again.
 *
 * Context: functions that change the chunk take its map mutex (thread context, interrupts on).
 * Functions that flush are marked. The caller decides on the state of blocks (chunk.h); it owns
 * BUSY blocks and passes only those. pcpu_backing_verify() and pcpu_backing_tally() are for tests
 * and for users of the allocator as a library.
 * CPU-local; hardware by ops.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_BACKING_BACKING_H
#define PERCH_PERCPU_BACKING_BACKING_H

#include "kernel/base/errno.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/types.h"
#include "percpu/first/first_chunk_types.h"

#define PCPU_RANGE_SIZE  SZ_2M
#define PCPU_RANGE_PAGES 512u

#define PCPU_GET_NONE 0ULL /* not present */
#define PCPU_GET_ZERO 1ULL /* the zero page */

struct pcpu_flush_range {
    u64 start, end; /* virtual addresses, whole pages */
};

/* The source of pages. Physical addresses, never 0. A block is 2 MiB, aligned. */
struct pcpu_page_ops_dyn {
    void *ctx;
    /* A 2 MiB block of exactly this node; -ENOMEM. May be freed in parts by page_free. */
    int (*block_alloc)(void *ctx, s32 node, u64 *pa);
    void (*block_free)(void *ctx, u64 pa);
    /* Up to n pages from node, else from the next nodes by distance. Returns how many. */
    u32 (*pages_alloc)(void *ctx, s32 node, u32 n, u64 *pas);
    void (*pages_free)(void *ctx, u32 n, const u64 *pas);
    s32 (*node_of)(void *ctx, u64 pa);
    void *(*map)(void *ctx, u64 pa); /* the direct map */
};

/* Address space and page tables. A slot is 2 MiB, aligned; index: a page in the slot. */
struct pcpu_map_ops {
    void *ctx;
    /* As vspace_alloc_congruent. */
    int (*area_alloc)(void *ctx, const u64 *offsets, const u64 *sizes, u32 n, u64 align, u64 *base);
    void (*area_free)(void *ctx, u64 base, const u64 *offsets, u32 n);
    /* Page tables for the slot at va, from node. close: nothing is mapped; a flush frees them. */
    int (*slot_open)(void *ctx, u64 va, s32 node, void **slot);
    void (*slot_close)(void *ctx, void *slot);
    /* Not present -> present: n pages from index on, contiguous memory at pa. Needs no flush. */
    void (*set)(void *ctx, void *slot, u32 index, u32 n, u64 pa);
    void (*set_zero)(void *ctx, void *slot, u32 index, u32 n); /* the zero page, read-only */
    /* The zero page -> this page. The caller flushes. */
    void (*replace)(void *ctx, void *slot, u32 index, u64 pa);
    /* Present -> not present. Returns the old page (0: the zero page). The caller flushes. */
    u64 (*clear)(void *ctx, void *slot, u32 index);
    /*
     * The page at index (a part of a leaf, too), PCPU_GET_ZERO or PCPU_GET_NONE. Any context, also
     * during a call that changes the slot.
     */
    u64 (*get)(void *ctx, void *slot, u32 index);
    /* 512 contiguous pages from block -> one leaf, and back. The caller flushes. */
    int (*promote)(void *ctx, void *slot, u64 block);
    int (*demote)(void *ctx, void *slot);
    bool can_promote;
    /*
     * Flushes these ranges on every online CPU, then frees retired page tables. Interrupts on.
     * -ETIMEDOUT: some CPU did not answer.
     */
    int (*flush)(void *ctx, const struct pcpu_flush_range *ranges, u32 n);
};

/*
 * Exact counts per node of the unit's CPU. Changed under the map mutexes by relaxed atomic adds;
 * any context may read. requested = obtained + fallen_back. A call that fails counts nothing.
 */
struct pcpu_node_count {
    _Atomic u64 requested;   /* pages populated for units of this node, ever */
    _Atomic u64 obtained;    /* on this node */
    _Atomic u64 fallen_back; /* on another node */
    _Atomic u64 populated;   /* pages in use now, for units of this node */
    _Atomic u64 reserved;    /* unpopulated pages of reservations now */
    _Atomic u64 leaves_2m;   /* promoted ranges now */
    _Atomic u64 promotions, demotions;
    _Atomic u64 quarantined; /* pages lost to failed flushes */
    _Atomic bool warned;     /* the first fall-back was logged */
};

struct pcpu_range; /* percpu/backing/backing_internal.h */
struct pcpu_backing_layout;

/* Shared by all chunks. The caller fills it and calls pcpu_backing_env_init(). */
struct pcpu_backing_env {
    const struct pcpu_first_chunk *fc; /* layout: unit_off, unit_cpu, groups */
    const s32 *cpu_node;               /* [nr_cpus] */
    u32 nr_nodes;
    const struct pcpu_page_ops_dyn *pages;
    const struct pcpu_map_ops *maps;
    struct pcpu_node_count *count; /* [nr_nodes] */
    /*
     * CPUs that new chunks serve: online once, or about to be. Bits are never cleared. For existing
     * chunks, the caller also calls pcpu_backing_cpu_online().
     */
    _Atomic u64 *backed;                                   /* [BITMAP_WORDS(nr_cpus)] */
    void *(*meta_alloc)(void *ctx, s32 node, size_t size); /* NULL: no memory */
    void (*meta_free)(void *ctx, void *p, size_t size);
    void *meta_ctx;
    _Atomic u64 cleared_bytes;          /* by population */
    struct pcpu_backing_layout *layout; /* private: ranges and units of every chunk */
};

struct pcpu_backing {
    struct pcpu_backing_env *env;
    u64 base; /* virtual address of offset 0 */
    struct pcpu_range *ranges;
    u32 nr_ranges;
    _Atomic u32 nr_ready; /* ranges to promote; a hint without the mutex */
    u64 *served;          /* CPUs with real pages in all populated blocks */
    u64 *populated;       /* blocks */
    size_t meta_bytes;    /* of the one piece with these arrays */
    struct spinlock map_mutex;
};

/*
 * Computes the ranges of every chunk from the first chunk's layout. Once, before the first dynamic
 * chunk. -ENOMEM. -EINVAL: a CPU's node is not below nr_nodes, or no unit.
 */
int pcpu_backing_env_init(struct pcpu_backing_env *env) MUST_CHECK;
void pcpu_backing_env_done(struct pcpu_backing_env *env);

/*
 * Address space, slots and bookkeeping for a new chunk without pages. It serves the CPUs whose bit
 * in env->backed is set. -ENOMEM, -ENOSPC: nothing is kept; this may flush, so interrupts are on.
 */
int pcpu_backing_create(struct pcpu_backing_env *env, struct pcpu_backing *b) MUST_CHECK;

/*
 * Frees the chunk; no block is populated (asserted). Flushes: interrupts on. If the flush fails,
 * the address space is never used again, which is logged.
 */
void pcpu_backing_destroy(struct pcpu_backing *b);

/*
 * Backs n BUSY blocks (an ascending list) with cleared pages in all units. All or nothing. -ENOMEM.
 * -EINVAL: not such a list. Flushes only when an earlier flush failed, because a CPU may still have
 * the old translation. -ETIMEDOUT: this flush failed, too.
 */
int pcpu_backing_populate(struct pcpu_backing *b, const u32 *blocks, u32 n) MUST_CHECK;

/*
 * Unmaps n populated blocks (in any order, each once) in all units and flushes on all CPUs, twice
 * if a range must be demoted first. Then it frees the pages, or gives them to their reservations; a
 * reservation without a populated page is freed whole. Interrupts on. *returned: the first blocks
 * of the list that are unpopulated now; n when the result is 0. -ENOMEM: no page table for a
 * demotion; the other blocks stay populated. -ETIMEDOUT: the first flush failed, nothing is
 * unmapped. If the second flush fails, the pages are quarantined and the result is 0.
 */
int pcpu_backing_return(struct pcpu_backing *b, const u32 *blocks, u32 n, u32 *returned) MUST_CHECK;

/* Promotes every ready range with one flush. Interrupts on. Returns how many. */
u32 pcpu_backing_promote(struct pcpu_backing *b);

/* Under pressure: frees the unpopulated pages of the reservations; returns how many. */
u64 pcpu_backing_break_reservations(struct pcpu_backing *b);

/*
 * Before cpu is online for the first time, after its bit in env->backed was set: replaces the zero
 * page by real pages in all populated blocks, and flushes (interrupts on). From now on the chunk
 * serves it; a second call does nothing. -ENOMEM: some blocks still have the zero page. -ETIMEDOUT:
 * some CPU did not answer the flush. After an error the CPU must not come online; another call
 * continues the work.
 */
int pcpu_backing_cpu_online(struct pcpu_backing *b, u32 cpu) MUST_CHECK;

/*
 * Physical address of an offset in a CPU's unit. -ENOENT: not backed (the zero page, too). Any
 * context, without the map mutex: a change at the same time is seen before or after.
 */
int pcpu_backing_lookup(const struct pcpu_backing *b, u32 cpu, u64 off, u64 *pa) MUST_CHECK;

/* NULL, or which invariant is broken: counts, pages against slots, nodes. Map mutex free. */
const char *pcpu_backing_verify(struct pcpu_backing *b);

/*
 * Adds this chunk's current counts to tally[nr_nodes], recounted from its slots. The sum over all
 * chunks must equal env->count. Map mutex free.
 */
struct pcpu_node_tally {
    u64 populated, reserved, leaves_2m;
};
void pcpu_backing_tally(struct pcpu_backing *b, struct pcpu_node_tally *tally);

#endif
