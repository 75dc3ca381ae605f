/*
 * A chunk and the states of its blocks.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "percpu/chunk_internal.h"

/* ---- creation -------------------------------------------------------------------------------- */

static u32 leaves_for(u32 nr_blocks)
{
    u32 leaves = 1;

    while (leaves < nr_blocks)
        leaves *= 2;
    return leaves;
}

size_t pcpu_chunk_bytes(u32 nr_blocks)
{
    size_t bytes = 2 * (size_t)leaves_for(nr_blocks) * sizeof(struct pcpu_tree_node) +
                   nr_blocks * sizeof(struct pcpu_block *) + nr_blocks;

    return align_up(bytes, 64);
}

/* Everything but states and tree. */
static void init_arrays(struct pcpu_chunk *c, u32 nr_blocks, void *memory)
{
    memset(c, 0, sizeof(*c));
    c->nr_blocks = nr_blocks;
    c->leaves = leaves_for(nr_blocks);
    c->tree = memory;
    c->blocks = (struct pcpu_block **)(c->tree + 2 * (size_t)c->leaves);
    c->state = (u8 *)(c->blocks + nr_blocks);
    memset(c->tree, 0, sizeof(*c->tree)); /* node 0 is not used */
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
    for (u32 block = 0; block < nr_blocks; block++)
        pcpu_tree_leaf(c, block);
    memset(&c->tree[c->leaves + nr_blocks], 0, (c->leaves - nr_blocks) * sizeof(*c->tree));
    pcpu_tree_build(c);
}

/* ---- population ------------------------------------------------------------------------------ */

/* Counts a block in or out: add is 1 or -1. */
static void count_block(struct pcpu_chunk *c, u32 block, u32 add)
{
    u32 free;

    switch (c->state[block]) {
    case PCPU_UNPOPULATED:
        pcpu_tree_count(c, block, add, 0);
        break;
    case PCPU_BUSY:
        c->nr_busy += add;
        break;
    case PCPU_POPULATED:
        free = c->blocks[block]->free;
        c->nr_populated += add;
        c->free_granules += (u64)(s64)(s32)add * free;
        if (free == PCPU_BLOCK_GRANULES) {
            c->nr_empty += add;
            pcpu_tree_count(c, block, 0, add);
        }
        break;
    }
}

/*
 * Everything but the tree above the block's leaf. All of what is above it must be recomputed: nodes
 * compare their old and new runs of one kind only when they have no UNPOPULATED block.
 */
static void change_state(struct pcpu_chunk *c, u32 block, enum pcpu_block_state state)
{
    count_block(c, block, -1u);
    c->state[block] = (u8)state;
    count_block(c, block, 1);
    pcpu_tree_leaf(c, block);
}

static void change_one(struct pcpu_chunk *c, u32 block, enum pcpu_block_state state)
{
    u32 pending = 2 * c->leaves - 2;

    change_state(c, block, state);
    pcpu_tree_climb(c, block, NO_BLOCK, &pending);
}

/* Several blocks one after the other share the way up: the last but one is climbed from first. */
struct change {
    u32 last, pending;
};

static void change_next(struct pcpu_chunk *c, struct change *ch, u32 block,
                        enum pcpu_block_state state)
{
    change_state(c, block, state);
    if (ch->last != NO_BLOCK)
        pcpu_tree_climb(c, ch->last, block, &ch->pending);
    ch->last = block;
    ch->pending = 2 * c->leaves - 2;
}

static void change_end(struct pcpu_chunk *c, struct change *ch)
{
    if (ch->last != NO_BLOCK)
        pcpu_tree_climb(c, ch->last, NO_BLOCK, &ch->pending);
}

int pcpu_chunk_grow(struct pcpu_chunk *c, u32 size, u32 align, u32 *first, u32 *count, u32 *nr_busy)
{
    struct change ch = {NO_BLOCK, 0};
    struct pcpu_hole h;
    u32 last;

    *nr_busy = 0;
    if (!size || !pcpu_hole_any(c, 0, size, align, size, &h))
        return -ENOSPC;
    *first = h.at >> BLOCK_GRANULE_SHIFT;
    last = (h.at + size - 1) >> BLOCK_GRANULE_SHIFT;
    *count = last - *first + 1;
    for (u32 block = *first; block <= last; block++) {
        if (c->state[block] != PCPU_UNPOPULATED)
            continue;
        change_next(c, &ch, block, PCPU_BUSY);
        ++*nr_busy;
    }
    change_end(c, &ch);
    return 0;
}

u32 pcpu_chunk_grow_reserve(struct pcpu_chunk *c, u32 max, u32 *blocks)
{
    struct change ch = {NO_BLOCK, 0};
    u32 n = 0;

    while (n < max && c->tree[1].nr_unpopulated) {
        blocks[n] = pcpu_tree_lowest_unpopulated(c);
        change_next(c, &ch, blocks[n++], PCPU_BUSY);
    }
    change_end(c, &ch);
    return n;
}

void pcpu_chunk_populate_many(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                              struct pcpu_block **metas)
{
    struct change ch = {NO_BLOCK, 0};

    for (u32 i = 0; i < n; i++) {
        pcpu_block_init(metas[i]);
        c->blocks[blocks[i]] = metas[i];
        change_next(c, &ch, blocks[i], PCPU_POPULATED);
    }
    change_end(c, &ch);
}

void pcpu_chunk_populate_done(struct pcpu_chunk *c, u32 block, struct pcpu_block *meta)
{
    pcpu_chunk_populate_many(c, 1, &block, &meta);
}

u32 pcpu_chunk_take_empty(struct pcpu_chunk *c, u32 max, u32 *blocks)
{
    struct change ch = {NO_BLOCK, 0};
    u32 n = 0;

    while (n < max && c->nr_empty && !c->permanent) {
        blocks[n] = pcpu_tree_highest_empty(c);
        change_next(c, &ch, blocks[n++], PCPU_BUSY);
    }
    change_end(c, &ch);
    return n;
}

struct pcpu_block *pcpu_chunk_unpopulate_done(struct pcpu_chunk *c, u32 block)
{
    struct pcpu_block *meta = c->blocks[block];

    c->blocks[block] = NULL;
    change_one(c, block, PCPU_UNPOPULATED);
    return meta;
}

void pcpu_chunk_untake(struct pcpu_chunk *c, u32 block)
{
    change_one(c, block, PCPU_POPULATED);
}
