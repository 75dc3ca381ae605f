/*
 * The data of one chunk's bookkeeping (percpu/chunk/chunk.h): blocks, the tree over them, the
 * chunk. The functions, in files that build on each other: chunk_block.h (one block), chunk_tree.h
 * (all blocks), chunk_hole.h (the search), chunk.h.
 *
 * Sizes and offsets are in granules of 4 bytes unless stated otherwise. A unit is smaller than 2^28
 * granules (1 GiB). Runs are half-open. Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_CHUNK_TYPES_H
#define PERCH_PERCPU_CHUNK_CHUNK_TYPES_H

#include "kernel/base/string.h"
#include "kernel/base/types.h"
#include "percpu/chunk/size_class.h"

#define PCPU_BLOCK_SHIFT    12
#define PCPU_BLOCK_SIZE     4096u
#define PCPU_BLOCK_GRANULES 1024u
#define PCPU_BLOCK_WORDS    16u
#define BLOCK_GRANULE_SHIFT 10
#define NO_GRANULE          0xffffffffu

static_assert(1u << BLOCK_GRANULE_SHIFT == PCPU_BLOCK_GRANULES, "a block is a page of granules");
static_assert(PCPU_BLOCK_WORDS * 64 == PCPU_BLOCK_GRANULES, "a bit per granule");

enum pcpu_block_state { PCPU_ABSENT, PCPU_UNPOPULATED, PCPU_BUSY, PCPU_POPULATED };

/* Metadata of one populated block. */
struct pcpu_block {
    u64 taken[PCPU_BLOCK_WORDS];            /* allocation map: a bit per granule */
    u8 tag[PCPU_BLOCK_GRANULES] ALIGNED(8); /* boundary map */
    u8 word_run[PCPU_BLOCK_WORDS];          /* longest free run inside each word, 0..64 */
    u32 free;                               /* granules */
};

/* Makes metadata clean: entirely free, no object. */
void pcpu_block_init(struct pcpu_block *meta);

/* The same for memory that is zero. */
static inline void pcpu_block_init_zero(struct pcpu_block *meta)
{
    memset(meta->word_run, 64, sizeof(meta->word_run));
    meta->free = PCPU_BLOCK_GRANULES;
}

/* Free granules of a span of blocks: at its start, at its end, in its longest run. */
struct pcpu_runs {
    u32 pre, suf, max;
};

#define PCPU_TREE_LEVELS 8 /* 8^7 blocks */

/* pop: populated blocks only. all: UNPOPULATED blocks count as free. */
struct pcpu_tree_node {
    struct pcpu_runs pop, all;
    u32 nr_unpopulated, nr_empty; /* blocks: UNPOPULATED; populated and entirely free */
};

struct pcpu_chunk {
    u32 nr_blocks;               /* of a unit */
    u32 height;                  /* of the tree: 8^height >= nr_blocks */
    u32 start, end;              /* the chunk's granules of the unit */
    bool permanent;              /* no block is ever returned: pcpu_chunk_init_region() */
    struct pcpu_block **blocks;  /* [nr_blocks]; NULL unless POPULATED, or BUSY in a return */
    u8 *state;                   /* [nr_blocks] enum pcpu_block_state */
    struct pcpu_tree_node *root; /* level[height] */
    /* level[0][b]: block b; level[h][i]: 8 * i and its 7 neighbours in level[h - 1] */
    struct pcpu_tree_node *level[PCPU_TREE_LEVELS];

    u64 free_granules; /* in populated blocks */
    u32 nr_populated;  /* blocks */
    u32 nr_busy;
    u32 nr_absent;
    u32 nr_empty; /* populated and entirely free */
};

#endif
