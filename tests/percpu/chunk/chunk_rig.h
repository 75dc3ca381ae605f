/*
 * A chunk with its memory for a hosted test: rig_make() and rig_free() around every case. Block
 * metadata is filled with rubbish first, so that a missing initialisation shows.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_PERCPU_CHUNK_CHUNK_RIG_H
#define PERCH_TESTS_PERCPU_CHUNK_CHUNK_RIG_H

#include <stdlib.h>
#include <string.h>
#include "kernel/base/ktest.h"
#include "percpu/chunk/chunk.h"

#define RIG_BLOCKS 512

struct chunk_rig {
    struct pcpu_chunk c;
    void *memory;
    struct pcpu_block *meta[RIG_BLOCKS]; /* by block */
};

static inline void *rig_rubbish(size_t bytes)
{
    void *p = aligned_alloc(64, align_up(bytes, 64));

    memset(p, 0xa5, align_up(bytes, 64));
    return p;
}

static inline struct pcpu_block *rig_meta(void)
{
    struct pcpu_block *meta = rig_rubbish(sizeof(*meta));

    pcpu_block_init(meta);
    return meta;
}

static inline void rig_make(struct chunk_rig *r, u32 nr_blocks)
{
    memset(r, 0, sizeof(*r));
    r->memory = rig_rubbish(pcpu_chunk_bytes(nr_blocks));
    pcpu_chunk_init(&r->c, nr_blocks, r->memory);
}

/* The lowest n UNPOPULATED blocks at once. */
static inline void rig_populate(struct chunk_rig *r, u32 n)
{
    u32 blocks[RIG_BLOCKS];
    struct pcpu_block *metas[RIG_BLOCKS];

    EXPECT_EQ(pcpu_chunk_grow_reserve(&r->c, n, blocks), n);
    for (u32 i = 0; i < n; i++)
        metas[i] = r->meta[blocks[i]] = rig_meta();
    pcpu_chunk_populate_done(&r->c, n, blocks, metas);
}

static inline void rig_free(struct chunk_rig *r)
{
    for (u32 i = 0; i < RIG_BLOCKS; i++)
        free(r->meta[i]);
    free(r->memory);
}

#define EXPECT_SOUND(r) EXPECT_STREQ(rig_broken(r), "sound")

static inline const char *rig_broken(const struct chunk_rig *r)
{
    const char *broken = pcpu_chunk_verify(&r->c, 0);

    return broken ? broken : "sound";
}

/* One object; its byte offset, or ~0. */
static inline u32 rig_alloc(struct chunk_rig *r, u32 size, u32 align, u8 tag)
{
    u32 off;

    return pcpu_chunk_alloc(&r->c, size, align, tag, 1, &off) ? off : ~0u;
}

/*
 * The same of any size: its class when one has exactly this size and no less alignment, else big.
 */
static inline u8 rig_tag(u32 granules, u32 align)
{
    u32 class = pcpu_class_of(granules * PCPU_GRANULE, align * PCPU_GRANULE);

    if (class && pcpu_class_size(class) == granules * PCPU_GRANULE &&
        pcpu_class_align(class) <= align * PCPU_GRANULE)
        return (u8) class;
    return PCPU_TAG_BIG;
}

#endif
