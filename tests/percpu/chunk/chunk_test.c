/*
 * The bookkeeping of a chunk: block states, regions, objects of every shape.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/chunk/chunk_rig.h"

#define B       PCPU_BLOCK_GRANULES
#define TAG_8   (PCPU_CLASS_8)
#define NOTHING (~0u)
#define OFF(g)  ((g)*PCPU_GRANULE)
#define OWNED   PCPU_TAG_OWNED

/* start and end in bytes. */
static void make_region(struct chunk_rig *r, u32 nr_blocks, size_t start, size_t end)
{
    memset(r, 0, sizeof(*r));
    r->memory = rig_rubbish(pcpu_chunk_bytes(nr_blocks));
    for (size_t b = start / PCPU_BLOCK_SIZE; b * PCPU_BLOCK_SIZE < end; b++)
        r->meta[b] = rig_rubbish(sizeof(struct pcpu_block));
    pcpu_chunk_init_region(&r->c, nr_blocks, r->memory, start, end,
                           &r->meta[start / PCPU_BLOCK_SIZE]);
}

/* BUSY -> POPULATED. */
static void populated(struct chunk_rig *r, u32 block)
{
    r->meta[block] = rig_meta();
    pcpu_chunk_populate_done(&r->c, 1, &block, &r->meta[block]);
}

/* BUSY -> UNPOPULATED; the metadata must come back. */
static void unpopulated(struct chunk_rig *r, u32 block)
{
    struct pcpu_block *meta;

    pcpu_chunk_unpopulate_done(&r->c, 1, &block, &meta);
    EXPECT_TRUE(meta == r->meta[block]);
    if (meta) {
        struct pcpu_block *clean = rig_meta();

        EXPECT_EQ(memcmp(meta, clean, sizeof(*clean)), 0);
        free(clean);
    }
    free(r->meta[block]);
    r->meta[block] = NULL;
}

/* ---- creation and states --------------------------------------------------------------------- */

KTEST(chunk, fresh_of_every_size)
{
    for (u32 n = 1; n <= 130; n++) {
        struct chunk_rig r;

        rig_make(&r, n);
        EXPECT_TRUE(is_aligned(pcpu_chunk_bytes(n), 64));
        EXPECT_EQ(pcpu_chunk_max_any(&r.c), n * B);
        EXPECT_EQ(pcpu_chunk_max_populated(&r.c), 0);
        EXPECT_EQ(rig_alloc(&r, 1, 1, PCPU_CLASS_4), NOTHING);
        EXPECT_TRUE(pcpu_chunk_tag(&r.c, 0) == NULL);
        EXPECT_SOUND(&r);
        rig_free(&r);
    }
}

KTEST(chunk, life_of_a_block)
{
    struct chunk_rig r;
    u32 blocks[4], first, count, busy;

    rig_make(&r, 3);
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 2, 2, &first, &count, &busy), 0);
    EXPECT_TRUE(first == 0 && count == 1 && busy == 1);
    EXPECT_EQ(r.c.state[0], PCPU_BUSY);
    EXPECT_EQ(r.c.nr_busy, 1);
    EXPECT_EQ(pcpu_chunk_max_any(&r.c), 2 * B); /* somebody else's */
    EXPECT_SOUND(&r);

    populated(&r, 0);
    EXPECT_EQ(r.c.state[0], PCPU_POPULATED);
    EXPECT_TRUE(r.c.nr_populated == 1 && r.c.nr_busy == 0 && r.c.nr_empty == 1);
    EXPECT_EQ(r.c.free_granules, B);
    EXPECT_EQ(pcpu_chunk_max_populated(&r.c), B);
    EXPECT_EQ(pcpu_chunk_max_any(&r.c), 3 * B);
    EXPECT_SOUND(&r);

    EXPECT_EQ(pcpu_chunk_take_empty(&r.c, 4, blocks), 1);
    EXPECT_EQ(blocks[0], 0);
    EXPECT_EQ(r.c.state[0], PCPU_BUSY);
    EXPECT_TRUE(r.c.nr_populated == 0 && r.c.nr_busy == 1 && r.c.nr_empty == 0);
    EXPECT_EQ(r.c.free_granules, 0);
    EXPECT_EQ(rig_alloc(&r, 2, 2, TAG_8), NOTHING);
    EXPECT_SOUND(&r);

    pcpu_chunk_unpopulate_cancel(&r.c, 1, &(u32){0});
    EXPECT_TRUE(r.c.nr_populated == 1 && r.c.nr_busy == 0 && r.c.nr_empty == 1);
    EXPECT_EQ(rig_alloc(&r, 2, 2, TAG_8), 0);
    EXPECT_SOUND(&r);
    EXPECT_EQ(pcpu_chunk_take_empty(&r.c, 4, blocks), 0);
    EXPECT_EQ(pcpu_chunk_free(&r.c, 1, &(u32){0}), 1);

    EXPECT_EQ(pcpu_chunk_take_empty(&r.c, 4, blocks), 1);
    unpopulated(&r, 0);
    EXPECT_EQ(r.c.state[0], PCPU_UNPOPULATED);
    EXPECT_EQ(r.c.nr_busy, 0);
    EXPECT_EQ(pcpu_chunk_max_any(&r.c), 3 * B);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

