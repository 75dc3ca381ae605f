/*
 * Page tables: init, map, release. The contract is in mm/map/pagetable.h. A call runs its walk
 * twice: the plan counts the table pages and finds every reason to refuse; then the pages are
 * reserved; the commit takes them and cannot fail.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "mm/map/pagetable_entry.h"

#define LINK_ENTRIES 14
#define LINK_SHIFT   9
#define LINK_MASK    7ULL

void pt_list_push(const struct pagetable *pt, u64 *head, u64 pa)
{
    u64 *table = pt_table(pt, pa);
    u64 number = *head >> PAGE_SHIFT;

    for (u32 i = 0; i < LINK_ENTRIES; i++, number >>= 3) {
        u64 e = pt_load(&table[i]) & ~(LINK_MASK << LINK_SHIFT);
        pt_store(&table[i], e | (number & LINK_MASK) << LINK_SHIFT);
    }
    *head = pa;
}

u64 pt_list_pop(const struct pagetable *pt, u64 *head)
{
    u64 pa = *head, number = 0;
    const u64 *table = pt_table(pt, pa);

    for (u32 i = LINK_ENTRIES; i-- > 0;)
        number = number << 3 | (pt_load(&table[i]) >> LINK_SHIFT & LINK_MASK);
    *head = number << PAGE_SHIFT;
    return pa;
}

void pt_free_list(const struct pagetable *pt, u64 *head)
{
    while (*head)
        pt->src->free(pt->src->ctx, pt_list_pop(pt, head));
}

int pt_reserve(const struct pagetable *pt, s32 node, u64 need, u64 *head)
{
    *head = 0;
    for (u64 i = 0; i < need; i++) {
        u64 pa;
        int err = pt->src->alloc(pt->src->ctx, node, &pa);

        if (err) {
            pt_free_list(pt, head);
            return err;
        }
        ASSERT(pa && is_aligned(pa, PAGE_SIZE));
        pt_list_push(pt, head, pa);
    }
    return 0;
}

u64 pt_take_table(struct pagetable *pt, u64 *head)
{
    u64 pa = pt_list_pop(pt, head);

    memset(pt_table(pt, pa), 0, PAGE_SIZE);
    pt_count(&pt->tables, 1);
    return pa;
}

void pt_flush_add(struct pt_flush *flush, u64 start, u64 end)
{
    if (flush->start == flush->end) {
        flush->start = start;
        flush->end = end;
        return;
    }
    flush->start = MIN(flush->start, start);
    flush->end = MAX(flush->end, end);
}

bool pt_table_empty(const u64 *table)
{
    for (u32 i = 0; i < PT_ENTRIES; i++) {
        if (pt_load(&table[i]) & PTE_P)
            return false;
    }
    return true;
}

void pt_retire_table(struct pagetable *pt, u64 table_pa, u64 va, struct pt_flush *flush)
{
    pt_list_push(pt, &flush->tables, table_pa);
    pt_count(&pt->tables, -1);
    /* Invalidating any one page drops all paging-structure caches (SDM vol 3 4.10.4.1). */
    if (flush->start == flush->end)
        pt_flush_add(flush, va, va + PAGE_SIZE);
}

int pt_check_range(u64 va, u64 size)
{
    u64 end = va + size;

    if (!size || !is_aligned(va | size, PAGE_SIZE))
        return -EINVAL;
    if (end <= va || !pt_canonical(va) || !pt_canonical(end - 1) || va >> 47 != (end - 1) >> 47)
        return -ERANGE;
    return 0;
}

int pagetable_init(struct pagetable *pt, const struct page_source *src, s32 node, bool has_1g,
                   bool has_nx)
{
    u64 head;
    int err;

    *pt = (struct pagetable){.src = src, .has_1g = has_1g, .has_nx = has_nx};
    err = pt_reserve(pt, node, 1, &head);
    if (!err)
        pt->root_pa = pt_take_table(pt, &head);
    return err;
}

