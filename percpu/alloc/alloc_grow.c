/*
 * Population: more blocks for an object without room, or for the reserve. While blocks get memory
 * they are BUSY and belong to this CPU; only the chunk's map mutex is held.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_chunks.h"

#define GROW_BATCH 128u

/* Makes BUSY blocks unpopulated again. At most GROW_BATCH. */
static void unpopulate_busy(struct pcpu_allocator *a, u32 number, const u32 *blocks, u32 n)
{
    struct pcpu_block *none[GROW_BATCH];
    struct pcpu_locked l;

    pcpu_lock_pinned(a, number, &l);
    pcpu_chunk_unpopulate_done(&l.ch->c, n, blocks, none);
    pcpu_unlock_chunk(a, &l);
}

/* Makes BUSY blocks populated, all or none. At most GROW_BATCH. */
static int populate_batch(struct pcpu_allocator *a, struct pcpu_dchunk *ch, const u32 *blocks,
                          u32 n)
{
    struct pcpu_block *metas[GROW_BATCH];
    struct pcpu_locked l;
    u32 number = ch->number;
    int err = -ENOMEM;
    bool ready;

    if (pcpu_metas_get(a, n, metas)) {
        err = pcpu_backing_populate(&ch->backing, blocks, n);
        if (err == -ENOMEM && pcpu_reclaim(a))
            err = pcpu_backing_populate(&ch->backing, blocks, n);
        if (err)
            pcpu_metas_put(a, n, metas);
    }
    if (err) {
        unpopulate_busy(a, number, blocks, n);
        return err;
    }
    ready = ch->backing.nr_ready != 0;
    pcpu_lock_pinned(a, number, &l);
    pcpu_chunk_populate_done(&l.ch->c, n, blocks, metas);
    pcpu_unlock_chunk(a, &l);
    if (ready)
        pcpu_defer(a, PCPU_WORK_PROMOTE);
    return 0;
}

/* Populates BUSY blocks batch by batch. After a failure the rest is unpopulated again. */
static int populate_hole(struct pcpu_allocator *a, struct pcpu_dchunk *ch, const u32 *blocks, u32 n)
{
    int err = 0;

    for (u32 done = 0; done < n; done += GROW_BATCH) {
        u32 part = MIN(n - done, GROW_BATCH);

        if (!err)
            err = populate_batch(a, ch, blocks + done, part);
        else
            unpopulate_busy(a, ch->number, blocks + done, part);
    }
    return err;
}

/* ---- for one object -------------------------------------------------------------------------- */

/* The BUSY blocks of a hole. All are this CPU's: no hole has BUSY blocks of another CPU. */
static u32 list_busy(const struct pcpu_chunk *c, u32 first, u32 count, u32 *blocks)
{
    u32 n = 0;

    for (u32 b = first; b < first + count; b++)
        if (c->state[b] == PCPU_BUSY)
            blocks[n++] = b;
    return n;
}

/*
 * Growth ahead: empty blocks that a populating call leaves, because many blocks at once cost little
 * more than one. The number is a 32nd of the first 512 populated blocks and an eighth of the
 * others; the limit in pages bounds what one call clears. Without growth ahead, populating a page
 * of a unit on 1 CPU, 1 node is 1,081 instructions instead of 198; with a constant 8, 610.
 */
static u32 grow_ahead(struct pcpu_allocator *a)
{
    u32 live = atomic_load_explicit(&a->nr_live, memory_order_relaxed);
    s64 blocks = pcpu_populated_blocks(a);
    u32 ahead = (u32)(MIN(blocks, 512) / 32 + (blocks - MIN(blocks, 512)) / 8);

    ahead = MIN(ahead, MIN(PCPU_GROW_AHEAD_MAX, PCPU_GROW_AHEAD_PAGES / live));
    ahead = MAX(ahead, PCPU_GROW_AHEAD);
    atomic_store_explicit(&a->grow_ahead, ahead, memory_order_relaxed);
    return ahead;
}

/* Blocks that a call should add to a reserve that is less than half full. */
static u32 reserve_missing(struct pcpu_allocator *a)
{
    s64 empty = MAX(pcpu_empty_blocks(a), 0), target = pcpu_reserve_target(a);

    return empty < target / 2 ? (u32)(MAX(target, (s64)grow_ahead(a)) - empty) : 0;
}

/* Blocks that a call should add if its object takes `used` empty blocks. */
static u32 ahead_missing(struct pcpu_allocator *a, u32 used)
{
    s64 empty = MAX(pcpu_empty_blocks(a) - (s64)used, 0), target = pcpu_reserve_target(a);

    return empty <= target ? (u32)(target - empty) + grow_ahead(a) : 0;
}

/*
 * Adds blocks for the reserve and ahead of demand to the n blocks of an object in the hole [first,
 * first + count), as far as they fit the batch. Returns the new number; the list ascends.
 */
