/*
 * Slots. The contract is in mm/map/pagetable_range.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/map/pagetable_range.h"

/* The entry for va in the table of that level; NULL: an entry above is missing or a leaf. */
static u64 *find_entry(const struct pagetable *pt, u64 va, int level)
{
    u64 e = pt->root_pa;

    for (int l = PT_ROOT;; l--) {
        u64 *entry = &pt_table(pt, e)[pt_index(va, l)];

        if (l == level)
            return entry;
        e = pt_load(entry);
        if (!(e & PTE_P) || pt_is_leaf(e, l))
            return NULL;
    }
}

/* The number of tables to add until va has one at level 1; or -EEXIST. */
static int plan_open(const struct pagetable *pt, u64 va, u64 *need)
{
    u64 e = pt->root_pa;

    for (int level = PT_ROOT; level > 1; level--) {
        e = pt_load(&pt_table(pt, e)[pt_index(va, level)]);
        if (!(e & PTE_P)) {
            *need = level - 1;
            return 0;
        }
        if (pt_is_leaf(e, level) || pt_is_slot(e, level))
            return -EEXIST;
    }
    *need = 0; /* PT_KEEP_TABLES left the table */
    return pt_table_empty(pt_table(pt, e)) ? 0 : -EEXIST;
}

int pt_slot_open(struct pagetable *pt, u64 va, s32 node, struct pt_slot *s)
{
    u64 need, pages, *entry = NULL;
    int err = pt_check_range(va, PT_SLOT_BYTES);

    if (!is_aligned(va, PT_SLOT_BYTES))
        return -EINVAL;
    if (!err)
        err = plan_open(pt, va, &need);
    if (!err)
        err = pt_reserve(pt, node, need, &pages);
    if (err)
        return err;
    for (int level = PT_ROOT; level > 1; level--) {
        entry = find_entry(pt, va, level);
        if (!(pt_load(entry) & PTE_P))
            pt_store(entry, pt_make_table(pt_take_table(pt, &pages)));
    }
    ASSERT(!pages);
    pt_store(entry, pt_load(entry) | PTE_SLOT);
    *s = (struct pt_slot){.va = va, .dir = entry, .node = node};
    s->table_pa = pt_load(entry) & PTE_ADDR;
    s->table = pt_table(pt, s->table_pa);
    return 0;
}

void pt_slot_close(struct pagetable *pt, struct pt_slot *s, struct pt_flush *flush)
{
    u64 *entry = s->dir, pa = s->table_pa;

    ASSERT(pt_is_slot(pt_load(entry), 2));
    pt_store(entry, 0);
    if (s->promoted) {
        pt_flush_add(flush, s->va, s->va + PT_SLOT_BYTES);
        pt_count_leaves(pt, 2, -1);
    } else {
        ASSERT(pt_table_empty(s->table));
        pt_retire_table(pt, pa, s->va, flush);
    }
    for (int level = 3; level <= PT_ROOT; level++) {
        entry = find_entry(pt, s->va, level);
        pa = pt_load(entry) & PTE_ADDR;
        if (!pt_table_empty(pt_table(pt, pa)))
            break;
        pt_store(entry, 0);
        pt_retire_table(pt, pa, s->va, flush);
    }
    *s = (struct pt_slot){0};
}

static void change_dir(struct pt_slot *s, u64 entry)
{
    pt_store(s->dir, entry);
    __atomic_store_n(&s->changes, s->changes + 1, __ATOMIC_RELEASE);
}

int pt_slot_promote(struct pagetable *pt, struct pt_slot *s, u64 block_pa, u32 prot,
                    struct pt_flush *flush)
{
    u64 e = pt_make_leaf(pt, block_pa, prot, 1);

    if (s->promoted || (prot & (~PT_PROT | PT_X)) || !is_aligned(block_pa, PT_SLOT_BYTES) ||
        block_pa >= PT_PA_END)
        return -EINVAL;
    for (u32 i = 0; i < PT_SLOT_PAGES; i++) {
        if (pt_load(&s->table[i]) != e + i * PAGE_SIZE)
            return -EINVAL;
    }
    change_dir(s, pt_make_leaf(pt, block_pa, prot, 2) | PTE_SLOT);
    pt_flush_add(flush, s->va, s->va + PT_SLOT_BYTES);
    pt_retire_table(pt, s->table_pa, s->va, flush);
    pt_count_leaves(pt, 1, -(s64)PT_SLOT_PAGES);
    pt_count_leaves(pt, 2, 1);
    s->table = NULL;
    s->table_pa = 0;
    s->promoted = true;
    return 0;
}