KTEST(chunk, population_that_fails)
{
    struct chunk_rig r;
    u32 blocks[2];

    rig_make(&r, 2);
    EXPECT_EQ(pcpu_chunk_grow_reserve(&r.c, 2, blocks), 2);
    EXPECT_EQ(pcpu_chunk_max_any(&r.c), 0);
    unpopulated(&r, 0); /* it has none, and none comes back */
    EXPECT_EQ(pcpu_chunk_max_any(&r.c), B);
    EXPECT_SOUND(&r);
    populated(&r, 1);
    EXPECT_EQ(pcpu_chunk_max_any(&r.c), 2 * B);
    EXPECT_EQ(pcpu_chunk_max_populated(&r.c), B);
    EXPECT_EQ(rig_alloc(&r, 2, 2, TAG_8), OFF(B));
    EXPECT_SOUND(&r);
    rig_free(&r);
}

KTEST(chunk, reserve_from_below_return_from_above)
{
    struct chunk_rig r;
    u32 blocks[8];

    rig_make(&r, 7);
    EXPECT_EQ(pcpu_chunk_grow_reserve(&r.c, 3, blocks), 3);
    EXPECT_TRUE(blocks[0] == 0 && blocks[1] == 1 && blocks[2] == 2);
    for (u32 i = 0; i < 3; i++)
        populated(&r, i);
    EXPECT_EQ(pcpu_chunk_grow_reserve(&r.c, 8, blocks), 4);
    EXPECT_TRUE(blocks[0] == 3 && blocks[3] == 6);
    EXPECT_EQ(pcpu_chunk_grow_reserve(&r.c, 8, blocks), 0);
    for (u32 i = 3; i < 7; i++)
        populated(&r, i);
    EXPECT_EQ(rig_alloc(&r, 5 * B, 1, PCPU_TAG_BIG), 0);
    EXPECT_EQ(rig_alloc(&r, B + 1, 1, PCPU_TAG_BIG), OFF(5 * B));
    EXPECT_EQ(pcpu_chunk_take_empty(&r.c, 8, blocks), 0);
    EXPECT_EQ(pcpu_chunk_free(&r.c, 1, &(u32){0}), 5);
    EXPECT_SOUND(&r);
    EXPECT_EQ(pcpu_chunk_take_empty(&r.c, 2, blocks), 2);
    EXPECT_TRUE(blocks[0] == 3 && blocks[1] == 4);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

/* ---- growing --------------------------------------------------------------------------------- */

KTEST(chunk, grow_takes_the_lowest_hole)
{
    struct chunk_rig r;
    u32 first, count, busy;

    rig_make(&r, 6);
    rig_populate(&r, 2);
    /* Block 0 full, block 1 with 100 granules free at its end, 2..5 unpopulated. */
    EXPECT_EQ(rig_alloc(&r, 2 * B - 100, 1, PCPU_TAG_BIG), 0);
    EXPECT_EQ(pcpu_chunk_max_any(&r.c), 4 * B + 100);
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 101, 1, &first, &count, &busy), 0);
    EXPECT_TRUE(first == 1 && count == 2 && busy == 1);
    EXPECT_EQ(r.c.state[2], PCPU_BUSY);
    EXPECT_SOUND(&r);
    populated(&r, 2);
    EXPECT_EQ(rig_alloc(&r, 101, 1, PCPU_TAG_BIG), OFF(2 * B - 100));

    /* What fits already needs no block. */
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 1000, 1, &first, &count, &busy), 0);
    EXPECT_TRUE(first == 2 && count == 1 && busy == 0);
    /* Alignment skips the tail of block 2. */
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 1, 2 * B, &first, &count, &busy), 0);
    EXPECT_TRUE(first == 4 && count == 1 && busy == 1);
    EXPECT_EQ(r.c.state[3], PCPU_UNPOPULATED);
    EXPECT_EQ(r.c.state[4], PCPU_BUSY);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

