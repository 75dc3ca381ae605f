/*
 * Random areas and congruent sets in a small window against a map of its pages: a request must
 * succeed exactly when some place fits, a congruent set must get the lowest place, and every page
 * must be known by its owner.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "mm/map/vspace.h"
#include "tests/host/random.h"

#define PAGES    192
#define MAX_SETS 64
#define MAX_N    5
#define BASE     0xffffc00000000000ULL
#define P        PAGE_SIZE

/* What was handed out: one area, or a congruent set. Numbers are pages from BASE. */
struct handed {
    bool live, congruent;
    u32 n, guard;
    s64 base;
    u64 off[MAX_N], size[MAX_N];
};

struct model {
    struct vspace vs;
    int owner[PAGES]; /* index of handed, or -1 */
    bool guard[PAGES];
    struct handed h[MAX_SETS];
    u64 seed;
    u32 done, full;
};

static u64 rnd(struct model *m, u64 below)
{
    return random_xorshift(&m->seed) % below;
}

static bool free_pages(const struct model *m, s64 first, u64 n)
{
    if (first < 0 || (u64)first + n > PAGES)
        return false;
    for (u64 i = 0; i < n; i++) {
        if (m->owner[(u64)first + i] >= 0)
            return false;
    }
    return true;
}

/* Marks all pages of h as its own, or (own false) as nobody's. */
static void mark(struct model *m, const struct handed *h, bool own)
{
    int index = own ? (int)(h - m->h) : -1;

    for (u32 a = 0; a < h->n; a++) {
        for (s64 i = -(s64)h->guard; i < (s64)h->size[a]; i++) {
            m->owner[h->base + (s64)h->off[a] + i] = index;
            m->guard[h->base + (s64)h->off[a] + i] = own && i < 0;
        }
    }
}

static bool set_fits(const struct model *m, const struct handed *h, s64 base)
{
    for (u32 a = 0; a < h->n; a++) {
        if (!free_pages(m, base + (s64)h->off[a], h->size[a]))
            return false;
    }
    return true;
}

static void do_single(struct model *m, struct handed *h)
{
    u64 align = 1ULL << rnd(m, 4), size = 1 + rnd(m, 12), guard = rnd(m, 3), va;
    struct varea_tag tag = {"area", (s32)(h - m->h)};
    bool possible = false;
    s64 first;
    int err;

    for (s64 at = 0; at < PAGES && !possible; at += (s64)align)
        possible = free_pages(m, at - (s64)guard, guard + size);
    err = vspace_alloc(&m->vs, size * P, align * P, guard * P, tag, &va);
    EXPECT_EQ(err, possible ? 0 : -ENOSPC);
    m->full += err != 0;
    if (err)
        return;
    first = (s64)((va - BASE) / P);
    EXPECT_TRUE(is_aligned(va, align * P));
    EXPECT_TRUE(free_pages(m, first - (s64)guard, guard + size));
    *h = (struct handed){true, false, 1, (u32)guard, first, {0}, {size}};
    mark(m, h, true);
}

/* Areas at rising places with random gaps, then shuffled. */
static void pick_set(struct model *m, struct handed *h, u64 align)
{
    u64 at = rnd(m, 4) * align;

    *h = (struct handed){.congruent = true, .n = 1 + (u32)rnd(m, MAX_N)};
    for (u32 a = 0; a < h->n; a++) {
        h->off[a] = at;
        h->size[a] = align * (1 + rnd(m, 3));
        at += h->size[a] + align * rnd(m, 8);
    }
    for (u32 a = h->n - 1; a > 0; a--) {
        u32 b = (u32)rnd(m, a + 1);
        u64 off = h->off[a], size = h->size[a];

        h->off[a] = h->off[b];
        h->size[a] = h->size[b];
        h->off[b] = off;
        h->size[b] = size;
    }
}