int pt_slot_demote(struct pagetable *pt, struct pt_slot *s, u64 table_pa, struct pt_flush *flush)
{
    u64 e = pt_load(s->dir), pa = pt_leaf_pa(e, 2);
    u32 prot = pt_entry_prot(e, pt->has_nx);
    int err;

    ASSERT(s->promoted);
    if (!table_pa) {
        err = pt->src->alloc(pt->src->ctx, s->node, &table_pa);
        if (err)
            return err;
    }
    s->table_pa = table_pa;
    s->table = pt_table(pt, table_pa);
    e = pt_make_leaf(pt, pa, prot, 1);
    for (u32 i = 0; i < PT_SLOT_PAGES; i++)
        pt_store(&s->table[i], e + i * PAGE_SIZE);
    change_dir(s, pt_make_table(table_pa) | PTE_SLOT);
    pt_flush_add(flush, s->va, s->va + PT_SLOT_BYTES);
    pt_count(&pt->tables, 1);
    pt_count_leaves(pt, 2, -1);
    pt_count_leaves(pt, 1, PT_SLOT_PAGES);
    s->promoted = false;
    return 0;
}

static void set_pages(struct pagetable *pt, struct pt_slot *s, u32 index, u32 n, u64 e, u64 step)
{
    u64 *at = &s->table[index], *end = at + n;

    ASSERT(index + n <= PT_SLOT_PAGES);
    /* Four at a time: runs are long. */
    for (; end - at >= 4; at += 4) {
        ASSERT(!((pt_load(at) | pt_load(at + 1) | pt_load(at + 2) | pt_load(at + 3)) & PTE_P));
        pt_store(at, e);
        pt_store(at + 1, e += step);
        pt_store(at + 2, e += step);
        pt_store(at + 3, e += step);
        e += step;
    }
    for (; at != end; at++, e += step) {
        ASSERT(!(pt_load(at) & PTE_P));
        pt_store(at, e);
    }
    pt_count_leaves(pt, 1, n);
}

void pt_slot_set_run(struct pagetable *pt, struct pt_slot *s, u32 index, u32 n, u64 pa, u32 prot)
{
    set_pages(pt, s, index, n, pt_make_leaf(pt, pa, prot, 1), PAGE_SIZE);
}

void pt_slot_set_same(struct pagetable *pt, struct pt_slot *s, u32 index, u32 n, u64 pa, u32 prot)
{
    set_pages(pt, s, index, n, pt_make_leaf(pt, pa, prot, 1), 0);
}

/*
 * The table in *dir may be retired, released and reused before it is read. The slot's count has
 * changed then, because promotion counts after its store and before any release: read again.
 */
u64 pt_slot_entry(const struct pagetable *pt, const struct pt_slot *s, u32 index, u32 *prot)
{
    u32 before;
    u64 e, pa;

    do {
        before = __atomic_load_n(&s->changes, __ATOMIC_ACQUIRE);
        e = pt_load(s->dir);
        pa = pt_leaf_pa(e, 2) + index * PAGE_SIZE;
        if ((e & PTE_P) && !pt_is_leaf(e, 2)) {
            const u64 *table = pt->src->map(pt->src->ctx, e & PTE_ADDR);

            e = table ? pt_load(&table[index]) : 0;
            pa = pt_leaf_pa(e, 1);
        }
    } while (__atomic_load_n(&s->changes, __ATOMIC_RELAXED) != before);
    if (!(e & PTE_P))
        return 0;
    if (prot)
        *prot = pt_entry_prot(e, pt->has_nx);
    return pa;
}

static int broken(const struct pt_slot *s, const char *what, u32 index)
{
    pr_err("pagetable: slot 0x%llx: %s (entry %u)", (ull)s->va, what, index);
    return -EINVAL;
}

int pt_slot_verify(const struct pagetable *pt, const struct pt_slot *s)
{
    u64 e;

    if (!is_aligned(s->va, PT_SLOT_BYTES) || find_entry(pt, s->va, 2) != s->dir)
        return broken(s, "not where its address leads", 0);
    e = pt_load(s->dir);
    if (!(e & PTE_P) || !pt_is_slot(e, 2) || pt_is_leaf(e, 2) != s->promoted)
        return broken(s, "its directory entry is of another kind", 0);
    if (s->promoted)
        return (e & PTE_A) && (e & PTE_D) && !s->table ? 0 : broken(s, "bad 2 MiB leaf", 0);
    if ((e & PTE_ADDR) != s->table_pa || pt_table(pt, e) != s->table)
        return broken(s, "another table page", 0);
    for (u32 i = 0; i < PT_SLOT_PAGES; i++) {
        e = pt_load(&s->table[i]);
        if (e && (!(e & PTE_P) || !(e & PTE_A) || !(e & PTE_D)))
            return broken(s, "an entry that no call makes", i);
    }
    return 0;
}
