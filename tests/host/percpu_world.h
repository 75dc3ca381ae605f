/*
 * A machine for hosted tests of dynamic per-CPU memory: nodes with physical memory (one file), a
 * page allocator per node, a first chunk laid out by the kernel's own code, a window of address
 * space in which units are real memory (what is not mapped faults, what is mapped twice aliases),
 * and a struct pcpu_backing_env over all of it, ready for pcpu_backing_create().
 *
 * The world watches: a page that is given back while mapped, or before its addresses were flushed,
 * a page mapped twice or over another one, a change of size followed by a clear without a flush
 * between: each is a failure of the running case, and counted in `violations`. Any fallible call
 * can be made to fail at its k-th time.
 *
 *     struct world w;
 *     world_init(&w, &(struct world_shape){.nr_nodes = 2, .nr_cpus = 8});
 *     ... pcpu_backing_create(&w.env, &b) ...
 *     world_done(&w);                            fails the case when something was not given back
 *
 * Context: the ops may be called by any thread; init, done and the knobs by one at a time.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_HOST_PERCPU_WORLD_H
#define PERCH_TESTS_HOST_PERCPU_WORLD_H

#include "kernel/base/bitmap.h"
#include "kernel/base/spinlock.h"
#include "mm/map/vspace.h"
#include "percpu/backing/backing.h"

#define WORLD_MAX_NODES 16
#define WORLD_MAX_CPUS  1152
#define WORLD_AREAS     4096
#define WORLD_PHYS      SZ_1G /* physical address of the first page of node 0 */

/* What a machine is like; zero means the default in brackets. */
struct world_shape {
    u32 nr_nodes, nr_cpus;
    const u32 *cpu_node;  /* [nr_cpus] (CPUs in order, as many per node) */
    u64 node_bytes;       /* memory of each node, whole 2 MiB (64 MiB) */
    const u8 *distance;   /* [nr_nodes * nr_nodes] for the fall-back order (by number) */
    size_t static_size;   /* of the first chunk (16 KiB); decides the unit size with atom */
    size_t reserved_size; /* (0) */
    s64 dyn_size;         /* (28 KiB) */
    size_t atom;          /* (2 MiB) */
    bool one_group;       /* all CPUs in one group, as in a page-mapped first chunk */
    u64 group_stride;     /* distance of neighbouring groups (64 MiB); at least a group */
    u64 window_bytes;     /* (16 GiB) */
    u64 absent[BITMAP_WORDS(WORLD_MAX_CPUS)]; /* CPUs that have never been online */
    bool no_promotion;
    bool unmapped; /* cheap: entries are only numbers, units cannot be touched */
};

/* Kinds of calls that can fail, for world_fail(). */
#define WORLD_PAGE    (1u << 0) /* each page counts */
#define WORLD_BLOCK   (1u << 1)
#define WORLD_SLOT    (1u << 2)
#define WORLD_META    (1u << 3)
#define WORLD_AREA    (1u << 4)
#define WORLD_DEMOTE  (1u << 5)
#define WORLD_PROMOTE (1u << 6)
#define WORLD_FLUSH   (1u << 7) /* -ETIMEDOUT */
#define WORLD_KINDS   8u
#define WORLD_MEMORY                                                                               \
    (WORLD_PAGE | WORLD_BLOCK | WORLD_SLOT | WORLD_META | WORLD_AREA | WORLD_DEMOTE)

enum world_page_state { WORLD_FREE, WORLD_TAKEN, WORLD_HIDDEN };

struct world_page {
    u8 state;
    u8 mapped;  /* entries that lead to it: 0 or 1 */
    bool stale; /* unmapped, but a CPU may still use it */
};

struct world_slot {
    u64 va;
    _Atomic u64 entry[PCPU_RANGE_PAGES]; /* what get() says */
    u64 old[PCPU_RANGE_PAGES];           /* cleared or replaced, not flushed yet; 0: none */
    bool leaf, resized;                  /* resized: promoted or demoted, not flushed since */
    bool closed, flushed;
    struct world_slot *next;
};

