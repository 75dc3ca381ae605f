/*
 * Internals of the page tables: the bits of an entry (SDM vol 3 4.5.4, tables 4-15 to 4-20), and
 * lists of table pages. For mm/map/pagetable*.[ch] only.
 * Levels: 4 = PML4, 3 = PDPT (leaf 1 GiB), 2 = page directory (leaf 2 MiB), 1 = page table (4 KiB).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_PAGETABLE_ENTRY_H
#define PERCH_MM_MAP_PAGETABLE_ENTRY_H

#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "mm/map/pagetable.h"

#define PTE_P   (1ULL << 0)
#define PTE_W   (1ULL << 1)
#define PTE_U   (1ULL << 2)
#define PTE_PWT (1ULL << 3)
#define PTE_PCD (1ULL << 4)
#define PTE_A   (1ULL << 5)
#define PTE_D   (1ULL << 6)
#define PTE_PS  (1ULL << 7) /* levels 3 and 2: a leaf; level 1: PAT, which Perch leaves 0 */
#define PTE_G   (1ULL << 8)
/* Level 2, ignored by the CPU: an open slot of mm/map/pagetable_range.h, its owner's alone. */
#define PTE_SLOT (1ULL << 9)
#define PTE_NX   (1ULL << 63)
#define PTE_ADDR 0x000ffffffffff000ULL

#define PT_ENTRIES 512
#define PT_ROOT    4
#define PT_PA_END  (1ULL << 52)

/* The address space that one entry of a level covers. */
static inline u64 pt_span(int level)
{
    return PAGE_SIZE << (9 * (level - 1));
}

static inline u32 pt_index(u64 va, int level)
{
    return va >> (PAGE_SHIFT + 9 * (level - 1)) & (PT_ENTRIES - 1);
}

/* The end of the part of [va, end) that is in va's span; no sum overflows. */
static inline u64 pt_span_end(u64 va, u64 end, int level)
{
    u64 last = va | (pt_span(level) - 1);

    return last >= end - 1 ? end : last + 1;
}

/* True: [va, next), a part of one span, is all of it. */
static inline bool pt_span_whole(u64 va, u64 next, int level)
{
    return next - va == pt_span(level);
}

static inline bool pt_canonical(u64 va)
{
    return (u64)((s64)(va << 16) >> 16) == va;
}

/*
 * An aligned u64 is read and written whole.
 *  - who writes: the owner of the address, under its lock; hardware sets A and D, which every leaf
 *    here has from the start (tables get A);
 *  - who reads: the page walkers of all CPUs at any time, and walks by software without the lock;
 *  - which order: released and acquired: a table is filled before the entry that points to it. A
 *    walker may use an old entry until a shoot-down; so a table is freed only after one.
 */
static inline u64 pt_load(const u64 *slot)
{
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

static inline void pt_store(u64 *slot, u64 entry)
{
    __atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

static inline bool pt_is_slot(u64 entry, int level)
{
    return level == 2 && (entry & PTE_SLOT);
}

static inline bool pt_is_leaf(u64 entry, int level)
{
    return level == 1 || (level < PT_ROOT && (entry & PTE_PS));
}

/* Clears the low address bits of a large leaf: bit 12 is PAT in foreign tables. */
static inline u64 pt_leaf_pa(u64 entry, int level)
{
    return entry & PTE_ADDR & ~(pt_span(level) - 1);
}

static inline u64 pt_make_leaf(const struct pagetable *pt, u64 pa, u32 prot, int level)
{
    u64 e = pa | PTE_P | PTE_A | PTE_D;

    if (prot & PT_W)
        e |= PTE_W;
    if (!(prot & PT_X) && pt->has_nx)
        e |= PTE_NX;
    if (prot & PT_G)
        e |= PTE_G;
    if (prot & PT_UC)
        e |= PTE_PCD;
    if (!(prot & PT_UC) != !(prot & PT_WC))
        e |= PTE_PWT;
    if (level > 1)
        e |= PTE_PS;
    return e;
}

static inline u64 pt_make_table(u64 pa)
{
    return pa | PTE_P | PTE_W | PTE_A;
}

/* The permissions of one entry alone. */
static inline u32 pt_entry_prot(u64 e, bool has_nx)
{
    return (e & PTE_W ? PT_W : 0) | (has_nx && (e & PTE_NX) ? 0 : PT_X) | (e & PTE_G ? PT_G : 0) |
           (e & PTE_PCD ? PT_UC : 0) | (!(e & PTE_PCD) != !(e & PTE_PWT) ? PT_WC : 0);
}

/* A table of our own: the source can always reach it. */
static inline u64 *pt_table(const struct pagetable *pt, u64 entry)
{
    u64 *table = pt->src->map(pt->src->ctx, entry & PTE_ADDR);

    ASSERT(table);
    return table;
}

/*
 * Counters. Slots change leaves without the table's lock, so every change is atomic; it orders
 * nothing.
 */
static inline void pt_count(u64 *counter, s64 change)
{
    __atomic_fetch_add(counter, (u64)change, __ATOMIC_RELAXED);
}

static inline void pt_count_leaves(struct pagetable *pt, int level, s64 change)
{
    pt_count(&pt->leaves[level - 1], change);
}

/*
 * Lists of table pages. Until the flush, CPUs may still walk a table that was taken out of use
 * (paging-structure caches, SDM vol 3 4.10.3), and after a promotion its entries must still work.
 * So the link to the next page is in bits that the CPU ignores: bits 11:9 of the first 14 entries
 * hold the 40 bits of its page number. 0 ends a list.
 */
void pt_list_push(const struct pagetable *pt, u64 *head, u64 pa);
u64 pt_list_pop(const struct pagetable *pt, u64 *head);

/* Puts need pages on an empty list. -ENOMEM: none. */
int pt_reserve(const struct pagetable *pt, s32 node, u64 need, u64 *head);

/* A cleared page from the list that pt_reserve() filled; counted in pt->tables. */
u64 pt_take_table(struct pagetable *pt, u64 *head);

/* Frees every page of the list. */
void pt_free_list(const struct pagetable *pt, u64 *head);

/* Adds [start, end) to the flush. */
void pt_flush_add(struct pt_flush *flush, u64 start, u64 end);

/* Takes an empty table out of use: to flush->tables. va: an address that it translated. */
void pt_retire_table(struct pagetable *pt, u64 table_pa, u64 va, struct pt_flush *flush);

bool pt_table_empty(const u64 *table);

/* 0, or -EINVAL, -ERANGE as in pagetable_map(). */
int pt_check_range(u64 va, u64 size);

#endif
