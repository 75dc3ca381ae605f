/*
 * For the files of memblock only: operations on one region list, growth of its array, and the
 * search. Ranges are [base, end) here. Contexts as in mm/memblock/memblock.h. The order of calls:
 * the rest calls grow, and grow calls regions, query and find.
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

/* Index of the first region that ends above addr; cnt: none does. */
static inline u32 memblock_first_ending_above(const struct memblock_type *type, u64 addr)
{
    return FIRST_WHERE(i, type->cnt, memblock_end(&type->regions[i]) > addr);
}

/* Index of the first region that begins at or above addr; cnt: none does. */
static inline u32 memblock_first_from(const struct memblock_type *type, u64 addr)
{
    return FIRST_WHERE(i, type->cnt, type->regions[i].base >= addr);
}

/* A change of the regions inside a range: flags are cleared first, then set. */
struct memblock_change {
    bool set_nid;
    s32 nid;
    u32 clear, set;
};

/*
 * memblock_regions.c: one list, whose array never grows here. Each call returns 0 when it is done;
 * else the number of free slots that it needs, and the list is unchanged.
 */
u32 memblock_type_add(struct memblock_type *type, u64 base, u64 end, s32 nid, u32 flags) MUST_CHECK;
u32 memblock_type_remove(struct memblock_type *type, u64 base, u64 end) MUST_CHECK;
u32 memblock_type_change(struct memblock_type *type, u64 base, u64 end,
                         const struct memblock_change *change) MUST_CHECK;

/* Drops regions [from, to) of the array; the totals follow. */
void memblock_type_drop(struct memblock_type *type, u32 from, u32 to);

/* memblock_query.c: every byte of [base, end) is in some region. */
bool memblock_type_covers(const struct memblock_type *type, u64 base, u64 end);

/* memblock_find.c: one search. */
struct memblock_criteria {
    u64 size, align; /* align is a power of two */
    u64 lo, hi;      /* the piece is inside [lo, hi) */
    s32 nid;         /* or MEMBLOCK_NODE_ANY */
    u32 all;         /* flags a region must all have */
    u32 none;        /* flags it must not have */
    u32 some;        /* if not 0: it must have at least one of these flags */
};

bool memblock_find_piece(const struct memblock *mb, const struct memblock_criteria *c,
                         struct memblock_result *result);

/*
 * memblock_grow.c: the three changes of a list, growing its array for the slots that they need. 0;
 * -ENOMEM with the list unchanged; -EBUSY, with a line, after memblock_close(). Growth uses no
 * memory in [base, end). It changes `reserved`, so indices into that list are invalid afterwards.
 * On -ENOMEM for `memory` the array of `reserved` may have grown.
 */
int memblock_range_add(struct memblock *mb, struct memblock_type *type, u64 base, u64 end, s32 nid,
                       u32 flags);
int memblock_range_remove(struct memblock *mb, struct memblock_type *type, u64 base, u64 end);
int memblock_range_change(struct memblock *mb, struct memblock_type *type, u64 base, u64 end,
                          const struct memblock_change *change);

#endif
