/*
 * Walk, statistics and verify of a chunk: verify must see every kind of damage.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/chunk/chunk_rig.h"

#define B     PCPU_BLOCK_GRANULES
#define TAG_8 PCPU_CLASS_8

/* ---- walk and statistics --------------------------------------------------------------------- */

struct seen {
    u32 n, off[16], size[16];
    u8 tag[16];
};

static int see(void *ctx, u32 off, u32 size, u8 tag)
{
    struct seen *s = ctx;

    s->off[s->n] = off;
    s->size[s->n] = size;
    s->tag[s->n++] = tag;
    return off == 40000 ? 77 : 0;
}

KTEST(chunk_stats, walk_in_order)
{
    struct chunk_rig r;
    struct seen s = {0};

    rig_make(&r, 12);
    rig_populate(&r, 11);
    EXPECT_EQ(pcpu_chunk_walk(&r.c, see, &s), 0);
    EXPECT_EQ(s.n, 0);
    EXPECT_EQ(rig_alloc(&r, 2, 2, TAG_8 | PCPU_TAG_OWNED), 0);
    EXPECT_EQ(rig_alloc(&r, 1021, 1, PCPU_TAG_BIG), 8); /* ends one before the border */
    EXPECT_EQ(rig_alloc(&r, 5000, 1, PCPU_TAG_BIG | PCPU_TAG_OWNED), 4092);
    EXPECT_EQ(rig_alloc(&r, 1, 1, PCPU_CLASS_4), 24092);
    EXPECT_EQ(pcpu_chunk_walk(&r.c, see, &s), 0);
    EXPECT_EQ(s.n, 4);
    EXPECT_TRUE(s.off[0] == 0 && s.size[0] == 8 && s.tag[0] == (TAG_8 | PCPU_TAG_OWNED));
    EXPECT_TRUE(s.off[1] == 8 && s.size[1] == 4084 && s.tag[1] == PCPU_TAG_BIG);
    EXPECT_TRUE(s.off[2] == 4092 && s.size[2] == 20000);
    EXPECT_TRUE(s.off[3] == 24092 && s.size[3] == 4 && s.tag[3] == PCPU_CLASS_4);

    EXPECT_EQ(rig_alloc(&r, 3976, 1, PCPU_TAG_BIG), 24096);
    EXPECT_EQ(rig_alloc(&r, 2, 2, TAG_8), 40000);
    EXPECT_EQ(rig_alloc(&r, 2, 2, TAG_8), 40008);
    s.n = 0;
    EXPECT_EQ(pcpu_chunk_walk(&r.c, see, &s), 77);
    EXPECT_EQ(s.n, 6);
    rig_free(&r);
}

KTEST(chunk_stats, statistics)
{
    struct chunk_rig r;
    struct pcpu_chunk_stats s;

    rig_make(&r, 4);
    pcpu_chunk_stats(&r.c, &s);
    EXPECT_TRUE(!s.nr_objects && !s.free_bytes && !s.max_size && !s.med_size && !s.sum_frag);
    EXPECT_EQ(s.first_free, 4 * 4096);

    rig_populate(&r, 2);
    pcpu_chunk_stats(&r.c, &s);
    EXPECT_TRUE(s.free_bytes == 8192 && s.largest_free == 8192 && s.first_free == 0);

    /* 8, 16, 24, 400, 4000 bytes; the second and the fourth go. */
    EXPECT_EQ(rig_alloc(&r, 2, 2, TAG_8), 0);
    EXPECT_EQ(rig_alloc(&r, 4, 2, TAG_8 + 1), 8);
    EXPECT_EQ(rig_alloc(&r, 6, 2, TAG_8 + 2), 24);
    EXPECT_EQ(rig_alloc(&r, 100, 2, TAG_8 + 49), 48);
    EXPECT_EQ(rig_alloc(&r, 1000, 1, PCPU_TAG_BIG), 448);
    pcpu_chunk_stats(&r.c, &s);
    EXPECT_TRUE(s.nr_objects == 5 && s.min_size == 8 && s.med_size == 24 && s.max_size == 4000);
    EXPECT_TRUE(s.sum_frag == 0 && s.max_frag == 0 && s.first_free == 4448);
    pcpu_chunk_free(&r.c, 2, (u32[2]){8, 48});
    pcpu_chunk_stats(&r.c, &s);
    EXPECT_TRUE(s.nr_objects == 3 && s.min_size == 8 && s.med_size == 24 && s.max_size == 4000);
    EXPECT_EQ(s.sum_frag, 416);
    EXPECT_EQ(s.max_frag, 400);
    EXPECT_EQ(s.first_free, 8);
    EXPECT_EQ(s.free_bytes, 8192 - 4032);
    EXPECT_EQ(s.largest_free, 8192 - 4448);
    /* Of an even number the lower one. */
    pcpu_chunk_free(&r.c, 1, (u32[1]){24});
    pcpu_chunk_stats(&r.c, &s);
    EXPECT_TRUE(s.nr_objects == 2 && s.med_size == 8 && s.max_size == 4000);
    EXPECT_EQ(s.max_frag, 440);
    rig_free(&r);
}

