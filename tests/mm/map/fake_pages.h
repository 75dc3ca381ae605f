/*
 * A page source for hosted tests of page tables: pages of host memory under physical addresses of
 * the test's choice. Pages come filled with junk, a freed page cannot be reached any more, and the
 * k-th allocation can be made to fail.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_MM_MAP_FAKE_PAGES_H
#define PERCH_TESTS_MM_MAP_FAKE_PAGES_H

#include <stdlib.h>
#include <string.h>
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "mm/map/pagetable_entry.h"

#define FAKE_PAGES 4096

struct fake_pages {
    struct page_source src;
    u64 base; /* physical address of page 0 */
    u8 *memory;
    bool busy[FAKE_PAGES];
    s32 node[FAKE_PAGES]; /* asked for at allocation */
    u32 live, next;
    long fail_after; /* so many allocations succeed, then none; negative: all do */
};

static int fake_alloc(void *ctx, s32 node, u64 *pa)
{
    struct fake_pages *f = ctx;

    if (f->fail_after == 0 || f->live == FAKE_PAGES)
        return -ENOMEM;
    if (f->fail_after > 0)
        f->fail_after--;
    while (f->busy[f->next])
        f->next = (f->next + 1) % FAKE_PAGES;
    f->busy[f->next] = true;
    f->node[f->next] = node;
    f->live++;
    memset(f->memory + f->next * PAGE_SIZE, 0xff, PAGE_SIZE);
    *pa = f->base + f->next * PAGE_SIZE;
    return 0;
}

static bool fake_owns(const struct fake_pages *f, u64 pa)
{
    return pa >= f->base && pa < f->base + FAKE_PAGES * PAGE_SIZE &&
           f->busy[(pa - f->base) / PAGE_SIZE];
}

static void fake_free(void *ctx, u64 pa)
{
    struct fake_pages *f = ctx;

    if (!fake_owns(f, pa))
        abort();
    f->busy[(pa - f->base) / PAGE_SIZE] = false;
    f->live--;
}

static void *fake_map(void *ctx, u64 pa)
{
    struct fake_pages *f = ctx;

    return fake_owns(f, pa) ? f->memory + (pa - f->base) : NULL;
}

static inline void fake_init(struct fake_pages *f, u64 base)
{
    memset(f, 0, sizeof(*f));
    f->src = (struct page_source){fake_alloc, fake_free, fake_map, f};
    f->base = base;
    f->memory = aligned_alloc(PAGE_SIZE, FAKE_PAGES * PAGE_SIZE);
    f->fail_after = -1;
    if (!f->memory)
        abort();
}

static inline void fake_done(struct fake_pages *f)
{
    free(f->memory);
    f->memory = NULL;
}

static inline void fake_free_tables(struct pagetable *pt, u64 pa, int level)
{
    const u64 *table = pt_table(pt, pa);

    for (u32 i = 0; i < PT_ENTRIES && level > 1; i++)
        if ((table[i] & PTE_P) && !pt_is_leaf(table[i], level))
            fake_free_tables(pt, table[i] & PTE_ADDR, level - 1);
    fake_free(pt->src->ctx, pa);
}

/* Gives every table page back, the root included: what is live then has leaked. */
static inline void fake_destroy(struct pagetable *pt)
{
    fake_free_tables(pt, pt->root_pa, PT_ROOT);
}

/* One number for all that a walk shows. */
static int fake_hash_leaf(void *ctx, const struct pt_leaf *leaf)
{
    u64 *hash = ctx;
    const u64 words[] = {leaf->va, leaf->pa, leaf->size, leaf->entry, leaf->prot};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        *hash = (*hash ^ words[i]) * 0x9e3779b97f4a7c15ULL ^ (*hash >> 29);
    return 0;
}

static inline u64 fake_walk_hash(const struct pagetable *pt)
{
    u64 hash = 1;

    if (pagetable_walk(pt, 0, 0, fake_hash_leaf, &hash))
        abort();
    return hash;
}

/* One leaf, whole. */
static inline void fake_expect_at(const struct pagetable *pt, u64 va, u64 pa, u32 prot, u64 size)
{
    u64 got_pa = 0, got_size = 0;
    u32 got_prot = 0;

    EXPECT_EQ(pagetable_lookup(pt, va, &got_pa, &got_prot, &got_size), 0);
    EXPECT_EQ(got_pa, pa);
    EXPECT_EQ(got_prot, prot);
    EXPECT_EQ(got_size, size);
}

#endif
