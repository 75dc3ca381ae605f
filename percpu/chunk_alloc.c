/*
 * Objects of a chunk: taking and giving back. Both go through the blocks from left to right, keep
 * what changes of a block's summary at hand, and bring its leaf and the tree up to date when they
 * leave the block.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/chunk_internal.h"

#define IN_BLOCK(g) ((g) & (PCPU_BLOCK_GRANULES - 1))

/* The block that is being changed. */
struct edit {
    struct pcpu_chunk *c;
    struct pcpu_block *b;
    u32 block; /* NO_BLOCK: none */
    struct pcpu_runs runs;
    u32 rest;     /* the longest of what was left over of the runs taken from */
    bool max_cut; /* a run as long as runs.max was cut: rest, or another run, is the longest now */
    bool was_empty;
    u32 pending; /* pcpu_tree_climb() */
    u32 emptied; /* blocks that became empty */
};

static void edit_begin(struct edit *e, struct pcpu_chunk *c)
{
    e->c = c;
    e->block = NO_BLOCK;
    e->pending = e->emptied = 0;
}

/* The longest run after some that were as long as any before were cut. */
static u32 max_after_cut(const struct edit *e)
{
    u32 others = e->b->free - e->rest;

    if (others <= e->rest)
        return e->rest;
    return pcpu_block_max(e->b, MIN(e->runs.max, others));
}

/* Leaves the block; next: the one that is changed after it, or NO_BLOCK. */
static void edit_close(struct edit *e, u32 next)
{
    struct pcpu_chunk *c = e->c;
    struct pcpu_tree_node *leaf = &c->tree[c->leaves + e->block];
    bool is_empty = e->b->free == PCPU_BLOCK_GRANULES;

    if (e->max_cut)
        e->runs.max = max_after_cut(e);
    if (is_empty != e->was_empty) {
        u32 add = is_empty ? 1 : -1u;

        c->nr_empty += add;
        e->emptied += is_empty;
        pcpu_tree_count(c, e->block, 0, add);
    }
    if ((leaf->pop.pre ^ e->runs.pre) | (leaf->pop.suf ^ e->runs.suf) |
        (leaf->pop.max ^ e->runs.max)) {
        leaf->pop = leaf->all = e->runs;
        e->pending |= 2;
    }
    if (e->pending)
        pcpu_tree_climb(c, e->block, next, &e->pending);
}

