/*
 * A chunk and the states of its blocks; see chunk.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/chunk/block_list.h"
#include "percpu/chunk/chunk_hole.h"

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

/* Sets everything but states and tree. */
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

/* A block of the region [c->start, c->end). Its granules outside the region are hidden. */
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
    pcpu_tree_init_region(c);
}

/* ---- population ------------------------------------------------------------------------------ */

/* Changes the state of n blocks without objects, to or from BUSY. */
static void change_state(struct pcpu_chunk *c, u32 n, const u32 *blocks, enum pcpu_block_state from,
                         enum pcpu_block_state to)
{
    u32 populated = to == PCPU_POPULATED ? n : from == PCPU_POPULATED ? -n : 0;

    if (!n)
        return;
    for (u32 i = 0, run; i < n; i += run) {
        run = pcpu_blocks_run(blocks, i, n);
        memset(c->state + blocks[i], to, run);
    }
    c->nr_busy += to == PCPU_BUSY ? n : -n;
    c->nr_populated += populated;
    c->nr_empty += populated;
    c->free_granules += (u64)((s64)(s32)populated * PCPU_BLOCK_GRANULES);
    pcpu_tree_set(c, n, blocks, from, to);
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
    /* 16 at a time: a large object has too many blocks for a list on the stack. */
    for (u32 block = *first; block <= last;) {
        u32 blocks[16], n = 0;

        for (; block <= last && n < ARRAY_SIZE(blocks); block++)
            if (c->state[block] == PCPU_UNPOPULATED)
                blocks[n++] = block;
        change_state(c, n, blocks, PCPU_UNPOPULATED, PCPU_BUSY);
        *nr_busy += n;
    }
    return 0;
}

/* The first block of [block, end) that is not UNPOPULATED, or end. */
static u32 unpopulated_end(const struct pcpu_chunk *c, u32 block, u32 end)
{
    const u64 eight = 0x0101010101010101ULL * PCPU_UNPOPULATED;
    const u8 *state = c->state;

    for (u64 states; block + 8 <= end; block += 8) {
        memcpy(&states, state + block, sizeof(states));
        if (states != eight)
            break;
    }
    while (block < end && state[block] == PCPU_UNPOPULATED)
        block++;
    return block;
}

u32 pcpu_chunk_grow_reserve(struct pcpu_chunk *c, u32 max, u32 *blocks)
{
    u32 n = 0, next = 0;

    while (n < max) {
        u32 end;

        next = pcpu_tree_next_unpopulated(c, next);
        if (next == NO_BLOCK)
            break;
        end = unpopulated_end(c, next, MIN(next + (max - n), c->nr_blocks));
        while (next < end)
            blocks[n++] = next++;
    }
    change_state(c, n, blocks, PCPU_UNPOPULATED, PCPU_BUSY);
    return n;
}

void pcpu_chunk_populate_done(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                              struct pcpu_block **metas)
{
    for (u32 i = 0, run; i < n; i += run) {
        run = pcpu_blocks_run(blocks, i, n);
        memcpy(&c->blocks[blocks[i]], metas + i, run * sizeof(*metas));
    }
    change_state(c, n, blocks, PCPU_BUSY, PCPU_POPULATED);
}

static bool is_empty(const struct pcpu_chunk *c, u32 block)
{
    return c->state[block] == PCPU_POPULATED && c->blocks[block]->free == PCPU_BLOCK_GRANULES;
}

static void reverse(u32 *blocks, u32 n)
{
    for (u32 i = 0; i < n / 2; i++) {
        u32 t = blocks[i];

        blocks[i] = blocks[n - 1 - i];
        blocks[n - 1 - i] = t;
    }
}

u32 pcpu_chunk_take_empty(struct pcpu_chunk *c, u32 max, u32 *blocks)
{
    u32 n = 0, below = c->nr_blocks;

    if (c->permanent)
        return 0;
    for (; n < max; n++) {
        u32 block;

        if (n && below && is_empty(c, below - 1))
            block = below - 1;
        else
            block = pcpu_tree_last_empty(c, below);
        if (block == NO_BLOCK)
            break;
        blocks[n] = below = block;
    }
    reverse(blocks, n);
    change_state(c, n, blocks, PCPU_POPULATED, PCPU_BUSY);
    return n;
}

void pcpu_chunk_unpopulate_done(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                                struct pcpu_block **metas)
{
    for (u32 i = 0; i < n; i++) {
        metas[i] = c->blocks[blocks[i]];
        c->blocks[blocks[i]] = NULL;
    }
    change_state(c, n, blocks, PCPU_BUSY, PCPU_UNPOPULATED);
}

void pcpu_chunk_unpopulate_cancel(struct pcpu_chunk *c, u32 n, const u32 *blocks)
{
    change_state(c, n, blocks, PCPU_BUSY, PCPU_POPULATED);
}
