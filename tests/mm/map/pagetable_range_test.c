/*
 * Slots: what each call does to the entries, what it refuses, and that a reader beside promotion
 * and demotion finds the same memory all the time.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "mm/map/pagetable_range.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "kernel/base/ktest.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"
#include "tests/mm/map/fake_pages.h"

#define VA    0xffffc00000000000ULL
#define BLOCK 0x200000000ULL
#define PROT  (PT_W | PT_G)

static struct fake_pages pages;
static struct pagetable pt;
static struct pt_flush flush;

static void start(void)
{
    fake_init(&pages, (1ULL << 52) - FAKE_PAGES * PAGE_SIZE);
    if (pagetable_init(&pt, &pages.src, 0, true, true))
        abort();
    flush = PT_FLUSH_NONE;
}

/* Nothing is mapped and no table is left but the root. */
static void stop(void)
{
    pagetable_release(&pt, &flush);
    EXPECT_EQ(pt.tables, 1);
    EXPECT_EQ(pages.live, 1);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K] | pt.leaves[PT_LEAF_2M], 0);
    fake_destroy(&pt);
    fake_done(&pages);
}

static void open_at(struct pt_slot *s, u64 va)
{
    if (pt_slot_open(&pt, va, 3, s))
        abort();
}

static void clear_all(struct pt_slot *s)
{
    for (u32 i = 0; i < PT_SLOT_PAGES; i++)
        pt_slot_clear(&pt, s, i);
}

static void expect_nothing_at(u64 va)
{
    EXPECT_EQ(pagetable_lookup(&pt, va, NULL, NULL, NULL), -ENOENT);
}

KTEST(pagetable_range, open_makes_tables)
{
    struct pt_slot a, b;

    start();
    open_at(&a, VA);
    EXPECT_EQ(pt.tables, 4);
    EXPECT_EQ(pages.node[(a.table_pa - pages.base) / PAGE_SIZE], 3);
    EXPECT_EQ(pt_slot_verify(&pt, &a), 0);
    expect_nothing_at(VA);
    open_at(&b, VA + PT_SLOT_BYTES); /* only its own table page is missing */
    EXPECT_EQ(pt.tables, 5);
    pt_slot_close(&pt, &a, &flush);
    EXPECT_EQ(pt.tables, 4); /* b keeps the tables above */
    EXPECT_EQ(pages.live, 5);
    EXPECT_NE(flush.start, flush.end); /* paging-structure caches */
    pagetable_release(&pt, &flush);
    EXPECT_EQ(pages.live, 4);
    EXPECT_EQ(pt_slot_verify(&pt, &b), 0);
    pt_slot_close(&pt, &b, &flush);
    stop();
}

KTEST(pagetable_range, open_refuses)
{
    struct pt_slot s, t;
    struct pt_flush f = PT_FLUSH_NONE;
    u64 hash;

    start();
    EXPECT_EQ(pt_slot_open(&pt, VA + PAGE_SIZE, 0, &s), -EINVAL);
    EXPECT_EQ(pt_slot_open(&pt, 0x800000000000ULL, 0, &s), -ERANGE);
    EXPECT_EQ(pt_slot_open(&pt, 0xffffffffffe00000ULL, 0, &s), -ERANGE);
    REQUIRE_EQ(pagetable_map_page(&pt, VA + PAGE_SIZE, BLOCK, PROT, 0), 0);
    REQUIRE_EQ(pagetable_map(&pt, VA + SZ_2M, BLOCK, SZ_2M, PROT, 0), 0);
    REQUIRE_EQ(pagetable_map(&pt, VA + SZ_1G, SZ_1G, SZ_1G, PROT, 0), 0);
    hash = fake_walk_hash(&pt);
    EXPECT_EQ(pt_slot_open(&pt, VA, 0, &s), -EEXIST);
    EXPECT_EQ(pt_slot_open(&pt, VA + SZ_2M, 0, &s), -EEXIST);
    EXPECT_EQ(pt_slot_open(&pt, VA + SZ_1G + SZ_2M, 0, &s), -EEXIST);
    EXPECT_EQ(fake_walk_hash(&pt), hash);
    /* A table page that an unmap has kept is taken over. */
    REQUIRE_EQ(pagetable_unmap(&pt, VA, PAGE_SIZE * 2, PT_KEEP_TABLES, &f), 0);
    pages.fail_after = 0;
    REQUIRE_EQ(pt_slot_open(&pt, VA, 0, &s), 0);
    EXPECT_EQ(pt_slot_open(&pt, VA, 0, &t), -EEXIST);
    pt_slot_close(&pt, &s, &flush);
    REQUIRE_EQ(pagetable_unmap(&pt, VA, 2 * SZ_1G, 0, &flush), 0);
    stop();
}

