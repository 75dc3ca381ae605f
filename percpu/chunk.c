/*
 * A chunk and the states of its blocks.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "percpu/chunk_hole.h"

/* ---- creation -------------------------------------------------------------------------------- */

static u32 height_for(u32 nr_blocks)
{
    u32 height = 0;

    while (1u << FANOUT_SHIFT * height < nr_blocks)
        height++;
    return height;
}

size_t pcpu_chunk_bytes(u32 nr_blocks)
{
    u32 height = height_for(nr_blocks);
    size_t bytes = nr_blocks * (sizeof(struct pcpu_block *) + 1);

    for (u32 level = 0; level <= height; level++)
        bytes += pcpu_tree_nodes(nr_blocks, height, level) * sizeof(struct pcpu_tree_node);
    return align_up(bytes, 64);
}

/* Everything but states and tree. */
static void init_arrays(struct pcpu_chunk *c, u32 nr_blocks, void *memory)
{
    struct pcpu_tree_node *node = memory;

    memset(c, 0, sizeof(*c));
    c->nr_blocks = nr_blocks;
    c->height = height_for(nr_blocks);
    for (u32 level = 0; level <= c->height; level++) {
        c->level[level] = c->root = node;
        node += pcpu_tree_nodes(nr_blocks, c->height, level);
    }
    c->blocks = (struct pcpu_block **)node;
    c->state = (u8 *)(c->blocks + nr_blocks);
    memset(c->blocks, 0, nr_blocks * sizeof(*c->blocks));
}

void pcpu_chunk_init(struct pcpu_chunk *c, u32 nr_blocks, void *memory)
{
    init_arrays(c, nr_blocks, memory);
    c->end = nr_blocks << BLOCK_GRANULE_SHIFT;
    memset(c->state, PCPU_UNPOPULATED, nr_blocks);
    pcpu_tree_init(c);
}

/* The part of a block of the region [c->start, c->end) that is ours; the rest is hidden. */
static void init_region_block(struct pcpu_chunk *c, u32 block, struct pcpu_block *b)
{
    u32 base = block << BLOCK_GRANULE_SHIFT;
    u32 lo = MAX(c->start, base) - base, hi = MIN(c->end - base, PCPU_BLOCK_GRANULES);

    pcpu_block_init(b);
    if (lo)
        pcpu_block_take(b, 0, lo);
    if (hi < PCPU_BLOCK_GRANULES)
        pcpu_block_take(b, hi, PCPU_BLOCK_GRANULES);
    c->blocks[block] = b;
    c->state[block] = PCPU_POPULATED;
    c->free_granules += b->free;
    c->nr_empty += b->free == PCPU_BLOCK_GRANULES;
    c->nr_populated++;
}

void pcpu_chunk_init_region(struct pcpu_chunk *c, u32 nr_blocks, void *memory, size_t start,
                            size_t end, struct pcpu_block **blocks)
{
    init_arrays(c, nr_blocks, memory);
    c->start = (u32)(start >> PCPU_GRANULE_SHIFT);
    c->end = (u32)(end >> PCPU_GRANULE_SHIFT);
    c->permanent = true;
    memset(c->state, PCPU_ABSENT, nr_blocks);
    for (u32 block = c->start >> BLOCK_GRANULE_SHIFT; block << BLOCK_GRANULE_SHIFT < c->end;
         block++)
        init_region_block(c, block, *blocks++);
    c->nr_absent = nr_blocks - c->nr_populated;
    memset(c->level[0], 0,
           pcpu_tree_nodes(nr_blocks, c->height, 0) * sizeof(struct pcpu_tree_node));
    for (u32 block = 0; block < nr_blocks; block++)
        pcpu_tree_leaf(c, block);
    pcpu_tree_build(c);
}

/* ---- population ------------------------------------------------------------------------------ */

/* Counts a block in or out: add is 1 or -1. */
static void count_block(struct pcpu_chunk *c, u32 block, u32 add)
{
    u32 free;

    switch (c->state[block]) {
    case PCPU_BUSY:
        c->nr_busy += add;
        break;
    case PCPU_POPULATED:
        free = c->blocks[block]->free;
        c->nr_populated += add;
        c->nr_empty += free == PCPU_BLOCK_GRANULES ? add : 0;
        c->free_granules += (u64)(s64)(s32)add * free;
        break;
    }
}