KTEST(chunk, grow_without_a_hole)
{
    struct chunk_rig r;
    u32 first, count, busy, blocks[1];

    rig_make(&r, 4);
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 4 * B + 1, 1, &first, &count, &busy), -ENOSPC);
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 1, 1u << 31, &first, &count, &busy), 0);
    EXPECT_EQ(first, 0);
    /* Block 0 is being populated by somebody: no hole at a multiple of 4 blocks is left. */
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 1, 4 * B, &first, &count, &busy), -ENOSPC);
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 3 * B + 1, 1, &first, &count, &busy), -ENOSPC);
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 3 * B, 1, &first, &count, &busy), 0);
    EXPECT_TRUE(first == 1 && count == 3 && busy == 3);
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 1, 1, &first, &count, &busy), -ENOSPC);
    EXPECT_EQ(pcpu_chunk_grow_reserve(&r.c, 1, blocks), 0);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

KTEST(chunk, grow_over_a_partly_populated_hole)
{
    struct chunk_rig r;
    u32 first, count, busy;

    rig_make(&r, 5);
    rig_populate(&r, 3);
    EXPECT_EQ(rig_alloc(&r, 10, 1, PCPU_TAG_BIG), 0);
    /* Blocks 1 and 2 are populated and empty, block 1 goes back: a gap in the middle. */
    pcpu_chunk_take_empty(&r.c, 2, (u32[2]){0});
    pcpu_chunk_unpopulate_cancel(&r.c, 1, &(u32){2});
    unpopulated(&r, 1);
    EXPECT_EQ(pcpu_chunk_grow(&r.c, 3 * B, 1, &first, &count, &busy), 0);
    EXPECT_TRUE(first == 0 && count == 4 && busy == 2);
    EXPECT_EQ(r.c.state[1], PCPU_BUSY);
    EXPECT_EQ(r.c.state[3], PCPU_BUSY);
    EXPECT_SOUND(&r);
    populated(&r, 3);
    EXPECT_SOUND(&r);
    populated(&r, 1);
    EXPECT_EQ(rig_alloc(&r, 3 * B, 1, PCPU_TAG_BIG), OFF(10));
    EXPECT_SOUND(&r);
    rig_free(&r);
}

/* ---- regions --------------------------------------------------------------------------------- */

