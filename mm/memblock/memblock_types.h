/*
 * What the files of memblock share and nobody else includes: operations on one region list, growth
 * of its array, and the search. Ranges are [base, end) here. Contexts as in mm/memblock/memblock.h.
 * Each file calls only those before it: regions, query and find; grow; the rest.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MEMBLOCK_MEMBLOCK_TYPES_H
#define PERCH_MM_MEMBLOCK_MEMBLOCK_TYPES_H

#include "kernel/base/sort.h"
#include "mm/memblock/memblock.h"

static inline u64 memblock_end(const struct memblock_region *r)
{
    return r->base + r->size;
}

/* End of base + size, saturating: the last byte of the address space is never covered. */
static inline u64 memblock_clamp_end(u64 base, u64 size)
{
    return size > ~0ULL - base ? ~0ULL : base + size;
}

static inline bool memblock_node_matches(s32 wanted, s32 nid)
{
    return wanted == MEMBLOCK_NODE_ANY || wanted == nid;
}

/* Index of the first region that ends above addr; cnt when there is none. */
static inline u32 memblock_first_ending_above(const struct memblock_type *type, u64 addr)
{
    return FIRST_WHERE(i, type->cnt, memblock_end(&type->regions[i]) > addr);
}

/* Index of the first region that begins at or above addr; cnt when there is none. */
static inline u32 memblock_first_from(const struct memblock_type *type, u64 addr)
{
    return FIRST_WHERE(i, type->cnt, type->regions[i].base >= addr);
}

/* What to change in the regions inside a range: flags first cleared, then set. */
struct memblock_change {
    bool set_nid;
    s32 nid;
    u32 clear, set;
};

/*
 * memblock_regions.c: one list, which never grows here. Each call returns 0 when it is done; else
 * the number of free slots it needs, and the list is unchanged.
 */
u32 memblock_type_add(struct memblock_type *type, u64 base, u64 end, s32 nid, u32 flags) MUST_CHECK;
u32 memblock_type_remove(struct memblock_type *type, u64 base, u64 end) MUST_CHECK;
u32 memblock_type_change(struct memblock_type *type, u64 base, u64 end,
                         const struct memblock_change *change) MUST_CHECK;

/* Drops regions [from, to) of the array; the totals follow. */
void memblock_type_drop(struct memblock_type *type, u32 from, u32 to);

/* memblock_query.c: every byte of [base, end) lies in some region. */
bool memblock_type_covers(const struct memblock_type *type, u64 base, u64 end);

/* memblock_find.c: one search. */
struct memblock_criteria {
    u64 size, align; /* align is a power of two */
    u64 lo, hi;      /* the piece lies inside [lo, hi) */
    s32 nid;         /* or MEMBLOCK_NODE_ANY */
    u32 all;         /* flags a region must all have */
    u32 none;        /* flags it must not have */
    u32 some;        /* if not 0: flags of which it must have at least one */
};

bool memblock_find_piece(const struct memblock *mb, const struct memblock_criteria *c,
                         struct memblock_result *result);

/*
 * memblock_grow.c: the three changes of a list, with as many slots as they need. May grow. 0;
 * -ENOMEM with the list unchanged; -EBUSY, with a line, after memblock_close(). Growth uses no
 * memory in [base, end). It adds to and takes from `reserved`: indices into it are void afterwards.
 * On -ENOMEM for `memory`, `reserved` may have doubled for its own part.
 */
int memblock_range_add(struct memblock *mb, struct memblock_type *type, u64 base, u64 end, s32 nid,
                       u32 flags);
int memblock_range_remove(struct memblock *mb, struct memblock_type *type, u64 base, u64 end);
int memblock_range_change(struct memblock *mb, struct memblock_type *type, u64 base, u64 end,
                          const struct memblock_change *change);

#endif
