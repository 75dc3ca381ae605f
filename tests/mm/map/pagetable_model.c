/*
 * Random map and unmap calls, with allocations that fail at random, against a flat
 * array that holds every page's address and permissions.
 * SPDX-License-Identifier: MIT
 */
#include "tests/host/random.h"
#include "tests/mm/map/fake_pages.h"
#include "kernel/base/ktest.h"
#include "mm/map/pagetable.h"

/* What a page is mapped to, with the permissions in the low bits; 0: nothing. */
#define PRESENT 0x800u

struct model {
    u64 base, n_pages;
    u64 *page;
    struct fake_pages pages;
    struct pagetable pt;
    u64 seed;
};

static u64 rnd(struct model *m, u64 below)
{
    return random_xorshift(&m->seed) % below;
}

struct check {
    struct model *m;
    u64 at; /* first page not yet compared */
    u64 wrong;
    u64 leaves[PT_LEAF_KINDS], tables;
    u64 in_2m, in_1g, in_512g; /* the region the last leaf was in, for counting tables */
};

static void count_tables(struct check *c, const struct pt_leaf *leaf)
{
    c->tables += c->in_512g != leaf->va >> 39;
    c->in_512g = leaf->va >> 39;
    if (leaf->size < SZ_1G) {
        c->tables += c->in_1g != leaf->va >> 30;
        c->in_1g = leaf->va >> 30;
    }
    if (leaf->size < SZ_2M) {
        c->tables += c->in_2m != leaf->va >> 21;
        c->in_2m = leaf->va >> 21;
    }
}

static int check_leaf(void *ctx, const struct pt_leaf *leaf)
{
    struct check *c = ctx;
    u64 i = (leaf->va - c->m->base) >> PAGE_SHIFT, n = leaf->size >> PAGE_SHIFT;

    for (; c->at < i; c->at++)
        c->wrong += c->m->page[c->at] != 0;
    for (u64 k = 0; k < n; k++)
        c->wrong += c->m->page[i + k] != ((leaf->pa + (k << PAGE_SHIFT)) | leaf->prot | PRESENT);
    c->at = i + n;
    c->leaves[leaf->size == SZ_1G ? PT_LEAF_1G : leaf->size == SZ_2M ? PT_LEAF_2M : PT_LEAF_4K]++;
    count_tables(c, leaf);
    return 0;
}

static bool agrees(struct model *m)
{
    struct check c = {.m = m, .tables = 1, .in_2m = ~0ULL, .in_1g = ~0ULL, .in_512g = ~0ULL};

    if (pagetable_walk(&m->pt, 0, 0, check_leaf, &c))
        return false;
    for (; c.at < m->n_pages; c.at++)
        c.wrong += m->page[c.at] != 0;
    return !c.wrong && c.tables == m->pt.tables && m->pages.live == m->pt.tables &&
           !memcmp(c.leaves, m->pt.leaves, sizeof(c.leaves));
}

/* A range that likes the borders of large leaves. */
static void pick(struct model *m, u64 *first, u64 *n)
{
    static const u64 units[] = {1, 512, 512, 512 * 512};
    u64 unit = units[rnd(m, 4)], start, end;

    start = rnd(m, m->n_pages) / unit * unit;
    unit = units[rnd(m, 4)];
    end = start + (1 + rnd(m, 3)) * unit;
    if (rnd(m, 3) == 0)
        end += rnd(m, 5);
    if (rnd(m, 3) == 0)
        start += rnd(m, 3);
    end = MIN(end, m->n_pages);
    *first = MIN(start, m->n_pages - 1);
    *n = MAX(end, *first + 1) - *first;
}