static u32 add_reserve(struct pcpu_allocator *a, struct pcpu_chunk *c, u32 first, u32 count,
                       u32 *blocks, u32 n)
{
    u32 more[GROW_BATCH], used = 0, got, all;

    for (u32 b = first; b < first + count; b++)
        used += c->state[b] == PCPU_POPULATED && c->blocks[b]->free == PCPU_BLOCK_GRANULES;
    got = pcpu_chunk_grow_reserve(c, MIN(ahead_missing(a, used), GROW_BATCH - n), more);
    if (got)
        pcpu_count(&a->inline_work, 1);
    all = n + got;
    if (got && more[0] > blocks[n - 1]) {
        memcpy(blocks + n, more, got * sizeof(*blocks));
        return all;
    }
    /* Merges two ascending lists from the top. */
    for (u32 at = all; got;)
        blocks[--at] = n && blocks[n - 1] > more[got - 1] ? blocks[--n] : more[--got];
    return all;
}

/*
 * Grows in chunk n. -ENOSPC: no hole. A large object's list of blocks does not fit the stack, so it
 * is in metadata memory.
 */
static int grow_in(struct pcpu_allocator *a, u32 n, u32 size, u32 align, bool reserve)
{
    u32 few[GROW_BATCH], *blocks = few;
    u32 worst = size / PCPU_BLOCK_GRANULES + 2, first, count, busy, found = 0;
    struct pcpu_locked l;
    struct pcpu_dchunk *ch = NULL;
    int err;

    if (worst > GROW_BATCH)
        blocks = pcpu_meta_alloc(a, worst * sizeof(u32));
    if (!blocks)
        return -ENOMEM;
    err = pcpu_lock_chunk(a, n, &l) ? 0 : -ENOSPC;
    if (!err) {
        ch = l.ch;
        err = pcpu_chunk_grow(&ch->c, size, align, &first, &count, &busy);
        if (!err)
            found = list_busy(&ch->c, first, count, blocks);
        if (found && reserve && blocks == few)
            found = add_reserve(a, &ch->c, first, count, blocks, found);
        pcpu_unlock_chunk(a, &l);
    }
    if (!err && found)
        err = populate_hole(a, ch, blocks, found);
    if (blocks != few)
        pcpu_meta_free(a, blocks, worst * sizeof(u32));
    return err;
}

/* Grows in the lowest chunk with a hole, draining chunks last, as pcpu_take() does. */
static int grow_somewhere(struct pcpu_allocator *a, u32 size, u32 align, bool reserve)
{
    int err = -ENOSPC;

    for (u32 pass = 0; pass < 2; pass++) {
        for (u32 n = PCPU_CHUNK_DYNAMIC; n < pcpu_chunks_end(a); n++) {
            u64 hint = pcpu_hint(a, n);

            if (pcpu_hint_any(hint) < size || !(hint & PCPU_HINT_DRAINING) != !pass)
                continue;
            err = grow_in(a, n, size, align, reserve);
            if (err != -ENOSPC)
                return err;
        }
    }
    return err;
}

static int grow_or_make(struct pcpu_allocator *a, u32 size, u32 align, bool reserve)
{
    int err = grow_somewhere(a, size, align, reserve);

    while (err == -ENOSPC) {
        err = pcpu_make_chunk(a, size, align);
        if (err)
            return err;
        /* Without a reserve: this call has done enough. */
        err = grow_somewhere(a, size, align, false);
    }
    return err;
}

int pcpu_grow(struct pcpu_allocator *a, u32 size, u32 align)
{
    int err = grow_or_make(a, size, align, true);

    if (err == -ENOMEM)
        err = grow_or_make(a, size, align, false);
    /* Tables and metadata need pages too. */
    if (err == -ENOMEM && pcpu_reclaim(a))
        err = grow_or_make(a, size, align, false);
    return err;
}

/* ---- for the reserve ------------------------------------------------------------------------- */

static u32 reserve_in(struct pcpu_allocator *a, u32 n, u32 max)
{
    u32 blocks[GROW_BATCH], got;
    struct pcpu_locked l;
    struct pcpu_dchunk *ch;

    if (!pcpu_lock_chunk(a, n, &l))
        return 0;
    ch = l.ch;
    got = pcpu_chunk_grow_reserve(&ch->c, MIN(max, GROW_BATCH), blocks);
    pcpu_unlock_chunk(a, &l);
    return got && !populate_batch(a, ch, blocks, got) ? got : 0;
}

/* One round over the chunks; returns how many blocks it populated. */
static u32 reserve_round(struct pcpu_allocator *a, u32 n)
{
    u32 done = 0;

    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a) && done < n;) {
        u32 got = pcpu_hint_any(pcpu_hint(a, i)) ? reserve_in(a, i, n - done) : 0;

        done += got;
        i += !got;
    }
    return done;
}

u32 pcpu_grow_reserve(struct pcpu_allocator *a, u32 n)
{
    u32 done = reserve_round(a, n);

    if (done < n && !pcpu_make_chunk(a, 0, 1))
        done += reserve_round(a, n - done);
    return done;
}

void pcpu_reserve_check(struct pcpu_allocator *a, u32 flags)
{
    u32 n;

    /* The target is at least 2. */
    if (likely(pcpu_empty_blocks(a) >= pcpu_reserve_target(a) / 2))
        return;
    if (flags & PCPU_ATOMIC) {
        pcpu_defer(a, PCPU_WORK_REFILL);
        return;
    }
    n = reserve_missing(a);
    if (n) {
        pcpu_grow_reserve(a, n);
        pcpu_count(&a->inline_work, 1);
    }
}
