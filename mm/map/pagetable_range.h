/*
 * Slots: a slot is one aligned 2 MiB piece of address space that belongs to one owner, whose table
 * page stays in place while the slot is open. So its owner sets and clears single pages by one
 * store each, without a walk and without the table's lock, and turns 512 pages into one 2 MiB leaf
 * (promotion) and back (demotion) while other CPUs read and write through these addresses
 * (docs/adr/0008). Nobody else can change an open slot: the other calls of mm/map/pagetable.h
 * refuse it.
 *
 * Context: pure; any CPU, any interrupt state. open, close, promote and demote: the caller holds
 * the lock of the table, because they take pages from its source. The others: only the owner, who
 * lets one caller at a time into a slot. Readers may run beside all of them: pagetable_lookup and
 * pagetable_walk as mm/map/pagetable.h says, pt_slot_entry even beside a release of its table page.
 * prot: PT_PROT bits. A page's physical address is never 0.
 *
 * Flushing is the owner's: nothing after set (SDM vol 3 4.10.4.3: an entry that was not present is
 * in no TLB); all CPUs after everything else, before what it says is relied upon.
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
    u32 changes; /* of *dir: tells a reader that the table it looked into may be gone */
};

/*
 * Opens the slot at va: makes the tables that are missing, all from node, all or none.
 * -EINVAL: va is not a multiple of 2 MiB. -ERANGE: not canonical, or the last 2 MiB of all.
 * -EEXIST: something is mapped in it, or it is open already. -ENOMEM.
 */
int pt_slot_open(struct pagetable *pt, u64 va, s32 node, struct pt_slot *s) MUST_CHECK;

/*
 * Closes it: no single page is mapped in it any more (asserted); a 2 MiB leaf goes with it. Its
 * table page and the tables above that are empty now go to flush->tables.
 */
void pt_slot_close(struct pagetable *pt, struct pt_slot *s, struct pt_flush *flush);

/*
 * 512 pages become one 2 MiB leaf. -EINVAL, and nothing has changed: they are not the 512 pages of
 * the aligned block at block_pa in their order, all with prot, or prot has PT_X (a change of size
 * under instruction fetches is not safe on every CPU). The table page goes to flush->tables, and
 * still leads to the same memory until the flush. Allocates nothing.
 */
int pt_slot_promote(struct pagetable *pt, struct pt_slot *s, u64 block_pa, u32 prot,
                    struct pt_flush *flush) MUST_CHECK;

/*
 * The 2 MiB leaf becomes 512 pages that say the same. table_pa: a table page from the table's
 * source (it goes back there), so that the call cannot fail; 0: one is taken from the source, and
 * -ENOMEM is possible. Flush before a page of them is changed or cleared: for no address may size
 * and frame change in one step (SDM vol 3 4.10.4.2).
 */
int pt_slot_demote(struct pagetable *pt, struct pt_slot *s, u64 table_pa,
                   struct pt_flush *flush) MUST_CHECK;

/* Maps n pages from index on to consecutive memory at pa. All were not present (asserted). */
void pt_slot_set_run(struct pagetable *pt, struct pt_slot *s, u32 index, u32 n, u64 pa, u32 prot);

/* The same, all n to the one page at pa (the zero page). */
void pt_slot_set_same(struct pagetable *pt, struct pt_slot *s, u32 index, u32 n, u64 pa, u32 prot);

/* Checks the invariants against the tables; 0, or -EINVAL with a line that says what is broken. */
int pt_slot_verify(const struct pagetable *pt, const struct pt_slot *s) MUST_CHECK;

/*
 * Gives page index, which is present (asserted), another page and prot, by one store: whoever reads
 * meanwhile finds the one or the other. Returns the old page; a CPU may use it until its flush.
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
 * Unmaps page index. Returns the page, which a CPU may use until its flush; 0: there was none, and
 * nothing has changed.
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
 * Where page index leads, promoted or not; 0: not present. prot may be NULL. Any context, beside
 * every call on this slot but open and close: what one changes is seen before or after.
 */
u64 pt_slot_entry(const struct pagetable *pt, const struct pt_slot *s, u32 index, u32 *prot);

#endif