/* The k-th table page is not there: nothing has changed, nothing is kept. */
KTEST(pagetable_range, open_without_memory)
{
    struct pt_slot s;

    start();
    for (long k = 0; k < 3; k++) {
        pages.fail_after = k;
        EXPECT_EQ(pt_slot_open(&pt, VA, 0, &s), -ENOMEM);
        EXPECT_EQ(pages.live, 1);
        EXPECT_EQ(pt.tables, 1);
    }
    pages.fail_after = 3;
    EXPECT_EQ(pt_slot_open(&pt, VA, 0, &s), 0);
    pt_slot_close(&pt, &s, &flush);
    stop();
}

KTEST(pagetable_range, set_replace_clear)
{
    struct pt_slot s;
    u32 prot = ~0u;

    start();
    open_at(&s, VA);
    pt_slot_set_run(&pt, &s, 7, 1, BLOCK + 0x3000, 0);
    fake_expect_at(&pt, VA + 7 * PAGE_SIZE + 5, BLOCK + 0x3005, 0, PAGE_SIZE);
    EXPECT_EQ(s.table[7], (BLOCK + 0x3000) | 0x8000000000000061ULL); /* P, A, D, NX */
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 1);
    EXPECT_EQ(pt_slot_replace(&pt, &s, 7, BLOCK + 0x9000, PROT), BLOCK + 0x3000);
    fake_expect_at(&pt, VA + 7 * PAGE_SIZE, BLOCK + 0x9000, PROT, PAGE_SIZE);
    EXPECT_EQ(pt_slot_entry(&pt, &s, 7, &prot), BLOCK + 0x9000);
    EXPECT_EQ(prot, PROT);
    EXPECT_EQ(pt_slot_entry(&pt, &s, 8, NULL), 0);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 1);
    EXPECT_EQ(pt_slot_clear(&pt, &s, 7), BLOCK + 0x9000);
    EXPECT_EQ(pt_slot_clear(&pt, &s, 7), 0);
    expect_nothing_at(VA + 7 * PAGE_SIZE);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 0);
    pt_slot_set_run(&pt, &s, 500, 12, BLOCK, PROT);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 12);
    expect_nothing_at(VA + 499 * PAGE_SIZE);
    for (u32 i = 500; i < 512; i++)
        fake_expect_at(&pt, VA + i * PAGE_SIZE, BLOCK + (i - 500) * PAGE_SIZE, PROT, PAGE_SIZE);
    pt_slot_set_same(&pt, &s, 100, 3, BLOCK, PT_G);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 15);
    for (u32 i = 100; i < 103; i++)
        fake_expect_at(&pt, VA + i * PAGE_SIZE, BLOCK, PT_G, PAGE_SIZE);
    expect_nothing_at(VA + 103 * PAGE_SIZE);
    EXPECT_EQ(pt_slot_verify(&pt, &s), 0);
    EXPECT_TRUE(SHIM_PANICS(pt_slot_set_run(&pt, &s, 500, 1, BLOCK, PROT)));
    EXPECT_TRUE(SHIM_PANICS(pt_slot_set_run(&pt, &s, 499, 2, BLOCK, PROT)));
    pt_slot_clear(&pt, &s, 499);
    EXPECT_TRUE(SHIM_PANICS(pt_slot_set_run(&pt, &s, 510, 3, BLOCK, PROT)));
    EXPECT_TRUE(SHIM_PANICS((void)pt_slot_replace(&pt, &s, 3, BLOCK, PROT)));
    EXPECT_TRUE(SHIM_PANICS(pt_slot_close(&pt, &s, &flush)));
    EXPECT_EQ(pt_slot_verify(&pt, &s), -EINVAL); /* that close had begun */
    pt_store(s.dir, pt_make_table(s.table_pa) | PTE_SLOT);
    clear_all(&s);
    pt.leaves[PT_LEAF_4K] = 0; /* a set_run that panicked had not counted yet */
    pt_slot_close(&pt, &s, &flush);
    stop();
}

