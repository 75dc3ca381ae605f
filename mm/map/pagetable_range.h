/*
 * Slots: a slot is one aligned 2 MiB piece of address space that belongs to one owner. Its table
 * page stays in place while the slot is open. So its owner sets and clears single pages by one
 * store each, without a walk and without the table's lock, and turns 512 pages into one 2 MiB leaf
 * (promotion) and back (demotion) while other CPUs read and write through these addresses
 * (docs/adr/0008). Only the owner can change an open slot: mm/map/pagetable.h refuses it.
 *
 * Context: pure; any CPU, any interrupt state. open, close, promote and demote: the caller holds
 * the lock of the table, because they use its page source. The others: only the owner, one call at
 * a time on a slot. Readers may run beside all of them: pagetable_lookup and pagetable_walk as in
 * mm/map/pagetable.h, pt_slot_entry even beside a release of its table page.
 * prot: PT_PROT bits. A page's physical address is never 0.
 *
 * The owner flushes: nothing after set (SDM vol 3 4.10.4.3: an entry that was not present is in no
 * TLB); all CPUs after every other call, before the owner relies on its effect.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_PAGETABLE_RANGE_H
#define PERCH_MM_MAP_PAGETABLE_RANGE_H

#include "mm/map/pagetable.h"
#include "mm/map/pagetable_entry.h"

#define PT_SLOT_PAGES 512u
#define PT_SLOT_BYTES SZ_2M

/* Invariants, checked by pt_slot_verify(): *dir leads to table, or is the leaf when promoted. */
struct pt_slot {
    u64 va;
    u64 *dir;     /* the directory entry */
    u64 *table;   /* NULL when promoted: set, replace and clear are not possible then */
    u64 table_pa; /* 0 when promoted */
    s32 node;     /* of the table page */
    bool promoted;
    /*
     * Changes of *dir, counted.
     *  - who writes: the owner of the slot, under its lock: *dir, then the count, then it may
     *    retire the table that was there;
     *  - who reads: pt_slot_entry() on any CPU: the count, *dir, the table's entry, the count;
     *  - which order: each store is released and each load but the last acquired, so they come in
     *    this order. If the table was reused before its entry was read, the second count differs.
     */
    u32 changes;
};

/*
 * Opens the slot at va: makes the tables that are missing, all from node, all or none.
 * -EINVAL: va is not a multiple of 2 MiB. -ERANGE: not canonical, or the last 2 MiB of all.
 * -EEXIST: a part of it is mapped, or it is open already. -ENOMEM.
 */
int pt_slot_open(struct pagetable *pt, u64 va, s32 node, struct pt_slot *s) MUST_CHECK;

/*
 * Closes the slot. No single page may be mapped in it (asserted); a 2 MiB leaf is unmapped. Its
 * table page, and the tables above that become empty, go to flush->tables.
 */
void pt_slot_close(struct pagetable *pt, struct pt_slot *s, struct pt_flush *flush);

/*
 * 512 pages become one 2 MiB leaf. -EINVAL, with nothing changed: they are not the 512 pages of the
 * aligned block at block_pa in order, all with prot, or prot has PT_X (a change of size under
 * instruction fetches is not safe on every CPU). The table page goes to flush->tables; until the
 * flush it still translates to the same memory. Allocates nothing.
 */
int pt_slot_promote(struct pagetable *pt, struct pt_slot *s, u64 block_pa, u32 prot,
                    struct pt_flush *flush) MUST_CHECK;

/*
 * The 2 MiB leaf becomes 512 equivalent pages. table_pa: a page from the table's source, which
 * makes sure that the call succeeds; 0: the call allocates one, and may fail with -ENOMEM. Flush
 * before one of the pages is changed or cleared: size and frame of an address must not change in
 * one step (SDM vol 3 4.10.4.2).
 */
int pt_slot_demote(struct pagetable *pt, struct pt_slot *s, u64 table_pa,
                   struct pt_flush *flush) MUST_CHECK;

/* Maps n pages from index on to consecutive memory at pa. None may be present (asserted). */
void pt_slot_set_run(struct pagetable *pt, struct pt_slot *s, u32 index, u32 n, u64 pa, u32 prot);

/* Maps all n to the one page at pa (the zero page). None may be present (asserted). */
void pt_slot_set_same(struct pagetable *pt, struct pt_slot *s, u32 index, u32 n, u64 pa, u32 prot);

/* For tests: checks the invariants against the tables; 0, or -EINVAL with a line. */
int pt_slot_verify(const struct pagetable *pt, const struct pt_slot *s) MUST_CHECK;

/*
 * Maps page index, which is present (asserted), to another page with prot, by one store: a
 * concurrent reader finds the old or the new one. Returns the old page; a CPU may use it until its
 * flush.
 */
static inline u64 pt_slot_replace(struct pagetable *pt, struct pt_slot *s, u32 index, u64 pa,
                                  u32 prot)
{
    u64 *entry = &s->table[index];
    u64 old = pt_load(entry);

    ASSERT(old & PTE_P);
    pt_store(entry, pt_make_leaf(pt, pa, prot, 1));
    return old & PTE_ADDR;
}

/*
 * Unmaps page index. Returns the page, which a CPU may use until its flush; 0: it was not present.
 */
static inline u64 pt_slot_clear(struct pagetable *pt, struct pt_slot *s, u32 index)
{
    u64 *entry = &s->table[index];
    u64 old = pt_load(entry);

    if (!(old & PTE_P))
        return 0;
    pt_store(entry, 0);
    pt_count_leaves(pt, 1, -1);
    return old & PTE_ADDR;
}

/*
 * The physical address of page index, promoted or not; 0: not present. prot may be NULL. Any
 * context, beside every call on this slot but open and close: sees each change as a whole or not at
 * all.
 */
u64 pt_slot_entry(const struct pagetable *pt, const struct pt_slot *s, u32 index, u32 *prot);

#endif