/* Everything but the tree above the block's leaf: pcpu_tree_refresh(). */
static void change_state(struct pcpu_chunk *c, u32 block, enum pcpu_block_state state)
{
    count_block(c, block, -1u);
    c->state[block] = (u8)state;
    count_block(c, block, 1);
    pcpu_tree_leaf(c, block);
}

int pcpu_chunk_grow(struct pcpu_chunk *c, u32 size, u32 align, u32 *first, u32 *count, u32 *nr_busy)
{
    struct pcpu_hole h = {.need = size};
    u32 last;

    *nr_busy = 0;
    if (!size || !hole_find(c, true, 0, size, align, size, false, &h))
        return -ENOSPC;
    *first = h.at >> BLOCK_GRANULE_SHIFT;
    last = (h.at + size - 1) >> BLOCK_GRANULE_SHIFT;
    *count = last - *first + 1;
    for (u32 block = *first; block <= last; block++) {
        if (c->state[block] != PCPU_UNPOPULATED)
            continue;
        change_state(c, block, PCPU_BUSY);
        ++*nr_busy;
    }
    for (u32 block = *first; block <= last; block = (block | (FANOUT - 1)) + 1)
        pcpu_tree_refresh(c, 1, &block);
    return 0;
}

static bool is_unpopulated(const struct pcpu_chunk *c, u32 block)
{
    return block < c->nr_blocks && c->state[block] == PCPU_UNPOPULATED;
}

u32 pcpu_chunk_grow_reserve(struct pcpu_chunk *c, u32 max, u32 *blocks)
{
    u32 n = 0, fresh = 0; /* fresh: so many are known to the tree */

    for (; n < max; n++) {
        /* The next is the next, or the tree must be asked. */
        if (n && is_unpopulated(c, blocks[n - 1] + 1)) {
            blocks[n] = blocks[n - 1] + 1;
        } else {
            pcpu_tree_refresh(c, n - fresh, blocks + fresh);
            fresh = n;
            if (!c->root->nr_unpopulated)
                break;
            blocks[n] = pcpu_tree_lowest_unpopulated(c);
        }
        change_state(c, blocks[n], PCPU_BUSY);
    }
    pcpu_tree_refresh(c, n - fresh, blocks + fresh);
    return n;
}

void pcpu_chunk_populate_many(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                              struct pcpu_block **metas)
{
    for (u32 i = 0; i < n; i++) {
        pcpu_block_init(metas[i]);
        c->blocks[blocks[i]] = metas[i];
        change_state(c, blocks[i], PCPU_POPULATED);
    }
    pcpu_tree_refresh(c, n, blocks);
}

void pcpu_chunk_populate_done(struct pcpu_chunk *c, u32 block, struct pcpu_block *meta)
{
    pcpu_chunk_populate_many(c, 1, &block, &meta);
}

static bool is_empty(const struct pcpu_chunk *c, u32 block)
{
    return c->state[block] == PCPU_POPULATED && c->blocks[block]->free == PCPU_BLOCK_GRANULES;
}

u32 pcpu_chunk_take_empty(struct pcpu_chunk *c, u32 max, u32 *blocks)
{
    u32 n = 0, fresh = 0;

    for (; n < max && c->nr_empty && !c->permanent; n++) {
        if (n && blocks[n - 1] && is_empty(c, blocks[n - 1] - 1)) {
            blocks[n] = blocks[n - 1] - 1;
        } else {
            pcpu_tree_refresh(c, n - fresh, blocks + fresh);
            fresh = n;
            blocks[n] = pcpu_tree_highest_empty(c);
        }
        change_state(c, blocks[n], PCPU_BUSY);
    }
    pcpu_tree_refresh(c, n - fresh, blocks + fresh);
    return n;
}

struct pcpu_block *pcpu_chunk_unpopulate_done(struct pcpu_chunk *c, u32 block)
{
    struct pcpu_block *meta = c->blocks[block];

    c->blocks[block] = NULL;
    change_state(c, block, PCPU_UNPOPULATED);
    pcpu_tree_refresh(c, 1, &block);
    return meta;
}

void pcpu_chunk_untake(struct pcpu_chunk *c, u32 block)
{
    change_state(c, block, PCPU_POPULATED);
    pcpu_tree_refresh(c, 1, &block);
}