static int do_map(struct model *m, u64 first, u64 n)
{
    static const u32 limits[] = {0, 0, PT_MAX_2M, PT_MAX_4K};
    u32 prot = rnd(m, PT_PROT + 1), limit = limits[rnd(m, n > 8192 ? 3 : 4)];
    /* Memory congruent to the address, so that leaves can be large; sometimes not quite. */
    u64 pa = (u64)(1 + rnd(m, 3)) * (64 * SZ_1G) + (first << PAGE_SHIFT) + (m->base & (SZ_1G - 1)) +
             (n < 2048 && rnd(m, 4) == 0 ? PAGE_SIZE : 0);
    int err = pagetable_map(&m->pt, m->base + (first << PAGE_SHIFT), pa, n << PAGE_SHIFT,
                            prot | limit, 0);

    for (u64 i = 0; i < n; i++) {
        if (m->page[first + i])
            return err == -EEXIST ? err : 1;
    }
    for (u64 i = 0; i < n && !err; i++)
        m->page[first + i] = (pa + (i << PAGE_SHIFT)) | prot | PRESENT;
    return err == -EEXIST ? 1 : err;
}

static int do_unmap(struct model *m, u64 first, u64 n, struct pt_flush *flush)
{
    int err = pagetable_unmap(&m->pt, m->base + (first << PAGE_SHIFT), n << PAGE_SHIFT, 0, flush);

    for (u64 i = 0; i < n && !err; i++) {
        u64 va = m->base + ((first + i) << PAGE_SHIFT);

        if (m->page[first + i] && (va < flush->start || va >= flush->end))
            return 1;
        m->page[first + i] = 0;
    }
    return err;
}

/* One call of some kind; 1 when its result was not the one the model expects. */
static int step(struct model *m)
{
    struct pt_flush flush = PT_FLUSH_NONE;
    u64 first, n;
    int err;

    pick(m, &first, &n);
    m->pages.fail_after = rnd(m, 2) == 0 ? (long)rnd(m, 4) : -1;
    if (rnd(m, 10) < 6)
        err = do_map(m, first, n);
    else
        err = do_unmap(m, first, n, &flush);
    if (err == -ENOMEM && (m->pages.fail_after || flush.tables || flush.end))
        return 1;
    pagetable_release(&m->pt, &flush);
    return err;
}

static void run(u64 base, u64 n_pages, bool has_1g, u64 seed, int steps, int check_every)
{
    struct model m = {.base = base, .n_pages = n_pages, .seed = seed};
    u64 done = 0, refused = 0, failed = 0;

    m.page = calloc(n_pages, sizeof(*m.page));
    fake_init(&m.pages, SZ_1M);
    REQUIRE_EQ(pagetable_init(&m.pt, &m.pages.src, 0, has_1g, true), 0);
    for (int i = 0; i < steps; i++) {
        int err = step(&m);

        EXPECT_NE(err, 1);
        done += err == 0;
        failed += err == -ENOMEM;
        refused += err < 0 && err != -ENOMEM;
        if ((i % check_every == 0 || err == 1) && !agrees(&m)) {
            ktest_fail(__FILE__, __LINE__, "seed %llu: tables and model differ after step %d",
                       (unsigned long long)seed, i);
            break;
        }
    }
    EXPECT_TRUE(agrees(&m));
    ktest_note("%llu done, %llu refused, %llu without memory", (unsigned long long)done,
               (unsigned long long)refused, (unsigned long long)failed);
    EXPECT_TRUE(done && refused && failed);
    fake_destroy(&m.pt);
    EXPECT_EQ(m.pages.live, 0);
    fake_done(&m.pages);
    free(m.page);
}

/* 16 MiB across a border of 1 GiB and of 512 GiB, everything compared after every call. */
KTEST(pagetable_model, small_window)
{
    for (u64 seed = 1; seed <= 4; seed++)
        run(0xffffe08000000000ULL - 4 * SZ_2M, 4096, seed & 1, seed * 7919, 1500, 1);
}

/* 3 GiB, so that 1 GiB leaves come and split. */
KTEST(pagetable_model, large_window)
{
    for (u64 seed = 1; seed <= 2; seed++)
        run(0xffffe00040000000ULL, 3 * 512 * 512, true, seed * 104729, 600, 20);
}

/* The lower half works as well (the trampoline's page lies there). */
KTEST(pagetable_model, lower_half)
{
    run(0, 2048, false, 31337, 1000, 1);
}
