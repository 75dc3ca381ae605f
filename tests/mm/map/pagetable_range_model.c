/*
 * Random calls on several slots, some of which share tables, with allocations that fail at random,
 * against a flat array of what every page of address space leads to.
 * SPDX-License-Identifier: MIT
 */
#include "mm/map/pagetable_range.h"
#include "kernel/base/ktest.h"
#include "tests/host/random.h"
#include "tests/mm/map/fake_pages.h"

#define SLOTS   6
#define PRESENT 0x800u /* beside the permissions in the low bits of a page; 0: nothing */

/* Neighbours, across a border of 1 GiB, across one of 512 GiB, far away. */
static const u64 slot_va[SLOTS] = {
    0xffffc00000000000ULL, 0xffffc00000200000ULL, 0xffffc0003fe00000ULL,
    0xffffc00040000000ULL, 0xffffc07fffe00000ULL, 0xffffd00000000000ULL,
};

struct model {
    struct fake_pages pages;
    struct pagetable pt;
    struct pt_flush flush; /* not yet done */
    struct pt_slot slot[SLOTS];
    bool open[SLOTS];
    u64 page[SLOTS][PT_SLOT_PAGES];
    u64 seed;
    u64 done[8], refused, no_memory;
};

static u64 rnd(struct model *m, u64 below)
{
    return random_xorshift(&m->seed) % below;
}

/* The block a slot's pages come from when it is to be promoted. */
static u64 block_of(u32 i)
{
    return (64 + i) * SZ_1G;
}

static u32 some_prot(struct model *m)
{
    static const u32 prots[] = {PT_W | PT_G, PT_W | PT_G, PT_G, PT_W, PT_X, PT_W | PT_UC};

    return prots[rnd(m, ARRAY_SIZE(prots))];
}

/* ---- comparison ------------------------------------------------------------------------------ */

struct check {
    struct model *m;
    u64 seen, wrong, leaves[PT_LEAF_KINDS];
};

static int check_leaf(void *ctx, const struct pt_leaf *leaf)
{
    struct check *c = ctx;
    u64 first, n = leaf->size / PAGE_SIZE;
    u32 i = 0;

    while (i < SLOTS && leaf->va - slot_va[i] >= SZ_2M)
        i++;
    if (i == SLOTS || leaf->va + leaf->size > slot_va[i] + SZ_2M) {
        c->wrong++;
        return 0;
    }
    first = (leaf->va - slot_va[i]) / PAGE_SIZE;
    for (u64 k = 0; k < n; k++)
        c->wrong += c->m->page[i][first + k] != ((leaf->pa + k * PAGE_SIZE) | leaf->prot | PRESENT);
    c->seen += n;
    c->leaves[leaf->size == SZ_2M ? PT_LEAF_2M : PT_LEAF_4K]++;
    return 0;
}

/* How many tables the open slots need: distinct ones on each level, table pages, and the root. */
static u64 count_tables(const struct model *m)
{
    u64 n = 1;

    for (u32 i = 0; i < SLOTS; i++) {
        bool new_dir = m->open[i], new_pdpt = m->open[i];

        if (!m->open[i])
            continue;
        for (u32 k = 0; k < i; k++) {
            new_dir &= !(m->open[k] && slot_va[k] >> 30 == slot_va[i] >> 30);
            new_pdpt &= !(m->open[k] && slot_va[k] >> 39 == slot_va[i] >> 39);
        }
        n += !m->slot[i].promoted + new_dir + new_pdpt;
    }
    return n;
}

/* What one page leads to, by lookup and by the slot's own answer. */
static bool page_agrees(struct model *m, u32 i, u32 index)
{
    u64 want = m->page[i][index], pa = 0;
    u32 prot = 0;
    int err = pagetable_lookup(&m->pt, slot_va[i] + index * PAGE_SIZE, &pa, &prot, NULL);

    if (want ? err || (pa | prot | PRESENT) != want : err != -ENOENT)
        return false;
    if (!m->open[i])
        return !want;
    prot = 0;
    pa = pt_slot_entry(&m->pt, &m->slot[i], index, &prot);
    return want ? (pa | prot | PRESENT) == want : !pa;
}