static inline void edit_open(struct edit *e, u32 block)
{
    if (e->block == block)
        return;
    if (e->block != NO_BLOCK)
        edit_close(e, block);
    e->block = block;
    e->b = e->c->blocks[block];
    e->runs = e->c->tree[e->c->leaves + block].pop;
    e->rest = 0;
    e->max_cut = false;
    e->was_empty = e->b->free == PCPU_BLOCK_GRANULES;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* [lo, hi) out of the block's free run [start, end). */
static inline void take_in_block(struct edit *e, u32 start, u32 lo, u32 hi, u32 end)
{
    u32 rest = MAX(lo - start, end - hi);

    e->max_cut |= end - start == e->runs.max;
    e->rest = MAX(e->rest, rest);
    if (!start)
        e->runs.pre = lo;
    if (end == PCPU_BLOCK_GRANULES)
        e->runs.suf = PCPU_BLOCK_GRANULES - hi;
    pcpu_block_take(e->b, lo, hi);
}

/* [h->at, hi) out of a hole. */
static inline void take(struct edit *e, const struct pcpu_hole *h, u32 hi)
{
    u32 block = h->at >> BLOCK_GRANULE_SHIFT, last = (hi - 1) >> BLOCK_GRANULE_SHIFT;

    for (; block <= last; block++) {
        u32 base = block << BLOCK_GRANULE_SHIFT, border = base + PCPU_BLOCK_GRANULES;

        edit_open(e, block);
        take_in_block(e, MAX(h->start, base) - base, MAX(h->at, base) - base,
                      MIN(hi, border) - base, MIN(h->end, border) - base);
    }
}

/* Never PCPU_TAG_OWNED: whoever frees a pointer there must not find an object. */
static void write_size(struct pcpu_chunk *c, u32 g, u32 size)
{
    for (u32 i = 1; i <= 4; i++, size >>= 7)
        c->blocks[(g + i) >> BLOCK_GRANULE_SHIFT]->tag[IN_BLOCK(g + i)] = size & PCPU_TAG_KIND;
}

static inline void place(struct pcpu_chunk *c, u32 g, u32 size, u8 tag)
{
    struct pcpu_block *b = c->blocks[g >> BLOCK_GRANULE_SHIFT];

    b->tag[IN_BLOCK(g)] = tag;
    b->objects++;
    if ((tag & PCPU_TAG_KIND) == PCPU_TAG_BIG)
        write_size(c, g, size);
}

u32 pcpu_chunk_alloc(struct pcpu_chunk *c, u32 size, u32 align, u8 tag, u32 n, u32 *offs)
{
    u32 done = 0, from = 0, g;
    struct pcpu_hole h;
    struct edit e;

    if (!size || size > c->tree[1].pop.max)
        return 0;
    if (n > 1)
        n = MIN(n, (u32)(c->free_granules / size));
    if (n > 1 && size & (align - 1)) {
        /* Not one next to the other: one at a time. */
        while (done < n && pcpu_chunk_alloc(c, size, align, tag, 1, offs + done))
            done++;
        return done;
    }
    edit_begin(&e, c);
    while (done < n && pcpu_hole_populated(c, from, size, align, (n - done) * size, &h)) {
        g = h.at;
        do {
            place(c, g, size, tag);
            offs[done++] = g << PCPU_GRANULE_SHIFT;
            g += size;
        } while (done < n && g + size <= h.end);
        take(&e, &h, g);
        from = h.end;
    }
    if (!done)
        return 0;
    edit_close(&e, NO_BLOCK);
    c->free_granules -= (u64)done * size;
    c->nr_objects += done;
    return done;
}

/* ---- giving back ----------------------------------------------------------------------------- */

static inline void give(struct edit *e, u32 lo, u32 hi)
{
    u32 block = lo >> BLOCK_GRANULE_SHIFT, last = (hi - 1) >> BLOCK_GRANULE_SHIFT, begin, end;

    for (; block <= last; block++) {
        u32 base = block << BLOCK_GRANULE_SHIFT;

        edit_open(e, block);
        pcpu_block_give(e->b, MAX(lo, base) - base, MIN(hi - base, PCPU_BLOCK_GRANULES), &begin,
                        &end);
        e->runs.max = MAX(e->runs.max, end - begin);
        if (!begin)
            e->runs.pre = end;
        if (end == PCPU_BLOCK_GRANULES)
            e->runs.suf = end - begin;
    }
}

/* Takes the object at granule g out of the boundary map; returns its granules. */
static inline u32 unplace(struct pcpu_chunk *c, u32 g)
{
    struct pcpu_block *b = c->blocks[g >> BLOCK_GRANULE_SHIFT];
    u8 tag = b->tag[IN_BLOCK(g)], kind = tag & PCPU_TAG_KIND;
    u32 size;

    b->tag[IN_BLOCK(g)] = 0;
    b->objects--;
    if (kind != PCPU_TAG_BIG)
        return pcpu_class_size(kind) / PCPU_GRANULE;
    size = pcpu_object_granules(c, g, tag);
    write_size(c, g, 0);
    return size;
}

u32 pcpu_chunk_free(struct pcpu_chunk *c, u32 n, const u32 *offs)
{
    struct edit e;
    u32 lo, hi;
    u64 total = 0;

    if (!n)
        return 0;
    edit_begin(&e, c);
    lo = hi = offs[0] >> PCPU_GRANULE_SHIFT;
    for (u32 i = 0; i < n; i++) {
        u32 g = offs[i] >> PCPU_GRANULE_SHIFT, size = unplace(c, g);

        /* Neighbours are given back together. */
        if (g != hi) {
            give(&e, lo, hi);
            lo = g;
        }
        hi = g + size;
        total += size;
    }
    give(&e, lo, hi);
    edit_close(&e, NO_BLOCK);
    c->free_granules += total;
    c->nr_objects -= n;
    return e.emptied;
}

u32 pcpu_object_granules(const struct pcpu_chunk *c, u32 g, u8 tag)
{
    u32 size = 0;

    if ((tag & PCPU_TAG_KIND) != PCPU_TAG_BIG)
        return pcpu_class_size(tag & PCPU_TAG_KIND) / PCPU_GRANULE;
    for (u32 i = 4; i; i--)
        size = size << 7 | c->blocks[(g + i) >> BLOCK_GRANULE_SHIFT]->tag[IN_BLOCK(g + i)];
    return size;
}

u32 pcpu_chunk_object_size(const struct pcpu_chunk *c, u32 off)
{
    return pcpu_object_granules(c, off >> PCPU_GRANULE_SHIFT, *pcpu_chunk_tag(c, off)) *
           PCPU_GRANULE;
}
