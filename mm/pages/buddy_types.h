/*
 * The types that the files of the page allocator share, and the calls between those files. For
 * mm/buddy*.c only.
 *
 * A pageblock record is in one of four states:
 *  - PB_HOLE: no declared memory here.
 *  - PB_SMALL: pages by bits, set = free. nfree = number of set bits, 0..511; words has bit i set
 *    when free[i] is not 0. In the bucket list (nfree - 1) / 64 of its zone; in none when nfree is
 *    0, which is also what every pageblock of an allocated block of order >= 9 looks like.
 *  - PB_FREE: head of a free block of `order` 9..18; free[] is 0. In its zone's list of that order
 *    (18: the section is, in the list of whole sections).
 *  - PB_BODY: a later pageblock of such a block; free[] is 0.
 * Two free buddies of one zone and order below 18 never stand side by side. `owned` is the number
 * of declared pages of the record's zone; only owned == 512 can be PB_FREE or PB_BODY. Where two
 * zones share a pageblock, each has a record, chained by `other`. `fits` is an upper bound of the
 * largest order that can be found in the bits.
 * A section without records is wholly one zone's and either free as one block (SEC_FREE) or
 * allocated as one (SEC_USED), or nothing of it was handed over (SEC_RAW).
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

/* Two cache lines: what every operation needs, and the bits. */
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

struct buddy_section {
    struct pageblock *pbs;   /* of pageblocks [lo, hi) of the section; NULL: no records */
    struct buddy_zone *zone; /* of the whole section; NULL: mixed, or with holes */
    u32 pages;               /* declared */
    u16 lo, hi;              /* declared memory touches these pageblocks only */
    u32 next, prev;          /* in the zone's list of whole sections */
    u32 state;               /* while there are no records */
};

/* free_pages is read without the lock; everything else here under it. */
struct buddy_zone {
    struct spinlock lock;
    u32 buckets_used; /* bit i: bucket[i] is not empty */
    u32 orders_used;  /* bit i: there is a free block of order 9 + i */
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

/* First record of a pageblock; NULL where there are none. The section must exist. */
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
 * Functions of the files, from the bottom up; each file calls only those before it. The zone's lock
 * is held where a zone is changed.
 */

/* ---- orders 9 to 18 (buddy_block.c) ---------------------------------------------------------- */

/*
 * A block of that order: its address, all its pageblocks PB_SMALL without free pages; or NO_PA.
 * *closed is NO_SECTION then, or a whole section without records that has left the free list and is
 * to be opened first.
 */
u64 zone_take_ready_block(struct buddy *b, struct buddy_zone *z, u32 order, u32 *closed);

/* The first free whole section leaves the list, which is not empty. */
u32 zone_pop_section(struct buddy *b, struct buddy_zone *z);

/* pb is the first of an allocated block's pageblocks, all PB_SMALL without free pages. */
void zone_put_block(struct buddy *b, struct buddy_zone *z, struct pageblock *pb, u32 order);

/* A whole section without records becomes a free block. */
void zone_put_section(struct buddy *b, struct buddy_zone *z, u32 section);

/* ---- orders 0 to 8: the pages of pageblocks that are there (buddy_page.c) -------------------- */

/* All pages of an allocated order-9 block become free pages; the caller takes some at once. */
void zone_open_block(struct buddy_zone *z, struct pageblock *pb);

/* Up to n pages of one pageblock, lowest first; at least one is free. Returns how many. */
u32 zone_take_some(struct buddy_zone *z, struct pageblock *pb, u32 n, u64 *pas);

/* A pageblock with a run of that order, among at most `tries`, and its first page; or NULL. */
struct pageblock *zone_search_run(struct buddy_zone *z, u32 order, u64 tries, u32 *first);

/* Takes the pages [first, first + n), all free. */
void zone_take_range(struct buddy_zone *z, struct pageblock *pb, u32 first, u32 n);

/* Makes n pages of pb, from page first on, free. False, and nothing done: one is free already. */
bool zone_put_pages(struct buddy *b, struct pageblock *pb, u32 first, u32 n);

/* After pb->nfree changed to less than 512: into the right bucket. */
void zone_pages_changed(struct buddy_zone *z, struct pageblock *pb);

/* All 512 pages are free: it rises to order 9. */
void zone_close_block(struct buddy *b, struct pageblock *pb);

/* ---- ranges and records (buddy_section.c) ---------------------------------------------------- */

/* What of [start, end) is in the section. */
struct buddy_range section_part(u32 section, u64 start, u64 end);

/* Declared range that holds pa; NULL: none. O(log ranges). */
const struct buddy_range *range_at(const struct buddy *b, u64 pa);

/* First declared range that ends above the section's start. */
const struct buddy_range *section_first_range(const struct buddy *b, u32 section);

/* Pages that the records of a section take. */
u32 section_record_pages(const struct buddy *b, u32 section);

/* Makes the records in those pages at pa. All declared pages of the section count as allocated. */
void section_make_records(struct buddy *b, u32 section, u64 pa);

/* Pages of z in sections with records become free. */
void zone_put_range(struct buddy *b, struct buddy_zone *z, u64 start, u64 end);

/*
 * Splits a free whole section that is in no list any more: makes its records at its own end, and
 * the rest of it free blocks of z.
 */
void section_open(struct buddy *b, struct buddy_zone *z, u32 section);

/* ---- taking, with larger blocks and sections broken where needed (buddy_take.c) -------------- */

/* A block of order 9 to 18: its address, all its pageblocks PB_SMALL; or NO_PA. */
u64 zone_take_block(struct buddy *b, struct buddy_zone *z, u32 order);

/* A pageblock with a free page, the fullest; NULL when there is none. */
struct pageblock *zone_find_pages(struct buddy *b, struct buddy_zone *z);

/* Up to n pages: how many. */
u32 zone_take_pages(struct buddy *b, struct buddy_zone *z, u32 n, u64 *pas);

/* A run of order 1 to 8; NO_PA when there is none. */
u64 zone_take_run(struct buddy *b, struct buddy_zone *z, u32 order);

/* ---- any order (buddy.c) --------------------------------------------------------------------- */

/* Takes and releases the zone's lock itself, and adds 1 to *count under it. NO_PA: none. */
u64 zone_alloc(struct buddy *b, struct buddy_zone *z, u32 order, u64 *count);

#endif
