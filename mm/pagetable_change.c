/*
 * Page tables: unmapping, changing permissions, splitting and merging leaves of live tables. The
 * contract is in mm/pagetable.h; plan and commit as in mm/pagetable.c.
 * SPDX-License-Identifier: MIT
 */
#include "mm/pagetable_entry.h"

struct change_job {
    struct pagetable *pt;
    bool unmap; /* else: give prot */
    u32 prot;
    bool keep_tables; /* unmap: empty tables stay */
    bool plan;
    u64 need;  /* table pages for splits, counted by the plan */
    u64 pages; /* list the commit takes from */
    struct pt_flush *flush;
};

/* The span of va whole. Its end does not wrap but for the last one of all: then one page less. */
static void flush_add_span(struct pt_flush *flush, u64 va, int level)
{
    u64 start = align_down(va, pt_span(level));
    u64 end = start + pt_span(level);

    pt_flush_add(flush, start, end ? end : align_down(~0ULL, PAGE_SIZE));
}

/* Table pages that it takes to split a leaf so that its part [va, end) consists of whole leaves. */
static u64 split_cost(int level, u64 va, u64 end)
{
    u64 cost = 1, next;

    for (; level > 2 && va < end; va = next) {
        next = pt_span_end(va, end, level - 1);
        if (!pt_span_whole(va, next, level - 1))
            cost += split_cost(level - 1, va, next);
        else /* no whole leaf costs anything: go on at the last one begun */
            next = MAX(next, align_down(end, pt_span(level - 1)));
    }
    return cost;
}

/*
 * Replaces a large leaf by a table of 512 leaves that say the same. A CPU may use the old or the
 * new ones until the flush (SDM vol 3 4.10.2.3), which differ in nothing yet.
 */
static void split_leaf(struct change_job *job, u64 *slot, int level)
{
    struct pagetable *pt = job->pt;
    u64 e = pt_load(slot), step = pt_span(level - 1);
    u64 table_pa = pt_take_table(pt, &job->pages), pa = pt_leaf_pa(e, level);
    u32 prot = pt_entry_prot(e, pt->has_nx);
    u64 *table = pt_table(pt, table_pa);

    for (u32 i = 0; i < PT_ENTRIES; i++)
        table[i] = pt_make_leaf(pt, pa + i * step, prot, level - 1);
    pt_store(slot, pt_make_table(table_pa));
    pt_count_leaves(pt, level, -1);
    pt_count_leaves(pt, level - 1, PT_ENTRIES);
}

static void change_whole_leaf(struct change_job *job, u64 *slot, int level, u64 wanted)
{
    if (job->plan)
        return;
    pt_store(slot, wanted);
    if (job->unmap)
        pt_count_leaves(job->pt, level, -1);
}

static int change_level(struct change_job *job, u64 *table, int level, u64 va, u64 end);

static int change_table(struct change_job *job, u64 *slot, int level, u64 va, u64 next)
{
    u64 e = pt_load(slot);
    u64 *lower = pt_table(job->pt, e);
    int err = change_level(job, lower, level - 1, va, next);

    if (err || job->plan || !job->unmap || job->keep_tables || !pt_table_empty(lower))
        return err;
    pt_store(slot, 0);
    pt_retire_table(job->pt, e & PTE_ADDR, va, job->flush);
    return 0;
}

static int change_level(struct change_job *job, u64 *table, int level, u64 va, u64 end)
{
    for (u64 next; va < end; va = next) {
        u64 *slot = &table[pt_index(va, level)];
        u64 e = pt_load(slot), wanted = 0;
        int err = 0;

        next = pt_span_end(va, end, level);
        if (!(e & PTE_P)) {
            if (!job->unmap)
                return -ENOENT;
            continue;
        }
        if (pt_is_slot(e, level))
            return -EBUSY;
        if (!pt_is_leaf(e, level)) {
            err = change_table(job, slot, level, va, next);
            if (err)
                return err;
            continue;
        }
        if (!job->unmap)
            wanted = pt_make_leaf(job->pt, pt_leaf_pa(e, level), job->prot, level);
        if (e == wanted)
            continue;
        if (!job->plan)
            flush_add_span(job->flush, va, level);
        if (pt_span_whole(va, next, level)) {
            change_whole_leaf(job, slot, level, wanted);
        } else if (job->plan) {
            job->need += split_cost(level, va, next);
        } else {
            split_leaf(job, slot, level);
            err = change_table(job, slot, level, va, next);
        }
        if (err)
            return err;
    }
    return 0;
}

