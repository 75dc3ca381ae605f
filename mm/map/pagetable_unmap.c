/*
 * Page tables: unmapping, and splitting large leaves of live tables for it. The contract is in
 * mm/map/pagetable.h; plan and commit as in mm/map/pagetable.c.
 * SPDX-License-Identifier: MIT
 */
#include "mm/map/pagetable_entry.h"

struct unmap_job {
    struct pagetable *pt;
    bool keep_tables; /* empty tables stay */
    bool plan;
    u64 need;  /* table pages for splits, counted by the plan */
    u64 pages; /* list the commit takes from */
    struct pt_flush *flush;
};

/* All of va's span. Its end wraps only for the last span of all: then one page less. */
static void flush_add_span(struct pt_flush *flush, u64 va, int level)
{
    u64 start = align_down(va, pt_span(level));
    u64 end = start + pt_span(level);

    pt_flush_add(flush, start, end ? end : align_down(~0ULL, PAGE_SIZE));
}

/* Table pages needed to split a leaf so that its part [va, end) consists of whole leaves. */
static u64 split_cost(int level, u64 va, u64 end)
{
    u64 cost = 1, next;

    for (; level > 2 && va < end; va = next) {
        next = pt_span_end(va, end, level - 1);
        if (!pt_span_whole(va, next, level - 1))
            cost += split_cost(level - 1, va, next);
        else /* whole leaves cost nothing: continue at the last one, which may be partial */
            next = MAX(next, align_down(end, pt_span(level - 1)));
    }
    return cost;
}

/*
 * Replaces a large leaf by a table of 512 equivalent leaves. Until the flush a CPU may use the old
 * leaf or the new ones (SDM vol 3 4.10.2.3), which still translate alike.
 */
static void split_leaf(struct unmap_job *job, u64 *slot, int level)
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

static int unmap_level(struct unmap_job *job, u64 *table, int level, u64 va, u64 end);

static int unmap_table(struct unmap_job *job, u64 *slot, int level, u64 va, u64 next)
{
    u64 e = pt_load(slot);
    u64 *lower = pt_table(job->pt, e);
    int err = unmap_level(job, lower, level - 1, va, next);

    if (err || job->plan || job->keep_tables || !pt_table_empty(lower))
        return err;
    pt_store(slot, 0);
    pt_retire_table(job->pt, e & PTE_ADDR, va, job->flush);
    return 0;
}

static int unmap_level(struct unmap_job *job, u64 *table, int level, u64 va, u64 end)
{
    for (u64 next; va < end; va = next) {
        u64 *slot = &table[pt_index(va, level)];
        u64 e = pt_load(slot);
        int err = 0;

        next = pt_span_end(va, end, level);
        if (!(e & PTE_P))
            continue;
        if (pt_is_slot(e, level))
            return -EBUSY;
        if (!pt_is_leaf(e, level)) {
            err = unmap_table(job, slot, level, va, next);
        } else if (job->plan) {
            job->need += pt_span_whole(va, next, level) ? 0 : split_cost(level, va, next);
        } else if (pt_span_whole(va, next, level)) {
            flush_add_span(job->flush, va, level);
            pt_store(slot, 0);
            pt_count_leaves(job->pt, level, -1);
        } else {
            flush_add_span(job->flush, va, level);
            split_leaf(job, slot, level);
            err = unmap_table(job, slot, level, va, next);
        }
        if (err)
            return err;
    }
    return 0;
}

int pagetable_unmap(struct pagetable *pt, u64 va, u64 size, u32 flags, struct pt_flush *flush)
{
    struct unmap_job job = {.pt = pt, .plan = true, .flush = flush};
    u64 *root = pt_table(pt, pt->root_pa);
    int err = pt_check_range(va, size);

    if (flags & ~PT_KEEP_TABLES)
        return -EINVAL;
    job.keep_tables = flags & PT_KEEP_TABLES;
    if (!err)
        err = unmap_level(&job, root, PT_ROOT, va, va + size);
    if (!err)
        err = pt_reserve(pt, NODE_NONE, job.need, &job.pages);
    if (err)
        return err;
    job.plan = false;
    err = unmap_level(&job, root, PT_ROOT, va, va + size);
    ASSERT(!err && !job.pages);
    return 0;
}