KTEST(pagetable_range, promote_and_demote)
{
    struct pt_slot s;
    const u64 *old;
    u32 prot = 0;

    start();
    open_at(&s, VA);
    pt_slot_set_run(&pt, &s, 0, PT_SLOT_PAGES, BLOCK, PROT);
    REQUIRE_EQ(pt_slot_promote(&pt, &s, BLOCK, PROT, &flush), 0);
    EXPECT_EQ(*s.dir & ~PTE_SLOT, BLOCK | 0x80000000000001e3ULL);
    fake_expect_at(&pt, VA + 0x1234567 % SZ_2M, BLOCK + 0x1234567 % SZ_2M, PROT, SZ_2M);
    EXPECT_EQ(flush.start, VA);
    EXPECT_EQ(flush.end, VA + SZ_2M);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 0);
    EXPECT_EQ(pt.leaves[PT_LEAF_2M], 1);
    EXPECT_EQ(pt.tables, 3);
    EXPECT_EQ(pages.live, 4); /* the table page waits for the flush */
    old = fake_map(&pages, flush.tables);
    REQUIRE_TRUE(old);
    for (u32 i = 0; i < PT_SLOT_PAGES; i++)
        EXPECT_EQ(old[i] & ~0xe00ULL, (BLOCK + i * PAGE_SIZE) | 0x8000000000000163ULL);
    EXPECT_EQ(pt_slot_verify(&pt, &s), 0);
    EXPECT_EQ(pt_slot_entry(&pt, &s, 9, &prot), BLOCK + 9 * PAGE_SIZE);
    EXPECT_EQ(prot, PROT);
    pagetable_release(&pt, &flush);
    EXPECT_EQ(pages.live, 3);

    pages.fail_after = 0;
    EXPECT_EQ(pt_slot_demote(&pt, &s, 0, &flush), -ENOMEM);
    EXPECT_TRUE(s.promoted);
    EXPECT_EQ(flush.start, flush.end);
    pages.fail_after = 1;
    REQUIRE_EQ(pt_slot_demote(&pt, &s, 0, &flush), 0);
    EXPECT_EQ(flush.start, VA);
    EXPECT_EQ(flush.end, VA + SZ_2M);
    EXPECT_EQ(pt.tables, 4);
    EXPECT_EQ(pages.node[(s.table_pa - pages.base) / PAGE_SIZE], 3);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], PT_SLOT_PAGES);
    EXPECT_EQ(pt.leaves[PT_LEAF_2M], 0);
    EXPECT_EQ(pt_slot_verify(&pt, &s), 0);
    for (u32 i = 0; i < PT_SLOT_PAGES; i++)
        fake_expect_at(&pt, VA + i * PAGE_SIZE, BLOCK + i * PAGE_SIZE, PROT, PAGE_SIZE);
    clear_all(&s);
    pt_slot_close(&pt, &s, &flush);
    stop();
}

/* The table page was put by: demotion needs no memory. */
KTEST(pagetable_range, demote_with_own_page)
{
    struct pt_slot s;
    u64 pa;

    start();
    open_at(&s, VA);
    pt_slot_set_run(&pt, &s, 0, PT_SLOT_PAGES, BLOCK, PT_W);
    REQUIRE_EQ(pages.src.alloc(&pages, 1, &pa), 0);
    pages.fail_after = 0;
    REQUIRE_EQ(pt_slot_promote(&pt, &s, BLOCK, PT_W, &flush), 0);
    REQUIRE_EQ(pt_slot_demote(&pt, &s, pa, &flush), 0);
    EXPECT_EQ(s.table_pa, pa);
    fake_expect_at(&pt, VA + SZ_2M - 1, BLOCK + SZ_2M - 1, PT_W, PAGE_SIZE);
    clear_all(&s);
    pt_slot_close(&pt, &s, &flush);
    stop();
}

