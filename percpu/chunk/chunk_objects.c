/*
 * Objects of a chunk: allocation and free; see chunk.h. Both work on the blocks in ascending order.
 * They collect the changes of a block's runs in a struct, and update leaf and tree once per block.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/chunk/chunk_hole.h"

#define IN_BLOCK(g) ((g) & (PCPU_BLOCK_GRANULES - 1))
#define BUMP_ALIGN  (8u / PCPU_GRANULE)

/* The block being changed. */
struct edit {
    struct pcpu_chunk *c;
    struct pcpu_block *b;
    u32 block; /* NO_BLOCK: none */
    struct pcpu_runs runs;
    u32 rest;     /* the longest remainder of the runs that were cut */
    bool max_cut; /* a run as long as runs.max was cut: runs.max must be computed again */
    u32 had_free;
};

static void edit_begin(struct edit *e, struct pcpu_chunk *c)
{
    e->c = c;
    e->block = NO_BLOCK;
}

/* The longest run of a block for which max_cut is set. */
static u32 max_after_cut(const struct edit *e)
{
    u32 others = e->b->free - e->rest;

    if (others <= e->rest)
        return e->rest;
    return pcpu_block_max(e->b, MIN(e->runs.max, others));
}

/*
 * Updates nr_empty for a populated block with had_free free granules before the change. 1: it
 * became empty; -1: it was empty before.
 */
static inline s32 count_leaf(struct pcpu_chunk *c, u32 block, u32 had_free)
{
    s32 now_empty =
        (c->blocks[block]->free == PCPU_BLOCK_GRANULES) - (had_free == PCPU_BLOCK_GRANULES);

    c->nr_empty += (u32)now_empty;
    return now_empty;
}

/* Updates the block's leaf, with the runs *now, and all ancestors. 1: it became empty. */
static u32 update_leaf(struct pcpu_chunk *c, u32 block, const struct pcpu_runs *now, u32 had_free)
{
    struct pcpu_tree_node *leaf = &c->level[0][block];
    s32 now_empty = count_leaf(c, block, had_free);
    struct pcpu_runs was = leaf->pop;

    if (now_empty)
        pcpu_tree_count_empty(c, block, (u32)now_empty);
    if ((was.pre ^ now->pre) | (was.suf ^ now->suf) | (was.max ^ now->max)) {
        leaf->pop = leaf->all = *now;
        pcpu_tree_climb(c, block, &was);
    }
    return now_empty > 0;
}

/* Updates the leaf alone. For an object in many blocks, pcpu_tree_refresh() follows. */
static u32 set_leaf(struct pcpu_chunk *c, u32 block, const struct pcpu_runs *now, u32 had_free)
{
    struct pcpu_tree_node *leaf = &c->level[0][block];
    s32 now_empty = count_leaf(c, block, had_free);

    leaf->nr_empty += (u32)now_empty;
    leaf->pop = leaf->all = *now;
    return now_empty > 0;
}

static void edit_close(struct edit *e)
{
    if (e->max_cut)
        e->runs.max = max_after_cut(e);
    update_leaf(e->c, e->block, &e->runs, e->had_free);
}

