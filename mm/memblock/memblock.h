/*
 * Memblock: which physical memory exists (`memory`) and which of it is taken (`reserved`), as two
 * sorted lists of ranges with a node and flags, from the first memory map until the page allocator
 * takes over. It promises every stage of the boot: an allocation never overlaps a reservation,
 * never is page 0, comes from the best node of an ordered list and returns the node that served. A
 * call that fails (-ENOMEM, -EINVAL, -EBUSY) has changed nothing. Behaviour is that of Linux 6.12's
 * memblock, except where marked "unlike Linux". Calls marked "for tests" stay for the named cases
 * of Linux's suite, and for suites that inspect the lists (docs/adr/0018).
 *
 * Invariants (memblock_verify()): regions are sorted, not empty, do not overlap, and two that touch
 * differ in node or flags; total_size is the sum of the sizes; an array that grew lies in reserved
 * memory. Range ends saturate at the last byte of the address space, which is never covered.
 *
 * Reserved regions carry NODE_NONE unless memblock_reserve_node() says otherwise, so neighbours
 * merge whatever their node. How much of a node is reserved is computed from the memory list
 * (memblock_node_reserved()): exact even for what was reserved before the nodes were known.
 *
 * Context of every function: one CPU at a time, the caller serializes; nothing sleeps. Only calls
 * marked "may grow" can take memory for themselves (an array doubles into memory that
 * ops->phys_to_virt reaches). Pure: state by pointer.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MEMBLOCK_MEMBLOCK_H
#define PERCH_MM_MEMBLOCK_MEMBLOCK_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

/* Region flags. */
#define MEMBLOCK_HOTPLUG     0x01u /* can be unplugged (SRAT): handed out last */
#define MEMBLOCK_MIRROR      0x02u /* mirrored, more reliable: handed out first when asked for */
#define MEMBLOCK_NOMAP       0x04u /* exists, but is never mapped nor handed out */
#define MEMBLOCK_SPECIAL     0x08u /* special-purpose (EFI_MEMORY_SP): handed out last */
#define MEMBLOCK_NONVOLATILE 0x20u /* keeps its contents (SRAT, EFI_MEMORY_NV): handed out last */
#define MEMBLOCK_UNACCEPTED  0x40u /* of a confidential guest: always NOMAP too */

/* Memory that an allocation uses only when no other is free. */
#define MEMBLOCK_LAST (MEMBLOCK_HOTPLUG | MEMBLOCK_SPECIAL | MEMBLOCK_NONVOLATILE)

/* As a node argument: any node (NODE_NONE means "memory without a node"). */
#define MEMBLOCK_NODE_ANY (-2)

/* An alignment of 0 means this: one cache line. */
#define MEMBLOCK_DEFAULT_ALIGN 64

/* max_addr and limits: everything. */
#define MEMBLOCK_NO_LIMIT (~0ULL)

struct memblock_region {
    u64 base, size;
    u32 flags;
    s32 nid;
};

struct memblock_type {
    struct memblock_region *regions;
    u32 cnt, max;
    u64 total_size;
    const char *name;
    u64 array_pa, array_size; /* 0, 0: the array is the caller's static one */
    u32 grown;                /* times the array doubled */
    bool pinned;              /* a caller reserved the array's memory too: it is never freed */
};

struct memblock_ops {
    void *ctx;
    /* Pointer to physical memory below current_limit; NULL when it cannot be reached. */
    void *(*phys_to_virt)(void *ctx, u64 pa);
    /* Tests only, may be NULL: true makes this growth fail. */
    bool (*fail_growth)(void *ctx);
};

struct memblock {
    struct memblock_type memory, reserved;
    bool bottom_up;
    bool closed;       /* memblock_close() */
    u64 current_limit; /* no allocation ends above it */
    u64 min_floor;     /* no allocation starts below it: PAGE_SIZE, so that 0 is never handed out */
    const struct memblock_ops *ops;
    u64 kept_bytes; /* ranges that memblock_give_back() could not free */
    u32 kept_count;
};