KTEST(pagetable_range, promote_refuses)
{
    struct pt_slot s;
    u64 hash;

    start();
    open_at(&s, VA);
    pt_slot_set_run(&pt, &s, 0, 511, BLOCK, PROT);
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK, PROT, &flush), -EINVAL); /* a hole */
    pt_slot_set_run(&pt, &s, 511, 1, BLOCK, PROT);
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK, PROT, &flush), -EINVAL); /* another page */
    pt_slot_replace(&pt, &s, 511, BLOCK + 511 * PAGE_SIZE, PT_G);
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK, PROT, &flush), -EINVAL); /* read-only */
    pt_slot_replace(&pt, &s, 511, BLOCK + 511 * PAGE_SIZE, PROT);
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK, PT_W, &flush), -EINVAL);
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK + SZ_2M, PROT, &flush), -EINVAL);
    s.table[300] &= ~PTE_D; /* as nobody does: a store would have to set it */
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK, PROT, &flush), -EINVAL);
    s.table[300] |= PTE_D;
    EXPECT_EQ(flush.tables | flush.start | flush.end, 0);
    hash = fake_walk_hash(&pt);
    REQUIRE_EQ(pt_slot_promote(&pt, &s, BLOCK, PROT, &flush), 0);
    EXPECT_NE(fake_walk_hash(&pt), hash);
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK, PROT, &flush), -EINVAL);
    pt_slot_close(&pt, &s, &flush); /* a promoted slot goes as it is */
    expect_nothing_at(VA);
    pagetable_release(&pt, &flush);

    open_at(&s, VA); /* memory that is not aligned; executable pages */
    pt_slot_set_run(&pt, &s, 0, PT_SLOT_PAGES, BLOCK + PAGE_SIZE, PROT);
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK + PAGE_SIZE, PROT, &flush), -EINVAL);
    clear_all(&s);
    pt_slot_set_run(&pt, &s, 0, PT_SLOT_PAGES, BLOCK, PT_X);
    EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK, PT_X, &flush), -EINVAL);
    clear_all(&s);
    pt_slot_close(&pt, &s, &flush);
    stop();
}

/* Who does not own a slot cannot change it by the calls of mm/map/pagetable.h. */
KTEST(pagetable_range, belongs_to_its_owner)
{
    struct pt_slot s[512];
    u64 hash;

    start();
    for (u32 i = 0; i < 512; i++) {
        open_at(&s[i], VA + i * SZ_2M);
        pt_slot_set_run(&pt, &s[i], 0, PT_SLOT_PAGES, SZ_1G + i * SZ_2M, PROT);
        EXPECT_FALSE(s[i].promoted || pt_is_leaf(*s[i].dir, 2));
        REQUIRE_EQ(pt_slot_promote(&pt, &s[i], SZ_1G + i * SZ_2M, PROT, &flush), 0);
    }
    hash = fake_walk_hash(&pt);
    EXPECT_EQ(pt.leaves[PT_LEAF_2M], 512);
    EXPECT_EQ(pagetable_unmap(&pt, VA, SZ_1G, 0, &flush), -EBUSY);
    EXPECT_EQ(pagetable_unmap(&pt, VA + PAGE_SIZE, PAGE_SIZE, 0, &flush), -EBUSY);
    EXPECT_EQ(pagetable_map_page(&pt, VA, BLOCK, PROT, 0), -EEXIST);
    EXPECT_EQ(fake_walk_hash(&pt), hash);
    for (u32 i = 0; i < 512; i++)
        pt_slot_close(&pt, &s[i], &flush);
    open_at(&s[0], VA);
    EXPECT_EQ(pagetable_map_page(&pt, VA, BLOCK, PROT, 0), -EEXIST); /* though nothing is there */
    EXPECT_EQ(pagetable_unmap(&pt, VA, PAGE_SIZE, 0, &flush), -EBUSY);
    pt_slot_close(&pt, &s[0], &flush);
    stop();
}

KTEST(pagetable_range, verify_finds)
{
    struct pt_slot s, wrong;

    start();
    open_at(&s, VA);
    pt_slot_set_run(&pt, &s, 4, 1, BLOCK, PROT);
    wrong = s;
    wrong.promoted = true;
    EXPECT_EQ(pt_slot_verify(&pt, &wrong), -EINVAL);
    wrong = s;
    wrong.va += SZ_2M;
    EXPECT_EQ(pt_slot_verify(&pt, &wrong), -EINVAL);
    wrong = s;
    wrong.table_pa = pt.root_pa;
    EXPECT_EQ(pt_slot_verify(&pt, &wrong), -EINVAL);
    s.table[4] &= ~PTE_A;
    EXPECT_EQ(pt_slot_verify(&pt, &s), -EINVAL);
    s.table[4] |= PTE_A;
    *s.dir &= ~PTE_SLOT;
    EXPECT_EQ(pt_slot_verify(&pt, &s), -EINVAL);
    *s.dir |= PTE_SLOT;
    EXPECT_EQ(pt_slot_verify(&pt, &s), 0);
    pt_slot_clear(&pt, &s, 4);
    pt_slot_close(&pt, &s, &flush);
    stop();
}