static int change(struct change_job *job, u64 va, u64 size, s32 node)
{
    u64 *root = pt_table(job->pt, job->pt->root_pa);
    int err = pt_check_range(va, size);

    if (err)
        return err;
    job->plan = true;
    err = change_level(job, root, PT_ROOT, va, va + size);
    if (!err)
        err = pt_reserve(job->pt, node, job->need, &job->pages);
    if (err)
        return err;
    job->plan = false;
    err = change_level(job, root, PT_ROOT, va, va + size);
    ASSERT(!err && !job->pages);
    return 0;
}

int pagetable_unmap(struct pagetable *pt, u64 va, u64 size, u32 flags, struct pt_flush *flush)
{
    struct change_job job = {.pt = pt, .unmap = true, .flush = flush};

    if (flags & ~PT_KEEP_TABLES)
        return -EINVAL;
    job.keep_tables = flags & PT_KEEP_TABLES;
    return change(&job, va, size, NODE_NONE);
}

int pagetable_protect(struct pagetable *pt, u64 va, u64 size, u32 prot, s32 node,
                      struct pt_flush *flush)
{
    struct change_job job = {.pt = pt, .prot = prot, .flush = flush};

    if (prot & ~PT_PROT)
        return -EINVAL;
    return change(&job, va, size, node);
}

/* Turns the table below slot into one leaf if its entries are what split_leaf would have made. */
static void try_join(struct pagetable *pt, u64 *slot, int level, u64 va, struct pt_flush *flush)
{
    u64 e = pt_load(slot), step = pt_span(level - 1);
    const u64 *lower = pt_table(pt, e);
    u64 first = pt_load(&lower[0]);

    if (!(first & PTE_P) || !pt_is_leaf(first, level - 1) || pt_is_slot(first, level - 1) ||
        !is_aligned(pt_leaf_pa(first, level - 1), pt_span(level)))
        return;
    for (u32 i = 1; i < PT_ENTRIES; i++) {
        if (pt_load(&lower[i]) != first + i * step)
            return;
    }
    pt_store(slot, pt_make_leaf(pt, pt_leaf_pa(first, level - 1), pt_entry_prot(first, pt->has_nx),
                                level));
    flush_add_span(flush, va, level);
    pt_retire_table(pt, e & PTE_ADDR, va, flush);
    pt_count_leaves(pt, level - 1, -PT_ENTRIES);
    pt_count_leaves(pt, level, 1);
}

static void merge_level(struct pagetable *pt, u64 *table, int level, u64 va, u64 end,
                        struct pt_flush *flush)
{
    int max_level = pt->has_1g ? 3 : 2;

    for (u64 next; va < end; va = next) {
        u64 *slot = &table[pt_index(va, level)];
        u64 e = pt_load(slot);

        next = pt_span_end(va, end, level);
        if (!(e & PTE_P) || pt_is_leaf(e, level) || pt_is_slot(e, level))
            continue;
        if (level > 2)
            merge_level(pt, pt_table(pt, e), level - 1, va, next, flush);
        if (level <= max_level && pt_span_whole(va, next, level))
            try_join(pt, slot, level, va, flush);
    }
}

int pagetable_merge(struct pagetable *pt, u64 va, u64 size, struct pt_flush *flush)
{
    int err = pt_check_range(va, size);

    if (!err)
        merge_level(pt, pt_table(pt, pt->root_pa), PT_ROOT, va, va + size, flush);
    return err;
}