struct memblock_request {
    u64 size;         /* bytes; not 0 */
    u64 align;        /* power of two, 0 is MEMBLOCK_DEFAULT_ALIGN */
    u64 min_addr;     /* preferred lowest address; less important than the node */
    u64 max_addr;     /* exclusive; 0 is current_limit, which always caps it */
    const s32 *nodes; /* nodes to use, best first */
    u32 nr_nodes;     /* 0: any node */
    bool exact;       /* only the listed nodes; no effect when nr_nodes is 0 */
    u32 flags;        /* MEMBLOCK_MIRROR: mirrored memory first */
};

struct memblock_result {
    u64 base;
    s32 nid; /* node of the memory that served; NODE_NONE when it has none */
};

/* ---- set-up ---------------------------------------------------------------------------------- */

/*
 * Empty lists in the caller's arrays (each >= 4 entries), top-down, no limit. ops may be NULL: then
 * the arrays never grow. Effect: *mb only.
 */
void memblock_init(struct memblock *mb, struct memblock_region *mem_static, u32 mem_max,
                   struct memblock_region *res_static, u32 res_max, const struct memblock_ops *ops);

/* For tests: Linux's cases run both ways. */
void memblock_set_bottom_up(struct memblock *mb, bool enable);

void memblock_set_current_limit(struct memblock *mb, u64 limit);

/* ---- memory that exists (memblock_regions.c) ------------------------------------------------- */

/*
 * Adds [base, base + size) in bytes. Memory that is covered already keeps its node and flags (a
 * warning names it when they differ); the end saturates; size 0 does nothing. May grow; 0, -ENOMEM.
 * memblock_add(), for tests: without node and flags.
 */
int memblock_add(struct memblock *mb, u64 base, u64 size);
int memblock_add_node(struct memblock *mb, u64 base, u64 size, s32 nid, u32 flags);

/* For tests: takes the range out of `memory`; gaps are ignored. May grow (a split); 0, -ENOMEM. */
int memblock_remove(struct memblock *mb, u64 base, u64 size);

/* ---- memory that is taken -------------------------------------------------------------------- */

/* Reserves the range, present in memory or not. As memblock_add. */
int memblock_reserve(struct memblock *mb, u64 base, u64 size);
int memblock_reserve_node(struct memblock *mb, u64 base, u64 size, s32 nid, u32 flags);

/*
 * Frees a range; parts that are not reserved are ignored. May grow (a split); 0; -ENOMEM: no slot
 * for the split; -EBUSY: memblock's own array is in the range (unlike Linux).
 */
int memblock_phys_free(struct memblock *mb, u64 base, u64 size);

/*
 * memblock_phys_free() for undoing and for tails. When it fails, the range stays reserved, with a
 * line, and is added to kept_bytes and kept_count. Returns the error, for information only.
 */
int memblock_give_back(struct memblock *mb, u64 base, u64 size);

/*
 * Makes room in `reserved` for `extra` more inserts or splits, so that they do not grow its array.
 * Each allocation, reservation or free needs at most one; a growth of `memory` uses up to two. May
 * grow; 0 or -ENOMEM.
 */
int memblock_reserve_slots(struct memblock *mb, u32 extra);

/*
 * The page allocator takes over the free memory. Both lists are a record of the boot from here on:
 * a call that would change them fails with -EBUSY and a line, or panics when it returns nothing.
 * Queries, iterators and memblock_find() still work.
 */
void memblock_close(struct memblock *mb);

/* ---- attributes and limits (memblock_attr.c) ------------------------------------------------- */

/* Sets the node of the memory inside the range. May grow; 0 or -ENOMEM. */
int memblock_set_node(struct memblock *mb, u64 base, u64 size, s32 nid);

/* Sets MEMBLOCK_* flags on the memory inside the range. May grow; 0 or -ENOMEM. */
int memblock_mark(struct memblock *mb, u64 base, u64 size, u32 flags);

/* For tests: shrinks each memory region to whole units of align (power of two), perhaps to 0. */
void memblock_trim_memory(struct memblock *mb, u64 align);

/* ---- allocation (memblock_alloc.c) ---------------------------------------------------------- */

