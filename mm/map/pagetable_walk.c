/*
 * Page tables: reading them as the CPU does. The contract is in mm/map/pagetable.h. Nothing is
 * assumed of the tables, which may be foreign: permissions are combined over the levels (SDM vol 3
 * 4.6.1: a write needs W at every level, a fetch needs NX at none).
 * SPDX-License-Identifier: MIT
 */
#include "mm/map/pagetable_entry.h"

/* The arguments of a walk. */
struct walk_state {
    const struct pagetable *pt;
    u64 first, last; /* inclusive, so that the end of the address space fits */
    pt_walk_fn fn;
    void *ctx;
};

/* Permissions of an entry; W and X only as far as the levels above allow them. */
static u32 combine(u32 above, u64 entry, bool has_nx)
{
    u32 prot = pt_entry_prot(entry, has_nx);

    return prot & ~((PT_W | PT_X) & ~above);
}

static u64 *read_table(const struct pagetable *pt, u64 entry)
{
    return pt->src->map(pt->src->ctx, entry & PTE_ADDR);
}

int pagetable_lookup(const struct pagetable *pt, u64 va, u64 *pa, u32 *prot, u64 *leaf_size)
{
    u64 e = pt->root_pa;
    u32 allowed = PT_W | PT_X;

    if (!pt_canonical(va))
        return -ERANGE;
    for (int level = PT_ROOT; level >= 1; level--) {
        const u64 *table = read_table(pt, e);

        if (!table)
            return -EFAULT;
        e = pt_load(&table[pt_index(va, level)]);
        if (!(e & PTE_P))
            return -ENOENT;
        allowed = combine(allowed, e, pt->has_nx);
        if (!pt_is_leaf(e, level))
            continue;
        if (pa)
            *pa = pt_leaf_pa(e, level) | (va & (pt_span(level) - 1));
        if (prot)
            *prot = allowed;
        if (leaf_size)
            *leaf_size = pt_span(level);
        break;
    }
    return 0;
}

static int walk_table(const struct walk_state *w, u64 table_entry, int level, u64 base, u32 above,
                      bool user_above)
{
    const u64 *table = read_table(w->pt, table_entry);
    u64 step = pt_span(level);

    if (!table)
        return -EFAULT;
    for (u32 i = 0; i < PT_ENTRIES; i++) {
        u64 e = pt_load(&table[i]);
        /* In the upper half of the root, addresses are sign-extended from bit 47. */
        u64 va = level == PT_ROOT ? (u64)((s64)(i * step << 16) >> 16) : base + i * step;
        u32 prot = combine(above, e, w->pt->has_nx);
        bool user = user_above || (e & PTE_U);
        int err;

        if (!(e & PTE_P) || va > w->last || va + (step - 1) < w->first)
            continue;
        if (pt_is_leaf(e, level)) {
            struct pt_leaf leaf = {va, pt_leaf_pa(e, level), step, e, prot, user};

            err = w->fn(w->ctx, &leaf);
        } else {
            err = walk_table(w, e, level - 1, va, prot, user);
        }
        if (err)
            return err;
    }
    return 0;
}

int pagetable_walk(const struct pagetable *pt, u64 start, u64 end, pt_walk_fn fn, void *ctx)
{
    struct walk_state w = {pt, start, end - 1, fn, ctx};

    if (end && end <= start)
        return 0;
    return walk_table(&w, pt->root_pa, PT_ROOT, 0, PT_W | PT_X, false);
}