static void do_congruent(struct model *m, struct handed *h)
{
    u64 align = 1ULL << rnd(m, 3), off[MAX_N], size[MAX_N], base;
    s64 want;
    int err;

    pick_set(m, h, align);
    for (u32 a = 0; a < h->n; a++) {
        off[a] = h->off[a] * P;
        size[a] = h->size[a] * P;
    }
    for (want = -PAGES; want < PAGES && !set_fits(m, h, want); want += (s64)align)
        ;
    err = vspace_alloc_congruent(&m->vs, off, size, h->n, align * P, "set", &base);
    EXPECT_EQ(err, want < PAGES ? 0 : -ENOSPC);
    if (!err)
        EXPECT_EQ(base, BASE + (u64)want * P);
    m->full += err != 0;
    h->live = !err;
    h->base = want;
    if (!err)
        mark(m, h, true);
}

static void do_free(struct model *m, struct handed *h)
{
    u64 off[MAX_N], base = BASE + (u64)h->base * P;

    for (u32 a = 0; a < h->n; a++)
        off[a] = h->off[a] * P;
    if (h->n > 1 && rnd(m, 4) == 0) { /* one area twice: nothing may change */
        off[h->n - 1] = off[0];
        EXPECT_EQ(vspace_free_congruent(&m->vs, base, off, h->n), -ENOENT);
        off[h->n - 1] = h->off[h->n - 1] * P;
    }
    if (h->congruent)
        EXPECT_EQ(vspace_free_congruent(&m->vs, base, off, h->n), 0);
    else
        EXPECT_EQ(vspace_free(&m->vs, base), 0);
    mark(m, h, false);
    h->live = false;
}

static void check_page(const struct model *m, u32 page)
{
    u64 addr = BASE + page * P + 0x123;
    const struct varea *area = vspace_find(&m->vs, addr);
    const struct handed *h;

    EXPECT_EQ(area != NULL, m->owner[page] >= 0);
    if (!area || m->owner[page] < 0)
        return;
    h = &m->h[m->owner[page]];
    EXPECT_EQ(addr < area->va, m->guard[page]);
    EXPECT_EQ(!!(area->flags & VAREA_CONGRUENT), h->congruent);
    if (h->congruent)
        EXPECT_EQ(area->va, BASE + ((u64)h->base + h->off[area->owner]) * P);
    else
        EXPECT_EQ(area->owner, m->owner[page]);
}

static struct varea *grow(void *ctx, u32 count)
{
    (void)ctx;
    return malloc(count * sizeof(struct varea));
}

static void shrink(void *ctx, struct varea *areas, u32 count)
{
    (void)ctx;
    (void)count;
    free(areas);
}

static void run(u64 seed, u32 steps)
{
    static const struct vspace_storage storage = {grow, shrink, NULL};
    static struct model m;
    u32 live = 0;

    m = (struct model){.seed = seed};
    for (u32 i = 0; i < PAGES; i++)
        m.owner[i] = -1;
    REQUIRE_EQ(vspace_init(&m.vs, "model", BASE, PAGES * P, NULL, 0, &storage), 0);
    for (u32 i = 0; i < steps; i++) {
        struct handed *h = &m.h[rnd(&m, MAX_SETS)];

        /* Long spells of filling and of draining. */
        if (h->live && (i / 200 % 2 || rnd(&m, 3) == 0))
            do_free(&m, h);
        else if (!h->live && rnd(&m, 3) == 0)
            do_single(&m, h);
        else if (!h->live)
            do_congruent(&m, h);
        EXPECT_EQ(vspace_verify(&m.vs), 0);
        for (u32 page = 0; page < PAGES; page++)
            check_page(&m, page);
    }
    EXPECT_TRUE(m.full > 0);
    for (u32 i = 0; i < MAX_SETS; i++)
        live += m.h[i].live;
    ktest_note("seed %llu: %u sets live at the end, %u refused for want of room",
               (unsigned long long)seed, live, m.full);
    free(m.vs.areas);
}

KTEST(vspace_model, random_areas)
{
    for (u64 seed = 1; seed <= 6; seed++)
        run(seed * 15485863, 3000);
}