/*
 * Finds and reserves size bytes; does not clear them. Order: for each listed node, memory from
 * min_addr up, then below it too; then, unless exact, any node in the same way. MEMBLOCK_LAST
 * memory is used only in a last round over the same order, NOMAP memory never. MEMBLOCK_MIRROR adds
 * a first round over mirrored memory, with a warning when that finds none. Within one step the
 * highest fitting address wins (bottom_up: the lowest). A piece is inside one memory region. May
 * grow; 0, -ENOMEM, -EINVAL (size 0, align not a power of two).
 */
int memblock_alloc(struct memblock *mb, const struct memblock_request *req,
                   struct memblock_result *result);

/* memblock_alloc() without reserving: its first step. */
int memblock_find(const struct memblock *mb, const struct memblock_request *req,
                  struct memblock_result *result);

/* Zeroed memory from any node as a pointer by ops->phys_to_virt; NULL when there is none. */
void *memblock_zalloc(struct memblock *mb, u64 size, u64 align);
/* The same for a whole request; result may be NULL. */
void *memblock_zalloc_req(struct memblock *mb, const struct memblock_request *req,
                          struct memblock_result *result);

/* ---- queries (memblock_query.c); no effect, no allocation ------------------------------------ */

u64 memblock_phys_mem_size(const struct memblock *mb); /* bytes, NOMAP included */
u64 memblock_reserved_size(const struct memblock *mb); /* for tests: bytes, in memory or not */

/* For tests, down to memblock_overlaps_region(). */
bool memblock_is_memory(const struct memblock *mb, u64 pa);
bool memblock_is_map_memory(const struct memblock *mb, u64 pa); /* memory and not NOMAP */
bool memblock_is_reserved(const struct memblock *mb, u64 pa);
/* Every byte is memory, over region borders too (unlike Linux); size 0 means one byte. */
bool memblock_is_region_memory(const struct memblock *mb, u64 base, u64 size);
/* At least one byte is reserved. */
bool memblock_is_region_reserved(const struct memblock *mb, u64 base, u64 size);
bool memblock_overlaps_region(const struct memblock_type *type, u64 base, u64 size);

/* Region that contains pa, or NULL. */
const struct memblock_region *memblock_search(const struct memblock_type *type, u64 pa);

/* Node of the memory at pa; NODE_NONE: no memory, or its node is unknown. */
s32 memblock_addr_nid(const struct memblock *mb, u64 pa);

/* Bytes of a node: memory; reserved memory (for tests); free memory (NOMAP is not free). */
u64 memblock_node_size(const struct memblock *mb, s32 nid);
u64 memblock_node_reserved(const struct memblock *mb, s32 nid);
u64 memblock_node_free(const struct memblock *mb, s32 nid);

/* Bytes of a node's memory that can be mapped and has none of skip_flags, reserved or not. */
u64 memblock_node_without(const struct memblock *mb, s32 nid, u32 skip_flags);

/* End of the highest memory that can be mapped, exclusive; 0: there is none. */
u64 memblock_end_of_mapped(const struct memblock *mb);

/* For tests: 0, or -EINVAL and a line when an invariant is broken. */
int memblock_verify(const struct memblock *mb);

/* ---- iterators (memblock_query.c) ------------------------------------------------------- */

#define for_each_region(r, type)                                                                   \
    for ((r) = (type)->regions; (r) < (type)->regions + (type)->cnt; (r)++)
#define for_each_mem_region(r, mb) for_each_region(r, &(mb)->memory)

struct memblock_free_range {
    u64 start, end; /* half-open */
    s32 nid;
    u32 flags;
};

/* Starts at {0}; neither list may change during the walk. */
struct memblock_cursor {
    u32 mem, res;
    u64 pos;
};

/*
 * Next range of free memory, upwards, on node nid (or MEMBLOCK_NODE_ANY), in regions that have none
 * of skip_flags. A range never crosses a region's border. False at the end.
 */
bool memblock_next_free(const struct memblock *mb, s32 nid, u32 skip_flags,
                        struct memblock_cursor *cursor, struct memblock_free_range *out);

/* f: struct memblock_free_range *; c: struct memblock_cursor *, not to be changed by the body. */
#define for_each_free_range(f, mb, nid, skip_flags, c)                                             \
    for (*(c) = (struct memblock_cursor){0};                                                       \
         memblock_next_free((mb), (nid), (skip_flags), (c), (f));)

#endif
