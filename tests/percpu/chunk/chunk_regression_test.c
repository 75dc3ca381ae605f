/*
 * Weaknesses of Linux's chunk that must not come back here, by name. Linux keeps, per chunk and per
 * block, a hint of the largest hole and where scanning may begin, which is not always true.
 * SPDX-License-Identifier: MIT
 */
#include "tests/host/random.h"
#include "tests/percpu/chunk/chunk_rig.h"

#define B       PCPU_BLOCK_GRANULES
#define BLOCKS  8
#define TAG_8   PCPU_CLASS_8
#define OBJECTS (BLOCKS * B / 2)

static bool full_of_8(struct chunk_rig *r, u32 *offs)
{
    rig_make(r, BLOCKS);
    rig_populate(r, BLOCKS);
    return pcpu_chunk_alloc(&r->c, 2, 2, TAG_8, OBJECTS, offs) == OBJECTS &&
           pcpu_chunk_max_populated(&r->c) == 0;
}

/*
 * The hint defect: a free inside a block other than the first leaves the chunk looking full. Each
 * object of a full chunk is freed and must be seen by the root, and be found, at once.
 */
KTEST(chunk_regression, free_inside_a_later_block)
{
    static u32 offs[OBJECTS];
    struct chunk_rig r;

    REQUIRE_TRUE(full_of_8(&r, offs));
    for (u32 i = 0; i < OBJECTS; i++) {
        pcpu_chunk_free(&r.c, 1, &offs[i]);
        REQUIRE_EQ(pcpu_chunk_max_populated(&r.c), 2);
        REQUIRE_EQ(pcpu_chunk_max_any(&r.c), 2);
        if (i % 64 == 0)
            EXPECT_SOUND(&r);
        REQUIRE_EQ(rig_alloc(&r, 2, 2, TAG_8), offs[i]);
        REQUIRE_EQ(pcpu_chunk_max_populated(&r.c), 0);
    }
    rig_free(&r);
}

/* The same, the holes piling up: from block 1 on, from above and from below. */
KTEST(chunk_regression, holes_of_later_blocks_pile_up)
{
    static u32 offs[OBJECTS];
    struct chunk_rig r;
    u32 first = B / 2;

    for (u32 down = 0; down < 2; down++) {
        REQUIRE_TRUE(full_of_8(&r, offs));
        for (u32 i = first; i < OBJECTS; i++) {
            u32 k = down ? OBJECTS + first - 1 - i : i, holes = i - first + 1;

            pcpu_chunk_free(&r.c, 1, &offs[k]);
            REQUIRE_EQ(pcpu_chunk_max_populated(&r.c), 2 * holes);
            REQUIRE_EQ(r.c.free_granules, 2 * holes);
        }
        EXPECT_SOUND(&r);
        EXPECT_EQ(rig_alloc(&r, 7 * B, 1, PCPU_TAG_BIG), 4 * B);
        rig_free(&r);
    }
}

/* ---- churn ----------------------------------------------------------------------------------- */

struct churn {
    struct chunk_rig r;
    u32 live[OBJECTS], n;
    u64 seed;
    u32 refused, granted;
};

static u32 rnd(struct churn *c, u32 below)
{
    return (u32)(random_xorshift(&c->seed) % below);
}

/* Is there a place, by trying every one? */
static bool any_place(const struct pcpu_chunk *c, u32 size, u32 align)
{
    for (u32 at = 0; at + size <= c->nr_blocks * B; at += align) {
        u32 n = 0;

        while (n < size &&
               !(c->blocks[(at + n) / B]->taken[(at + n) % B / 64] >> (at + n) % 64 & 1))
            n++;
        if (n == size)
            return true;
    }
    return false;
}

static void churn_alloc(struct churn *c)
{
    static const u16 sizes[][2] = {{1, 1},  {2, 2},   {2, 2},   {6, 2},   {16, 2},     {16, 16},
                                   {50, 2}, {64, 64}, {128, 2}, {300, 4}, {1024, 1024}};
    const u16 *s = sizes[rnd(c, ARRAY_SIZE(sizes))];
    u32 off = rig_alloc(&c->r, s[0], s[1], rig_tag(s[0], s[1]));

    if (off != ~0u) {
        c->live[c->n++] = off;
        c->granted++;
        return;
    }
    c->refused++;
    EXPECT_FALSE(any_place(&c->r.c, s[0], s[1]));
}

static void churn_free(struct churn *c)
{
    u32 k = rnd(c, c->n);

    pcpu_chunk_free(&c->r.c, 1, &c->live[k]);
    c->live[k] = c->live[--c->n];
}

/* Linux's churn: near full, at random; what is refused must not have had a place. */
KTEST(chunk_regression, churn_near_full)
{
    static struct churn c;

    c.seed = 20090220;
    rig_make(&c.r, BLOCKS);
    rig_populate(&c.r, BLOCKS);
    for (u32 i = 0; i < 60000; i++) {
        bool near_full = c.r.c.free_granules < BLOCKS * B / 12;

        if (c.n && rnd(&c, 16) < (near_full ? 9u : 5u))
            churn_free(&c);
        else
            churn_alloc(&c);
        if (i % 256 == 0)
            EXPECT_SOUND(&c.r);
    }
    ktest_note("%u granted, %u refused", c.granted, c.refused);
    EXPECT_LT(1000, c.refused);
    EXPECT_LT(10000, c.granted);
    while (c.n)
        churn_free(&c);
    EXPECT_EQ(pcpu_chunk_max_populated(&c.r.c), BLOCKS * B);
    EXPECT_EQ(c.r.c.nr_empty, BLOCKS);
    EXPECT_SOUND(&c.r);
    rig_free(&c.r);
}