/* While armed, the next look into the slot's table finds it promoted and its page given away. */
static struct pt_slot *armed;

static void *map_and_promote(void *ctx, u64 pa)
{
    struct pt_slot *s = armed;
    void *page = fake_map(ctx, pa);

    if (!s || pa != s->table_pa)
        return page;
    armed = NULL;
    EXPECT_EQ(pt_slot_promote(&pt, s, BLOCK, PROT, &flush), 0);
    pagetable_release(&pt, &flush);
    memset(page, 0x11, PAGE_SIZE); /* somebody else's now: looks present */
    return page;
}

/* pt_slot_entry does not believe a table page that was given away under it. */
KTEST(pagetable_range, entry_beside_release)
{
    struct pt_slot s;
    u32 prot = 0;

    start();
    pages.src.map = map_and_promote;
    open_at(&s, VA);
    pt_slot_set_run(&pt, &s, 0, PT_SLOT_PAGES, BLOCK, PROT);
    armed = &s;
    EXPECT_EQ(pt_slot_entry(&pt, &s, 77, &prot), BLOCK + 77 * PAGE_SIZE);
    EXPECT_EQ(prot, PROT);
    EXPECT_TRUE(s.promoted && !armed);
    pt_slot_close(&pt, &s, &flush);
    stop();
}

/* ---- a reader beside the owner --------------------------------------------------------------- */

static _Atomic bool reader_ends;
static _Atomic u64 looks, wrong_looks; /* looks: also how the owner knows that one has ended */

static void *reader(void *arg)
{
    u64 seed = 88172645463325252ULL;

    while (!atomic_load(&reader_ends)) {
        u64 pa = 0, off;
        u32 prot = 0;

        off = random_xorshift(&seed) % SZ_2M;
        if (pagetable_lookup(&pt, VA + off, &pa, &prot, NULL) || pa != BLOCK + off || prot != PROT)
            atomic_fetch_add(&wrong_looks, 1);
        pa = pt_slot_entry(&pt, arg, off / PAGE_SIZE, &prot);
        if (pa != BLOCK + align_down(off, PAGE_SIZE) || prot != PROT)
            atomic_fetch_add(&wrong_looks, 1);
        atomic_fetch_add(&looks, 1);
    }
    return NULL;
}

/* The reader's walk at the time of the call is over: what a shoot-down waits for. */
static void wait_for_reader(void)
{
    u64 seen = atomic_load(&looks);

    while (atomic_load(&looks) < seen + 2)
        sched_yield();
}

KTEST(pagetable_range, reader_beside_promotion)
{
    pthread_t thread;
    struct pt_slot s, beside;

    start();
    open_at(&s, VA);
    pt_slot_set_run(&pt, &s, 0, PT_SLOT_PAGES, BLOCK, PROT);
    atomic_store(&reader_ends, false);
    atomic_store(&looks, 0);
    atomic_store(&wrong_looks, 0);
    REQUIRE_EQ(pthread_create(&thread, NULL, reader, &s), 0);
    for (u32 round = 0; round < 500; round++) {
        EXPECT_EQ(pt_slot_promote(&pt, &s, BLOCK, PROT, &flush), 0);
        wait_for_reader();
        pagetable_release(&pt, &flush);
        open_at(&beside, VA + SZ_2M); /* may take the table page that was just given back */
        pt_slot_set_run(&pt, &beside, round, 1, BLOCK + SZ_2M, 0);
        EXPECT_EQ(pt_slot_demote(&pt, &s, 0, &flush), 0);
        pt_slot_clear(&pt, &beside, round);
        pt_slot_close(&pt, &beside, &flush);
        wait_for_reader();
        pagetable_release(&pt, &flush);
    }
    atomic_store(&reader_ends, true);
    pthread_join(thread, NULL);
    EXPECT_EQ(atomic_load(&wrong_looks), 0);
    ktest_note("%llu looks", (unsigned long long)atomic_load(&looks));
    clear_all(&s);
    pt_slot_close(&pt, &s, &flush);
    stop();
}