KTEST(chunk, region_hides_its_edges)
{
    struct chunk_rig r;
    u32 blocks[8];

    /* The dynamic area of a first chunk: from inside block 2 to inside block 5 of 8. */
    make_region(&r, 8, 2 * 4096 + 1236, 5 * 4096 + 20);
    EXPECT_EQ(r.c.nr_absent, 4);
    EXPECT_EQ(r.c.nr_populated, 4);
    EXPECT_EQ(r.c.nr_empty, 2);
    EXPECT_EQ(r.c.free_granules, (3 * 4096 + 20 - 1236) / 4);
    EXPECT_EQ(pcpu_chunk_max_populated(&r.c), (3 * 4096 + 20 - 1236) / 4);
    EXPECT_EQ(pcpu_chunk_max_any(&r.c), pcpu_chunk_max_populated(&r.c));
    EXPECT_TRUE(*pcpu_chunk_tag(&r.c, 2 * 4096) == 0);
    EXPECT_TRUE(pcpu_chunk_tag(&r.c, 0) == NULL);
    EXPECT_SOUND(&r);

    EXPECT_EQ(rig_alloc(&r, 2, 2, TAG_8), 2 * 4096 + 1240);
    EXPECT_EQ(rig_alloc(&r, 1, 1, PCPU_CLASS_4), 2 * 4096 + 1236);
    EXPECT_EQ(pcpu_chunk_take_empty(&r.c, 8, blocks), 0); /* it stays populated */
    EXPECT_EQ(pcpu_chunk_grow_reserve(&r.c, 8, blocks), 0);
    EXPECT_SOUND(&r);
    EXPECT_EQ(rig_alloc(&r, pcpu_chunk_max_populated(&r.c), 1, PCPU_TAG_BIG), 2 * 4096 + 1248);
    EXPECT_EQ(r.c.free_granules, 0);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

KTEST(chunk, region_of_every_shape)
{
    static const u32 edges[] = {0, 4, 8, 252, 256, 260, 4092, 4096, 4100, 8188, 8192, 12284, 12288};

    for (u32 i = 0; i < ARRAY_SIZE(edges); i++) {
        for (u32 j = i + 1; j < ARRAY_SIZE(edges); j++) {
            struct chunk_rig r;
            u32 size = (edges[j] - edges[i]) / 4, offs[5];

            make_region(&r, 3, edges[i], edges[j]);
            EXPECT_EQ(r.c.free_granules, size);
            EXPECT_EQ(pcpu_chunk_max_any(&r.c), size);
            EXPECT_SOUND(&r);
            if (size < 5) {
                EXPECT_EQ(pcpu_chunk_alloc(&r.c, 1, 1, PCPU_CLASS_4, 5, offs), size);
            } else {
                EXPECT_EQ(rig_alloc(&r, size, 1, PCPU_TAG_BIG), edges[i]);
                offs[0] = edges[i];
            }
            EXPECT_EQ(pcpu_chunk_max_any(&r.c), 0);
            EXPECT_EQ(rig_alloc(&r, 1, 1, PCPU_CLASS_4), NOTHING);
            EXPECT_SOUND(&r);
            pcpu_chunk_free(&r.c, size < 5 ? size : 1, offs);
            EXPECT_EQ(r.c.free_granules, size);
            EXPECT_SOUND(&r);
            rig_free(&r);
        }
    }
}

/* ---- objects --------------------------------------------------------------------------------- */

KTEST(chunk, objects_across_blocks)
{
    struct chunk_rig r;

    rig_make(&r, 4);
    rig_populate(&r, 4);
    EXPECT_EQ(rig_alloc(&r, B - 1, 1, PCPU_TAG_BIG | OWNED), 0);
    EXPECT_EQ(rig_alloc(&r, 2 * B, 1, PCPU_TAG_BIG), OFF(B - 1));
    EXPECT_EQ(r.c.level[0][1].pop.max, 0);
    EXPECT_EQ(r.c.level[0][2].pop.pre, 0);
    EXPECT_EQ(r.c.level[0][2].pop.suf, 1);
    EXPECT_EQ(*pcpu_chunk_tag(&r.c, 0), PCPU_TAG_BIG | OWNED);
    EXPECT_SOUND(&r);
    EXPECT_EQ(pcpu_chunk_free(&r.c, 1, (u32[1]){OFF(B - 1)}), 2);
    EXPECT_EQ(pcpu_chunk_max_populated(&r.c), 3 * B + 1);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

/* The four bytes of the size lie on both sides of a border. */
KTEST(chunk, size_bytes_across_a_border)
{
    for (u32 before = 0; before <= 6; before++) {
        struct chunk_rig r;
        u32 off = OFF(B - before), size = 4 * B + 515;

        rig_make(&r, 8);
        rig_populate(&r, 8);
        EXPECT_EQ(rig_alloc(&r, B - before, 1, PCPU_TAG_BIG), 0);
        EXPECT_EQ(rig_alloc(&r, size, 1, PCPU_TAG_BIG | OWNED), off);
        EXPECT_EQ(pcpu_chunk_object_size(&r.c, off), size * 4);
        EXPECT_EQ(pcpu_chunk_object_size(&r.c, 0), (B - before) * 4);
        EXPECT_SOUND(&r);
        EXPECT_EQ(pcpu_chunk_free(&r.c, 1, &off), 5);
        EXPECT_SOUND(&r);
        EXPECT_EQ(pcpu_chunk_max_populated(&r.c), 7 * B + before);
        rig_free(&r);
    }
}

KTEST(chunk, every_size_up_to_the_unit)
{
    for (u32 size = 1; size <= 5 * B; size += size < 200 ? 1 : 37) {
        struct chunk_rig r;
        u32 off = 0, align = size % 2 ? 1 : 2;

        if (size == 3) /* no class, and too small for its size to be written down */
            continue;
        rig_make(&r, 5);
        rig_populate(&r, 5);
        EXPECT_EQ(rig_alloc(&r, size, align, rig_tag(size, align)), 0);
        EXPECT_EQ(pcpu_chunk_object_size(&r.c, 0), size * 4);
        EXPECT_EQ(r.c.free_granules, 5 * B - size);
        EXPECT_EQ(pcpu_chunk_max_populated(&r.c), 5 * B - size);
        EXPECT_SOUND(&r);
        EXPECT_EQ(pcpu_chunk_free(&r.c, 1, &off), (size + B - 1) / B);
        EXPECT_SOUND(&r);
        rig_free(&r);
    }
}

KTEST(chunk, the_whole_unit)
{
    struct chunk_rig r;

    rig_make(&r, RIG_BLOCKS);
    rig_populate(&r, RIG_BLOCKS);
    EXPECT_EQ(rig_alloc(&r, RIG_BLOCKS * B + 1, 1, PCPU_TAG_BIG), NOTHING);
    EXPECT_EQ(rig_alloc(&r, RIG_BLOCKS * B, RIG_BLOCKS * B, PCPU_TAG_BIG), 0);
    EXPECT_EQ(pcpu_chunk_object_size(&r.c, 0), RIG_BLOCKS * 4096);
    EXPECT_EQ(rig_alloc(&r, 1, 1, PCPU_CLASS_4), NOTHING);
    EXPECT_SOUND(&r);
    EXPECT_EQ(pcpu_chunk_free(&r.c, 1, &(u32){0}), RIG_BLOCKS);
    EXPECT_EQ(r.c.nr_empty, RIG_BLOCKS);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

KTEST(chunk, alignment_up_to_the_unit)
{
    struct chunk_rig r;

    for (u32 align = 1; align <= 16 * B; align *= 2) {
        rig_make(&r, 16);
        rig_populate(&r, 16);
        EXPECT_EQ(rig_alloc(&r, 1, 1, PCPU_CLASS_4), 0);
        for (u32 n = 1; n < MIN(16 * B / align, 40u); n++)
            EXPECT_EQ(rig_alloc(&r, 1, align, PCPU_CLASS_4), OFF(n * align));
        if (align == 16 * B)
            EXPECT_EQ(rig_alloc(&r, 1, align, PCPU_CLASS_4), NOTHING);
        EXPECT_SOUND(&r);
        rig_free(&r);
    }
}

KTEST(chunk, batch_fills_holes_from_below)
{
    struct chunk_rig r;
    u32 offs[64], hole[3];

    rig_make(&r, 2);
    rig_populate(&r, 1);
    EXPECT_EQ(pcpu_chunk_alloc(&r.c, 2, 2, TAG_8, 64, offs), 64);
    for (u32 i = 0; i < 64; i++)
        EXPECT_EQ(offs[i], 8 * i);
    hole[0] = offs[3], hole[1] = offs[20], hole[2] = offs[21];
    EXPECT_EQ(pcpu_chunk_free(&r.c, 3, hole), 0);
    EXPECT_SOUND(&r);
    EXPECT_EQ(pcpu_chunk_alloc(&r.c, 2, 2, TAG_8 | OWNED, 5, offs), 5);
    EXPECT_TRUE(offs[0] == hole[0] && offs[1] == hole[1] && offs[2] == hole[2]);
    EXPECT_TRUE(offs[3] == 512 && offs[4] == 520);
    EXPECT_EQ(*pcpu_chunk_tag(&r.c, offs[4]), TAG_8 | OWNED);
    EXPECT_SOUND(&r);
    /* No more than there is. */
    EXPECT_EQ(pcpu_chunk_alloc(&r.c, 64, 2, PCPU_TAG_BIG, 64, offs), 13);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

/* Objects whose size is no multiple of their alignment are placed one by one. */
KTEST(chunk, batch_with_gaps)
{
    struct chunk_rig r;
    u32 offs[40];

    rig_make(&r, 1);
    rig_populate(&r, 1);
    EXPECT_EQ(pcpu_chunk_alloc(&r.c, 33, 32, PCPU_TAG_BIG, 40, offs), 16);
    for (u32 i = 0; i < 16; i++)
        EXPECT_EQ(offs[i], OFF(64 * i));
    /* Into the gaps: a call takes from so many holes and no more. */
    for (u32 left = 16, n; left; left -= n) {
        n = pcpu_chunk_alloc(&r.c, 31, 1, PCPU_TAG_BIG, 40, offs);
        REQUIRE_EQ(n, MIN(left, PCPU_CHUNK_VISITS));
    }
    EXPECT_EQ(r.c.free_granules, 0);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

/* A batch that runs over borders, and one free of all of it. */
KTEST(chunk, batch_across_blocks)
{
    struct chunk_rig r;
    u32 offs[400];

    rig_make(&r, 4);
    rig_populate(&r, 4);
    EXPECT_EQ(pcpu_chunk_alloc(&r.c, 10, 2, rig_tag(10, 2), 400, offs), 400);
    for (u32 i = 0; i < 400; i++)
        EXPECT_EQ(offs[i], 40 * i);
    EXPECT_SOUND(&r);
    EXPECT_EQ(pcpu_chunk_free(&r.c, 400, offs), 4);
    EXPECT_EQ(pcpu_chunk_max_populated(&r.c), 4 * B);
    EXPECT_SOUND(&r);
    rig_free(&r);
}

/*
 * Holes that are large enough but not aligned: PCPU_CHUNK_TRIES of them are looked at, then the
 * lowest that fits anyhow is taken; when none does, no hole is left out.
 */
KTEST(chunk, unaligned_holes)
{
    struct chunk_rig r;
    u32 offs[256], odd[128], n = 0;

    rig_make(&r, 2);
    rig_populate(&r, 2);
    /* Pieces of 8 granules; of the first 100 two of every four are freed: [8, 24) of each 32. */
    EXPECT_EQ(pcpu_chunk_alloc(&r.c, 8, 1, rig_tag(8, 2), 256, offs), 256);
    for (u32 i = 0; i < 100; i++) {
        if (i % 4 == 1 || i % 4 == 2)
            odd[n++] = offs[i];
    }
    pcpu_chunk_free(&r.c, n, odd);
    /*
     * 25 holes of 16 at 8 + 32 * i: none at a multiple of 16. One aligned hole of 16, then a big.
     */
    pcpu_chunk_free(&r.c, 2, (u32[2]){offs[150], offs[151]});
    pcpu_chunk_free(&r.c, 4, (u32[4]){offs[201], offs[202], offs[203], offs[204]});
    EXPECT_SOUND(&r);
    EXPECT_EQ(rig_alloc(&r, 16, 16, rig_tag(16, 16)), OFF(202 * 8)); /* the one that must fit */
    EXPECT_EQ(rig_alloc(&r, 16, 16, rig_tag(16, 16)), OFF(150 * 8)); /* none must: one by one */
    EXPECT_EQ(rig_alloc(&r, 16, 16, rig_tag(16, 16)), NOTHING);
    EXPECT_EQ(rig_alloc(&r, 16, 8, PCPU_TAG_BIG), OFF(8));
    EXPECT_SOUND(&r);
    rig_free(&r);
}