/* ---- verify ---------------------------------------------------------------------------------- */

/* A chunk of 5 blocks: 0..2 populated, 0 with objects, 3 on its way back, 4 unpopulated. */
static void damaged_make(struct chunk_rig *r)
{
    u32 offs[8], block;

    rig_make(r, 5);
    rig_populate(r, 4);
    EXPECT_EQ(pcpu_chunk_take_empty(&r->c, 1, &block), 1);
    EXPECT_EQ(pcpu_chunk_alloc(&r->c, 4, 2, TAG_8 + 1, 8, offs), 8);
    EXPECT_EQ(rig_alloc(r, 1000, 1, PCPU_TAG_BIG), 128);
    pcpu_chunk_free(&r->c, 1, &offs[2]);
    EXPECT_SOUND(r);
}

#define EXPECT_CAUGHT(r, damage)                                                                   \
    do {                                                                                           \
        damaged_make(r);                                                                           \
        damage;                                                                                    \
        if (!pcpu_chunk_verify(&(r)->c, 0))                                                        \
            ktest_fail(__FILE__, __LINE__, "not seen: %s", #damage);                               \
        rig_free(r);                                                                               \
    } while (0)

KTEST(chunk_stats, verify_sees_damage_in_blocks)
{
    struct chunk_rig r;

    EXPECT_CAUGHT(&r, r.meta[1]->taken[15] |= 1ULL << 63); /* taken by nobody */
    EXPECT_CAUGHT(&r, r.meta[0]->taken[0] &= ~1ULL);       /* an object lost a granule */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[1] = TAG_8);          /* an object in an object */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[0] = 0);              /* one lost its tag */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[0] = PCPU_CLASSES);   /* no class */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[0] = PCPU_TAG_OWNED); /* no kind */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[0] = TAG_8);          /* smaller than it is */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[8] = PCPU_CLASS_4);   /* in the hole */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[33]++);               /* the big one's size */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[36] = 1);             /* beyond the unit */
    EXPECT_CAUGHT(&r, r.meta[0]->tag[34] |= 0x80);         /* a size that looks like an object */
    EXPECT_CAUGHT(&r, r.meta[1]->tag[900] = TAG_8);        /* in free memory */
    EXPECT_CAUGHT(&r, r.meta[0]->word_run[0]++);
    EXPECT_CAUGHT(&r, r.meta[0]->free++);
    EXPECT_CAUGHT(&r, r.meta[3]->taken[4] = 1); /* a block leaves that is not free */
    EXPECT_CAUGHT(&r, r.meta[3]->tag[4] = 1);
    EXPECT_CAUGHT(&r, r.meta[3]->free--);
}

KTEST(chunk_stats, verify_sees_damage_in_the_summary)
{
    struct chunk_rig r;

    EXPECT_CAUGHT(&r, r.c.free_granules++);
    EXPECT_CAUGHT(&r, r.c.nr_empty--);
    EXPECT_CAUGHT(&r, r.c.nr_busy++);
    EXPECT_CAUGHT(&r, r.c.nr_absent++);
    EXPECT_CAUGHT(&r, r.c.nr_populated++);
    EXPECT_CAUGHT(&r, r.c.state[2] = PCPU_BUSY);
    EXPECT_CAUGHT(&r, r.c.state[3] = PCPU_UNPOPULATED);
    EXPECT_CAUGHT(&r, r.c.blocks[1] = NULL);
    EXPECT_CAUGHT(&r, r.c.start = 1);
    EXPECT_CAUGHT(&r, r.c.end--);
    for (u32 node = 0; node < 9; node++) {
        EXPECT_CAUGHT(&r, r.c.level[0][node].pop.pre++);
        EXPECT_CAUGHT(&r, r.c.level[0][node].pop.suf--);
        EXPECT_CAUGHT(&r, r.c.level[0][node].pop.max++);
        EXPECT_CAUGHT(&r, r.c.level[0][node].all.pre--);
        EXPECT_CAUGHT(&r, r.c.level[0][node].all.suf++);
        EXPECT_CAUGHT(&r, r.c.level[0][node].all.max--);
        EXPECT_CAUGHT(&r, r.c.level[0][node].nr_unpopulated++);
        EXPECT_CAUGHT(&r, r.c.level[0][node].nr_empty++);
    }
}
