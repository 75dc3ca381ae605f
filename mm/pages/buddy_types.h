/*
 * The types that the files of the page allocator share, and the calls between those files. For
 * mm/pages/buddy*.c only.
 *
 * A pageblock record is in one of four states:
 *  - PB_HOLE: no declared memory here.
 *  - PB_SMALL: pages by bits, set = free. nfree = number of set bits, 0..511; words has bit i set
 *    when free[i] is not 0. In the bucket list (nfree - 1) / 64 of its zone; in no list when nfree
 *    is 0, as in every pageblock of an allocated block of order 9 and up.
 *  - PB_FREE: head of a free block of `order` 9..18; free[] is 0. In its zone's list of that order;
 *    for order 18 the section is in the zone's list of whole sections.
 *  - PB_BODY: a later pageblock of such a block; free[] is 0.
 * Two buddies of one zone and one order below 18 are never both free. `owned` is the number of
 * declared pages of the record's zone; PB_FREE and PB_BODY need owned == 512. Where two zones share
 * a pageblock, each has a record, chained by `other`. `fits` is an upper bound of the largest order
 * that the bits contain.
 * A section without records is free as one block (SEC_FREE), allocated as one (SEC_USED), or was
 * never handed over (SEC_RAW). In the first two states all of it is one zone's.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_PAGES_BUDDY_TYPES_H
#define PERCH_MM_PAGES_BUDDY_TYPES_H

#include "kernel/base/spinlock.h"
#include "mm/pages/buddy.h"

#define PB_SHIFT      (PAGE_SHIFT + BUDDY_BLOCK_ORDER)
#define PB_PAGES      512u
#define PB_WORDS      8u
#define SECTION_SHIFT (PAGE_SHIFT + BUDDY_MAX_ORDER)
#define SECTION_SIZE  (1ULL << SECTION_SHIFT)
#define SECTION_PBS   512u
#define BIG_ORDERS    (BUDDY_MAX_ORDER - BUDDY_BLOCK_ORDER + 1)
#define NO_BUCKET     0xffu
#define NO_SECTION    (~0u)
#define NO_PA         (~0ULL)

enum pb_state { PB_HOLE, PB_SMALL, PB_FREE, PB_BODY };

/* Two cache lines: the fields of every operation, and the bits. */
struct pageblock {
    struct pageblock *next, *prev;
    struct pageblock *other; /* record of another zone for the same pageblock */
    struct buddy_zone *zone;
    u32 index; /* pa >> PB_SHIFT */
    u16 nfree, owned;
    u8 words, state, order, bucket, fits;
    u64 free[PB_WORDS] ALIGNED(64);
} ALIGNED(64);
static_assert(sizeof(struct pageblock) == 128, "two cache lines");

enum section_state { SEC_RAW, SEC_FREE, SEC_USED };

/*
 * The records of a section appear while other CPUs look pages up:
 *  - who writes: the CPU that opens the section, under its zone's lock: the records, then `pbs`,
 *    which does not change again;
 *  - who reads: any CPU: zones that share the section have locks of their own, and a wrong free
 *    looks up any address;
 *  - which order: released and acquired, so whoever sees `pbs` sees filled records. What changes in
 *    a record later is under the lock of the record's zone.
 */
struct buddy_section {
    struct pageblock *pbs;   /* records of pageblocks [lo, hi); NULL: none */
    struct buddy_zone *zone; /* of the whole section; NULL: several zones */
    u32 pages;               /* declared */
    u16 lo, hi;              /* the pageblocks with declared memory */
    u32 next, prev;          /* in the zone's list of whole sections */
    u32 state;               /* while there are no records */
};

/* free_pages may be read without the lock; the rest needs it. */
struct buddy_zone {
    struct spinlock lock;
    u32 buckets_used; /* bit i: bucket[i] is not empty */
    u32 orders_used;  /* bit i: a block of order 9 + i is free */
    s32 node;
    bool last;
    u64 free_pages, local, foreign;
    struct pageblock *bucket[PB_WORDS];
    struct pageblock *block[BIG_ORDERS - 1];
    u32 section; /* first of the free whole sections, NO_SECTION: none */
    u64 count[BIG_ORDERS];
    u64 declared, handed_over, records; /* pages */
} ALIGNED(64);

struct buddy_node {
    struct buddy_zone zone[2]; /* plain, last */
    _Atomic u64 fallen_back, failed;
    u16 *order;
};

struct buddy_range {
    u64 start, end;
    struct buddy_zone *zone;
};

static inline void zone_count_pages(struct buddy_zone *z, u64 delta)
{
    __atomic_store_n(&z->free_pages, z->free_pages + delta, __ATOMIC_RELAXED);
}

static inline u64 zone_free_pages(const struct buddy_zone *z)
{
    return __atomic_load_n(&z->free_pages, __ATOMIC_RELAXED);
}

static inline struct buddy_section *section_of(const struct buddy *b, u32 pb_index)
{
    return &b->sections[pb_index / SECTION_PBS];
}

static inline struct pageblock *section_records(const struct buddy_section *sec)
{
    return __atomic_load_n(&sec->pbs, __ATOMIC_ACQUIRE);
}