struct world {
    struct world_shape shape;
    u32 cpu_node[WORLD_MAX_CPUS];
    s32 cpu_node_env[WORLD_MAX_CPUS];
    s32 order[WORLD_MAX_NODES][WORLD_MAX_NODES]; /* nearest first */
    struct spinlock lock;

    int memory_file;
    u8 *memory;
    u32 node_pages; /* of each node */
    struct world_page *pages;
    u16 *block_free; /* per 2 MiB: free pages */

    u8 *window;
    struct vspace vspace;
    struct varea areas[WORLD_AREAS];
    struct world_slot *slots;

    u8 *first_memory; /* the room the first chunk lies in */
    u64 first_bytes;
    struct pcpu_env boot;
    struct pcpu_first_chunk fc;

    struct pcpu_page_ops_dyn page_ops;
    struct pcpu_map_ops map_ops;
    struct pcpu_backing_env env; /* pcpu_backing_env_init() was called */
    struct pcpu_node_count count[WORLD_MAX_NODES];
    _Atomic u64 backed[BITMAP_WORDS(WORLD_MAX_CPUS)];

    u32 fail_kinds;
    u64 fail_at, fail_calls; /* calls of fail_kinds so far; this one fails (0: none) */
    bool keep_failing;

    u64 calls[WORLD_KINDS]; /* by bit number of the kind, failed ones too */
    u64 flushed_ranges;
    u64 meta_live; /* bytes */
    u32 violations;
    /*
     * Called by each flush before anything else: a grace period. May be NULL. Result: the flush's.
     */
    int (*before_flush)(void *ctx);
    void *before_flush_ctx;
};

void world_init(struct world *w, const struct world_shape *shape);
void world_done(struct world *w);

/* The k-th call (1: the next) of these kinds fails, and if keep all after it; k 0: none. */
void world_fail(struct world *w, u32 kinds, u64 k, bool keep);

/* Takes all but n free pages (whole blocks kept first) of a node out of sight; puts all back. */
void world_exhaust(struct world *w, u32 node, u32 leave);
void world_refill(struct world *w, u32 node);
/* Takes one page out of every free 2 MiB block of a node, so that there is none. */
void world_fragment(struct world *w, u32 node);

u32 world_free_pages(const struct world *w, u32 node);
u32 world_free_blocks(const struct world *w, u32 node);

/* Sets the CPU's bit; the chunks that exist are the caller's to tell. */
void world_set_backed(struct world *w, u32 cpu);

/* What an address of the window leads to now: PCPU_GET_NONE, PCPU_GET_ZERO or a page. */
u64 world_entry(struct world *w, u64 va);

/* NULL, or a node whose counts are not the sum over these chunks. */
const char *world_check_counts(struct world *w, struct pcpu_backing **chunks, u32 n);

/* Would a read fault; would a write? By the kernel (a system call that fails), not by a signal. */
bool world_readable(const void *p);
bool world_writable(void *p);

/* ---- between the world's own files ----------------------------------------------------------- */

bool world_fails(struct world *w, u32 kind); /* counts the call; lock held */
void world_violation(struct world *w, const char *text, u64 address);
void world_make_memory(struct world *w);
void world_drop_memory(struct world *w);
void world_make_window(struct world *w);
void world_drop_window(struct world *w);

static inline bool world_has_page(const struct world *w, u64 pa)
{
    return is_aligned(pa, PAGE_SIZE) && pa >= WORLD_PHYS &&
           pa < WORLD_PHYS + (u64)w->shape.nr_nodes * w->node_pages * PAGE_SIZE;
}

static inline struct world_page *world_page(const struct world *w, u64 pa)
{
    return &w->pages[(pa - WORLD_PHYS) / PAGE_SIZE];
}

#endif