static u64 list_length(const struct model *m, u64 head)
{
    u64 n = 0;

    for (; head; n++)
        pt_list_pop(&m->pt, &head);
    return n;
}

static bool agrees(struct model *m)
{
    struct check c = {.m = m};
    u64 mapped = 0;

    if (pagetable_walk(&m->pt, 0, 0, check_leaf, &c))
        return false;
    for (u32 i = 0; i < SLOTS; i++) {
        for (u32 k = 0; k < PT_SLOT_PAGES; k++)
            mapped += m->page[i][k] != 0;
        if (!page_agrees(m, i, rnd(m, PT_SLOT_PAGES)))
            return false;
        if (m->open[i] && pt_slot_verify(&m->pt, &m->slot[i]))
            return false;
    }
    return !c.wrong && c.seen == mapped && m->pt.tables == count_tables(m) &&
           m->pages.live == m->pt.tables + list_length(m, m->flush.tables) &&
           !memcmp(c.leaves, m->pt.leaves, sizeof(c.leaves));
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void set_pages(struct model *m, u32 i, u32 index, u32 n)
{
    /* Mostly the pages promotion wants. */
    u64 pa = rnd(m, 12) ? block_of(i) + index * PAGE_SIZE : (1 + rnd(m, 1000)) * SZ_2M;
    u32 prot = rnd(m, 12) ? PT_W | PT_G : some_prot(m);

    for (u32 k = index; k < index + n; k++) {
        if (m->page[i][k])
            n = k - index; /* up to the first that is taken */
    }
    if (n == 1)
        pt_slot_set_run(&m->pt, &m->slot[i], index, 1, pa, prot);
    else if (n)
        pt_slot_set_run(&m->pt, &m->slot[i], index, n, pa, prot);
    for (u32 k = 0; k < n; k++)
        m->page[i][index + k] = (pa + k * PAGE_SIZE) | prot | PRESENT;
    m->done[0] += n != 0;
}

static bool replace_page(struct model *m, u32 i, u32 index)
{
    u64 old = m->page[i][index];
    u64 pa = rnd(m, 3) ? block_of(i) + index * PAGE_SIZE : (1 + rnd(m, 1000)) * PAGE_SIZE;
    u32 prot = rnd(m, 3) ? PT_W | PT_G : some_prot(m);

    if (!old)
        return true;
    m->page[i][index] = pa | prot | PRESENT;
    m->done[1]++;
    return pt_slot_replace(&m->pt, &m->slot[i], index, pa, prot) == (old & PTE_ADDR);
}

static bool clear_page(struct model *m, u32 i, u32 index)
{
    u64 old = m->page[i][index];

    m->page[i][index] = 0;
    m->done[2]++;
    return pt_slot_clear(&m->pt, &m->slot[i], index) == (old & PTE_ADDR);
}

static bool try_promote(struct model *m, u32 i)
{
    u64 block = m->page[i][0] & PTE_ADDR;
    u32 prot = m->page[i][0] & PT_PROT;
    bool fits = !m->slot[i].promoted && !(prot & PT_X) && is_aligned(block, SZ_2M);

    for (u32 k = 0; k < PT_SLOT_PAGES; k++)
        fits &= m->page[i][k] == ((block + k * PAGE_SIZE) | prot | PRESENT);
    m->done[3] += fits;
    m->refused += !fits;
    return pt_slot_promote(&m->pt, &m->slot[i], block, prot, &m->flush) == (fits ? 0 : -EINVAL);
}

static bool demote(struct model *m, u32 i)
{
    u64 own = 0;
    int err;

    if (rnd(m, 2) && m->pages.src.alloc(&m->pages, i, &own))
        own = 0;
    err = pt_slot_demote(&m->pt, &m->slot[i], own, &m->flush);
    m->done[4] += !err;
    m->no_memory += err == -ENOMEM;
    return !err || (err == -ENOMEM && !own && m->slot[i].promoted);
}

static void close_slot(struct model *m, u32 i)
{
    for (u32 k = 0; k < PT_SLOT_PAGES; k++) {
        if (!m->slot[i].promoted)
            pt_slot_clear(&m->pt, &m->slot[i], k);
        m->page[i][k] = 0;
    }
    pt_slot_close(&m->pt, &m->slot[i], &m->flush);
    m->open[i] = false;
    m->done[5]++;
}

static bool open_slot(struct model *m, u32 i)
{
    int err = pt_slot_open(&m->pt, slot_va[i], i, &m->slot[i]);

    m->open[i] = !err;
    m->done[6] += !err;
    m->no_memory += err == -ENOMEM;
    return !err || err == -ENOMEM;
}

static bool step_open(struct model *m, u32 i)
{
    u32 index = rnd(m, PT_SLOT_PAGES);
    struct pt_slot other;

    switch (rnd(m, 12)) {
    case 0:
        m->refused++;
        return pt_slot_open(&m->pt, slot_va[i], 0, &other) == -EEXIST &&
               pagetable_unmap(&m->pt, slot_va[i], SZ_2M, 0, &m->flush) == -EBUSY;
    case 1:
        if (rnd(m, 8) == 0)
            close_slot(m, i);
        return true;
    case 2:
        return m->slot[i].promoted || replace_page(m, i, index);
    case 3:
        return m->slot[i].promoted || clear_page(m, i, index);
    case 4:
    case 5:
    case 6:
        return m->slot[i].promoted ? demote(m, i) : try_promote(m, i);
    default:
        if (m->slot[i].promoted)
            return true;
        /* Every hole that can be filled, so that slots become promotable. */
        if (rnd(m, 4) == 0) {
            for (u32 k = 0; k < PT_SLOT_PAGES; k++) {
                if (!m->page[i][k])
                    set_pages(m, i, k, 1);
                else if (rnd(m, 2))
                    replace_page(m, i, k);
            }
            if (rnd(m, 2))
                for (u32 k = 0; k < PT_SLOT_PAGES; k++) {
                    pt_slot_replace(&m->pt, &m->slot[i], k, block_of(i) + k * PAGE_SIZE, PT_W);
                    m->page[i][k] = (block_of(i) + k * PAGE_SIZE) | PT_W | PRESENT;
                }
            return true;
        }
        set_pages(m, i, index, 1 + rnd(m, PT_SLOT_PAGES - index));
        return true;
    }
}

static bool step(struct model *m)
{
    u32 i = rnd(m, SLOTS);

    m->pages.fail_after = rnd(m, 4) == 0 ? (long)rnd(m, 3) : -1;
    if (rnd(m, 3) == 0) {
        pagetable_release(&m->pt, &m->flush);
        m->done[7]++;
    }
    return m->open[i] ? step_open(m, i) : open_slot(m, i);
}

static void run(struct model *m, u64 seed, int steps)
{
    memset(m, 0, sizeof(*m));
    m->seed = seed;
    fake_init(&m->pages, (1ULL << 52) - FAKE_PAGES * PAGE_SIZE);
    REQUIRE_EQ(pagetable_init(&m->pt, &m->pages.src, 0, true, true), 0);
    for (int i = 0; i < steps; i++) {
        if (!step(m) || !agrees(m)) {
            ktest_fail(__FILE__, __LINE__, "seed %llu: tables and model differ after step %d",
                       (unsigned long long)seed, i);
            break;
        }
    }
    for (u32 i = 0; i < ARRAY_SIZE(m->done); i++)
        EXPECT_NE(m->done[i], 0);
    EXPECT_NE(m->refused, 0);
    EXPECT_NE(m->no_memory, 0);
    ktest_note("%llu promoted, %llu demoted, %llu refused, %llu without memory",
               (unsigned long long)m->done[3], (unsigned long long)m->done[4],
               (unsigned long long)m->refused, (unsigned long long)m->no_memory);
    for (u32 i = 0; i < SLOTS; i++) {
        if (m->open[i])
            close_slot(m, i);
    }
    pagetable_release(&m->pt, &m->flush);
    EXPECT_EQ(m->pt.tables, 1);
    EXPECT_EQ(m->pages.live, 1);
    fake_destroy(&m->pt);
    fake_done(&m->pages);
}

KTEST(pagetable_range_model, random)
{
    static struct model m;

    for (u64 seed = 1; seed <= 6; seed++)
        run(&m, seed * 104729, 1500);
}