struct pagetable pagetable_view(u64 cr3, const struct page_source *src, bool has_nx)
{
    return (struct pagetable){.root_pa = cr3 & PTE_ADDR, .src = src, .has_nx = has_nx};
}

struct map_job {
    struct pagetable *pt;
    u32 prot;
    int max_level; /* of a leaf */
    bool plan;
    u64 need;  /* table pages, counted by the plan */
    u64 pages; /* list the commit takes from */
};

static bool leaf_fits(const struct map_job *job, int level, u64 va, u64 next, u64 pa)
{
    return level <= job->max_level && pt_span_whole(va, next, level) &&
           is_aligned(pa, pt_span(level));
}

static void put_leaf(struct map_job *job, u64 *slot, int level, u64 pa)
{
    if (job->plan)
        return;
    pt_store(slot, pt_make_leaf(job->pt, pa, job->prot, level));
    pt_count_leaves(job->pt, level, 1);
}

/* table: NULL in a plan, for a table that does not exist yet. */
static int map_level(struct map_job *job, u64 *table, int level, u64 va, u64 end, u64 pa)
{
    if (level == 1 && !table)
        return 0;
    for (u64 next; va < end; pa += next - va, va = next) {
        u64 *slot = table ? &table[pt_index(va, level)] : NULL;
        u64 e = slot ? pt_load(slot) : 0, new_pa = 0, *lower = NULL;
        int err;

        next = pt_span_end(va, end, level);
        if ((e & PTE_P) && (pt_is_leaf(e, level) || pt_is_slot(e, level)))
            return -EEXIST;
        if (!(e & PTE_P) && leaf_fits(job, level, va, next, pa)) {
            put_leaf(job, slot, level, pa);
            continue;
        }
        if (e & PTE_P) {
            lower = pt_table(job->pt, e);
        } else if (job->plan) {
            job->need++;
        } else {
            new_pa = pt_take_table(job->pt, &job->pages);
            lower = pt_table(job->pt, new_pa);
        }
        err = map_level(job, lower, level - 1, va, next, pa);
        if (err)
            return err;
        if (new_pa)
            pt_store(slot, pt_make_table(new_pa));
    }
    return 0;
}

static int check_memory(u64 pa, u64 size, u32 prot)
{
    if (!is_aligned(pa, PAGE_SIZE) || (prot & ~(PT_PROT | PT_MAX_4K | PT_MAX_2M)))
        return -EINVAL;
    return pa >= PT_PA_END || size > PT_PA_END - pa ? -ERANGE : 0;
}

int pagetable_map(struct pagetable *pt, u64 va, u64 pa, u64 size, u32 prot, s32 node)
{
    struct map_job job = {.pt = pt, .prot = prot, .plan = true};
    u64 *root = pt_table(pt, pt->root_pa);
    int err = pt_check_range(va, size);

    if (!err)
        err = check_memory(pa, size, prot);
    if (err)
        return err;
    job.max_level = prot & PT_MAX_4K ? 1 : prot & PT_MAX_2M || !pt->has_1g ? 2 : 3;
    err = map_level(&job, root, PT_ROOT, va, va + size, pa);
    if (!err)
        err = pt_reserve(pt, node, job.need, &job.pages);
    if (err)
        return err;
    job.plan = false;
    err = map_level(&job, root, PT_ROOT, va, va + size, pa);
    ASSERT(!err && !job.pages);
    return 0;
}

int pagetable_map_page(struct pagetable *pt, u64 va, u64 pa, u32 prot, s32 node)
{
    return pagetable_map(pt, va, pa, PAGE_SIZE, prot, node);
}

u32 pagetable_keep(const struct pagetable *pt, struct pt_flush *kept, struct pt_flush *flush)
{
    u32 n = 0;

    for (; flush->tables; n++)
        pt_list_push(pt, &kept->tables, pt_list_pop(pt, &flush->tables));
    *flush = PT_FLUSH_NONE;
    return n;
}

void pagetable_release(struct pagetable *pt, struct pt_flush *flush)
{
    pt_free_list(pt, &flush->tables);
    *flush = PT_FLUSH_NONE;
}