static inline void edit_open(struct edit *e, u32 block)
{
    if (e->block == block)
        return;
    if (e->block != NO_BLOCK)
        edit_close(e);
    e->block = block;
    e->b = e->c->blocks[block];
    e->runs = e->c->level[0][block].pop;
    e->rest = 0;
    e->max_cut = false;
    e->had_free = e->b->free;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Takes [lo, hi) of the block's free run [start, end). */
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

/* Takes [lo, hi) of the run [start, end), in more than two blocks; updates the tree once. */
static NOINLINE void take_many(struct edit *e, u32 start, u32 lo, u32 hi, u32 end)
{
    u32 first = lo >> BLOCK_GRANULE_SHIFT, last = (hi - 1) >> BLOCK_GRANULE_SHIFT;

    if (e->block != NO_BLOCK)
        edit_close(e);
    for (u32 block = first; block <= last; block++) {
        u32 base = block << BLOCK_GRANULE_SHIFT, border = base + PCPU_BLOCK_GRANULES;

        e->block = NO_BLOCK;
        edit_open(e, block);
        take_in_block(e, MAX(start, base) - base, MAX(lo, base) - base, MIN(hi, border) - base,
                      MIN(end, border) - base);
        if (e->max_cut)
            e->runs.max = max_after_cut(e);
        set_leaf(e->c, block, &e->runs, e->had_free);
    }
    e->block = NO_BLOCK;
    pcpu_tree_refresh(e->c, first, last);
}

/* Takes [h->at, hi) of a hole. */
static inline void take(struct edit *e, const struct pcpu_hole *h, u32 hi)
{
    u32 block = h->at >> BLOCK_GRANULE_SHIFT, last = (hi - 1) >> BLOCK_GRANULE_SHIFT;
    u32 lo = IN_BLOCK(h->at), base = block << BLOCK_GRANULE_SHIFT, start = 0;

    if (last > block + 1) {
        take_many(e, h->start, h->at, hi, h->end);
        return;
    }
    if (h->start > base)
        start = h->start - base;
    if (block < last) {
        edit_open(e, block++);
        take_in_block(e, start, lo, PCPU_BLOCK_GRANULES, PCPU_BLOCK_GRANULES);
        base += PCPU_BLOCK_GRANULES;
        start = lo = 0;
    }
    edit_open(e, block);
    take_in_block(e, start, lo, hi - base, MIN(h->end - base, PCPU_BLOCK_GRANULES));
}

/* Size bytes lack PCPU_TAG_OWNED, so that a free of a pointer to one finds no object. */
static void write_size(struct pcpu_chunk *c, u32 g, u32 size)
{
    for (u32 i = 1; i <= 4; i++, size >>= 7)
        c->blocks[(g + i) >> BLOCK_GRANULE_SHIFT]->tag[IN_BLOCK(g + i)] = size & PCPU_TAG_KIND;
}

static inline void place(struct pcpu_chunk *c, u32 g, u32 size, u8 tag)
{
    struct pcpu_block *b = c->blocks[g >> BLOCK_GRANULE_SHIFT];

    b->tag[IN_BLOCK(g)] = tag;
    if ((tag & PCPU_TAG_KIND) == PCPU_TAG_BIG)
        write_size(c, g, size);
}

/* Takes up to n small objects in the block of h->at. */
static u32 take_small(struct edit *e, const struct pcpu_hole *h, u32 size, u32 align, u8 tag, u32 n,
                      u32 *offs)
{
    u32 block = h->at >> BLOCK_GRANULE_SHIFT, base = block << BLOCK_GRANULE_SHIFT, done, last;

    edit_open(e, block);
    done =
        pcpu_block_fill(e->b, h->at - base, size, align, tag, n, base << PCPU_GRANULE_SHIFT, offs);
    last = (offs[done - 1] >> PCPU_GRANULE_SHIFT) - base + size;
    e->max_cut = true;
    e->rest = pcpu_block_run_end(e->b, last) - last;
    e->runs.pre = pcpu_block_run_end(e->b, 0);
    e->runs.suf = PCPU_BLOCK_GRANULES - pcpu_block_run_begin(e->b, PCPU_BLOCK_GRANULES);
    return done;
}

/* Takes up to n adjacent objects in the hole. */
static u32 take_hole(struct edit *e, const struct pcpu_hole *h, u32 size, u8 tag, u32 n, u32 *offs)
{
    u32 done = 0, g = h->at;

    do {
        place(e->c, g, size, tag);
        offs[done++] = g << PCPU_GRANULE_SHIFT;
        g += size;
    } while (done < n && g + size <= h->end);
    take(e, h, g);
    return done;
}

/* True: the hole is too small for n objects, and pcpu_block_fill() can use the whole block. */
static inline bool is_small(const struct pcpu_hole *h, u32 size, u32 align, u8 tag, u32 n)
{
    return h->at + n * size > h->end && size <= 64 && align <= 64 &&
           (tag & PCPU_TAG_KIND) != PCPU_TAG_BIG && IN_BLOCK(h->at) + size <= PCPU_BLOCK_GRANULES;
}

u32 pcpu_chunk_alloc(struct pcpu_chunk *c, u32 size, u32 align, u8 tag, u32 n, u32 *offs)
{
    u32 done = 0, from = 0, visits = 0;
    struct pcpu_hole h = {.need = size};
    struct edit e;

    if (!size || size > c->root->pop.max)
        return 0;
    if (n > 1)
        n = MIN(n, (u32)(c->free_granules / size));
    if (n > 1 && size & (align - 1)) {
        /* Such objects cannot be adjacent: one at a time. */
        while (done < n && pcpu_chunk_alloc(c, size, align, tag, 1, offs + done))
            done++;
        return done;
    }
    edit_begin(&e, c);
    while (done < n && visits++ < PCPU_CHUNK_VISITS &&
           hole_find(c, false, from, size, align, (n - done) * size, done, &h)) {
        if (is_small(&h, size, align, tag, n - done)) {
            done += take_small(&e, &h, size, align, tag, n - done, offs + done);
            /* Continues with the free run at the block's end. */
            edit_close(&e);
            from = ((e.block + 1) << BLOCK_GRANULE_SHIFT) - e.runs.suf;
            e.block = NO_BLOCK;
        } else {
            done += take_hole(&e, &h, size, tag, n - done, offs + done);
            from = h.end;
        }
    }
    if (!done)
        return 0;
    if (e.block != NO_BLOCK)
        edit_close(&e);
    c->free_granules -= (u64)done * size;
    return done;
}

u32 pcpu_chunk_take_bump(struct pcpu_chunk *c, u32 size, u32 max, u32 *off)
{
    struct pcpu_hole h = {.need = size};
    struct edit e;
    u32 end;

    if (size > c->root->pop.max || !hole_find(c, false, 0, size, BUMP_ALIGN, size, false, &h))
        return 0;
    end = MIN(h.end, h.at + max) & ~(BUMP_ALIGN - 1);
    edit_begin(&e, c);
    take(&e, &h, end);
    edit_close(&e);
    c->free_granules -= end - h.at;
    *off = h.at << PCPU_GRANULE_SHIFT;
    return end - h.at;
}

/* ---- giving back ----------------------------------------------------------------------------- */

/* Removes an object with PCPU_TAG_BIG from the boundary map; returns its granules. */
static NOINLINE u32 unplace_big(struct pcpu_chunk *c, u32 g)
{
    u32 size = pcpu_object_granules(c, g, PCPU_TAG_BIG);

    write_size(c, g, 0);
    return size;
}

/* The same for any object. */
static inline u32 unplace(struct pcpu_chunk *c, struct pcpu_block *b, u32 g)
{
    u8 *tag = &b->tag[IN_BLOCK(g)];
    u32 kind = *tag & PCPU_TAG_KIND;

    *tag = 0;
    return kind == PCPU_TAG_BIG ? unplace_big(c, g) : pcpu_class_size(kind) / PCPU_GRANULE;
}

/* Frees [lo, hi) of a block and updates its runs. */
static inline void give(struct pcpu_block *b, u32 lo, u32 hi, struct pcpu_runs *now)
{
    u32 begin, end;

    pcpu_block_give(b, lo, hi, &begin, &end);
    now->max = MAX(now->max, end - begin);
    if (!begin)
        now->pre = end;
    if (end == PCPU_BLOCK_GRANULES)
        now->suf = end - begin;
}

/*
 * Frees granules in the blocks after `first`, which has the runs *now; updates the tree once.
 * Returns how many blocks became empty.
 */
static NOINLINE u32 give_beyond(struct pcpu_chunk *c, u32 first, const struct pcpu_runs *now,
                                u32 had_free, u32 granules)
{
    u32 emptied = set_leaf(c, first, now, had_free), block = first;

    for (u32 part; granules; granules -= part) {
        struct pcpu_block *b = c->blocks[++block];
        struct pcpu_runs runs = c->level[0][block].pop;

        had_free = b->free;
        part = MIN(granules, PCPU_BLOCK_GRANULES);
        give(b, 0, part, &runs);
        emptied += set_leaf(c, block, &runs, had_free);
    }
    pcpu_tree_refresh(c, first, block);
    return emptied;
}

/* Frees those objects that begin in the block of the first one. Returns how many. */
static u32 free_in_block(struct pcpu_chunk *c, u32 n, const u32 *offs, u32 *emptied)
{
    u32 block = offs[0] >> PCPU_BLOCK_SHIFT, first = block << BLOCK_GRANULE_SHIFT, i = 0,
        beyond = 0;
    struct pcpu_runs now = c->level[0][block].pop;
    struct pcpu_block *b = c->blocks[block];
    u32 had_free = b->free, g = (offs[0] >> PCPU_GRANULE_SHIFT) - first;

    do {
        u32 lo = g, hi = g;

        /* Adjacent objects are freed together. */
        do {
            hi += unplace(c, b, first + hi);
            g = ++i < n ? (offs[i] >> PCPU_GRANULE_SHIFT) - first : NO_GRANULE;
        } while (g == hi && hi < PCPU_BLOCK_GRANULES);
        c->free_granules += hi - lo;
        if (hi > PCPU_BLOCK_GRANULES) {
            beyond = hi - PCPU_BLOCK_GRANULES;
            hi = PCPU_BLOCK_GRANULES;
        }
        give(b, lo, hi, &now);
    } while (g < PCPU_BLOCK_GRANULES);
    *emptied += beyond ? give_beyond(c, block, &now, had_free, beyond)
                       : update_leaf(c, block, &now, had_free);
    return i;
}

u32 pcpu_chunk_free(struct pcpu_chunk *c, u32 n, const u32 *offs)
{
    u32 emptied = 0;

    for (u32 done; n; n -= done, offs += done)
        done = free_in_block(c, n, offs, &emptied);
    return emptied;
}

u32 pcpu_chunk_give_bump(struct pcpu_chunk *c, u32 off, u32 n)
{
    u32 block = off >> PCPU_BLOCK_SHIFT, lo = IN_BLOCK(off >> PCPU_GRANULE_SHIFT);
    u32 here = MIN(n, PCPU_BLOCK_GRANULES - lo);
    struct pcpu_runs now = c->level[0][block].pop;
    u32 had_free = c->blocks[block]->free;

    give(c->blocks[block], lo, lo + here, &now);
    c->free_granules += n;
    return here < n ? give_beyond(c, block, &now, had_free, n - here)
                    : update_leaf(c, block, &now, had_free);
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
