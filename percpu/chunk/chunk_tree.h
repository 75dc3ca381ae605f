/*
 * The tree over a chunk's blocks: free runs and counts of each span, eight children to a node. For
 * the files behind percpu/chunk/chunk.h. The caller holds the chunk's lock. Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_CHUNK_TREE_H
#define PERCH_PERCPU_CHUNK_CHUNK_TREE_H

#include "percpu/chunk/chunk_types.h"

#define FANOUT_SHIFT 3
#define FANOUT       8u
#define NO_BLOCK     0xffffffffu

/* Granules of the span of a node of this level. */
static inline u32 pcpu_span(u32 level)
{
    return PCPU_BLOCK_GRANULES << FANOUT_SHIFT * level;
}

/* A node's free runs: of all blocks (any), or of the populated ones. */
static ALWAYS_INLINE const struct pcpu_runs *pcpu_node_runs(const struct pcpu_tree_node *node,
                                                            bool any)
{
    return any ? &node->all : &node->pop;
}

/* Nodes of a level. Each parent has all eight children, even beyond the last block. */
u32 pcpu_tree_nodes(u32 nr_blocks, u32 height, u32 level);

/* Writes all nodes of a chunk whose blocks are all UNPOPULATED. */
void pcpu_tree_init(struct pcpu_chunk *c);

/* Writes all nodes of a chunk whose blocks are POPULATED or ABSENT, from the blocks' maps. */
void pcpu_tree_init_region(struct pcpu_chunk *c);

/* Adds to nr_empty of a block's leaf and of all its ancestors. */
void pcpu_tree_count_empty(struct pcpu_chunk *c, u32 block, u32 add);

/*
 * The state of n blocks without objects (an ascending list) has changed to or from BUSY: updates
 * their leaves and all ancestors in one pass.
 */
void pcpu_tree_set(struct pcpu_chunk *c, u32 n, const u32 *blocks, enum pcpu_block_state from,
                   enum pcpu_block_state to);

/* The leaves first..last have changed: updates all ancestors. */
void pcpu_tree_refresh(struct pcpu_chunk *c, u32 first, u32 last);

/* Only the runs of a populated block have changed. *before: old runs; its leaf has the new ones. */
void pcpu_tree_climb(struct pcpu_chunk *c, u32 block, const struct pcpu_runs *before);

/* The lowest UNPOPULATED block >= from; the highest empty block < below. NO_BLOCK: none. */
u32 pcpu_tree_next_unpopulated(const struct pcpu_chunk *c, u32 from);
u32 pcpu_tree_last_empty(const struct pcpu_chunk *c, u32 below);

#endif