/* First record of a pageblock; NULL: it has none. The section must exist. */
static inline struct pageblock *record_at(const struct buddy *b, u32 pb_index)
{
    const struct buddy_section *sec = section_of(b, pb_index);
    struct pageblock *pbs = section_records(sec);
    u32 i = pb_index % SECTION_PBS;

    return pbs && i >= sec->lo && i < sec->hi ? &pbs[i - sec->lo] : NULL;
}

static inline u64 pb_pa(const struct pageblock *pb)
{
    return (u64)pb->index << PB_SHIFT;
}

static inline void list_push(struct pageblock **head, struct pageblock *pb)
{
    pb->prev = NULL;
    pb->next = *head;
    if (pb->next)
        pb->next->prev = pb;
    *head = pb;
}

static inline void list_remove(struct pageblock **head, struct pageblock *pb)
{
    if (pb->prev)
        pb->prev->next = pb->next;
    else
        *head = pb->next;
    if (pb->next)
        pb->next->prev = pb->prev;
}

/*
 * Functions by file, from the bottom up; a file calls only files above it in this list. The caller
 * holds the zone's lock where a zone is changed.
 */

/* ---- orders 9 to 18 (buddy_block.c) ---------------------------------------------------------- */

/*
 * Takes a block of that order and returns its address; its pageblocks are PB_SMALL without free
 * pages. NO_PA: *closed is NO_SECTION (no memory), or a whole section without records that has left
 * the free list and that the caller opens first.
 */
u64 zone_take_ready_block(struct buddy *b, struct buddy_zone *z, u32 order, u32 *closed);

/* Takes the first free whole section off the list, which is not empty. */
u32 zone_pop_section(struct buddy *b, struct buddy_zone *z);

/* Frees a block. pb is its first pageblock; all are PB_SMALL without free pages. */
void zone_put_block(struct buddy *b, struct buddy_zone *z, struct pageblock *pb, u32 order);

/* A whole section without records becomes a free block. */
void zone_put_section(struct buddy *b, struct buddy_zone *z, u32 section);

/* ---- orders 0 to 8, in pageblocks that have free pages (buddy_page.c) ------------------------ */

/* All pages of an allocated order-9 block become free pages; the caller takes some at once. */
void zone_open_block(struct buddy_zone *z, struct pageblock *pb);

/* Takes up to n pages of one pageblock, lowest first; at least one is free. Returns the number. */
u32 zone_take_some(struct buddy_zone *z, struct pageblock *pb, u32 n, u64 *pas);

/* Searches at most `tries` pageblocks for a free run of that order and its first page; or NULL. */
struct pageblock *zone_search_run(struct buddy_zone *z, u32 order, u64 tries, u32 *first);

/* Takes the pages [first, first + n), all free. */
void zone_take_range(struct buddy_zone *z, struct pageblock *pb, u32 first, u32 n);

/* Frees n pages of pb, from page first on. False, with nothing changed: one is free already. */
bool zone_put_pages(struct buddy *b, struct pageblock *pb, u32 first, u32 n);

/* Moves pb to the right bucket after a change of nfree, which is less than 512. */
void zone_pages_changed(struct buddy_zone *z, struct pageblock *pb);

/* All 512 pages are free: pb becomes an order-9 block. */
void zone_close_block(struct buddy *b, struct pageblock *pb);

/* ---- ranges and records (buddy_section.c) ---------------------------------------------------- */

/* The part of [start, end) that is in the section. */
struct buddy_range section_part(u32 section, u64 start, u64 end);

/* The declared range that contains pa; NULL: none. O(log ranges). */
const struct buddy_range *range_at(const struct buddy *b, u64 pa);

/* First declared range that ends above the section's start. */
const struct buddy_range *section_first_range(const struct buddy *b, u32 section);

/* Pages that the records of a section take. */
u32 section_record_pages(const struct buddy *b, u32 section);

/* Makes the records in pages at pa. All declared pages of the section count as allocated. */
void section_make_records(struct buddy *b, u32 section, u64 pa);

/* Frees pages of z in sections that have records. */
void zone_put_range(struct buddy *b, struct buddy_zone *z, u64 start, u64 end);

/*
 * Splits a free whole section that was taken off its list: makes its records at its end, and frees
 * the rest as blocks of z.
 */
void section_open(struct buddy *b, struct buddy_zone *z, u32 section);

/* ---- taking, with larger blocks and sections broken where needed (buddy_take.c) -------------- */

/* Takes a block of order 9 to 18 and returns its address; NO_PA: no memory. */
u64 zone_take_block(struct buddy *b, struct buddy_zone *z, u32 order);

/* The pageblock with the fewest free pages, at least one; NULL: no memory. */
struct pageblock *zone_find_pages(struct buddy *b, struct buddy_zone *z);

/* Takes up to n pages; returns the number. */
u32 zone_take_pages(struct buddy *b, struct buddy_zone *z, u32 n, u64 *pas);

/* Takes a run of order 1 to 8; NO_PA: no memory. */
u64 zone_take_run(struct buddy *b, struct buddy_zone *z, u32 order);

/* ---- any order (buddy.c) --------------------------------------------------------------------- */

/* Takes a block of any order, and the zone's lock for it; counts it in *count. NO_PA: no memory. */
u64 zone_alloc(struct buddy *b, struct buddy_zone *z, u32 order, u64 *count);

#endif
