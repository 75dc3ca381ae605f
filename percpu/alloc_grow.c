/*
 * Population: more blocks for an object that fits nowhere, or for the reserve. Blocks are BUSY and
 * this CPU's own while they get memory, outside of every lock but the chunk's map mutex.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc_internal.h"

#define GROW_BATCH 128u

static int back_blocks(struct pcpu_allocator *a, struct pcpu_dchunk *ch, const u32 *blocks, u32 n)
{
    int err = pcpu_backing_populate(&ch->backing, blocks, n);

    if (err == -ENOMEM && pcpu_reclaim(a))
        err = pcpu_backing_populate(&ch->backing, blocks, n);
    return err;
}

/* BUSY blocks, which keep the chunk alive; afterwards it may go at any moment. */
static void lock_busy(struct pcpu_allocator *a, u32 number, struct pcpu_locked *l)
{
    if (!pcpu_lock_chunk(a, number, l))
        panic("percpu: chunk %u went with busy blocks", number);
}

/* BUSY blocks become unpopulated again. At most GROW_BATCH. */
static void give_up(struct pcpu_allocator *a, u32 number, const u32 *blocks, u32 n)
{
    struct pcpu_block *none[GROW_BATCH];
    struct pcpu_locked l;

    lock_busy(a, number, &l);
    pcpu_chunk_unpopulate_done(&l.ch->c, n, blocks, none);
    pcpu_unlock_chunk(a, &l);
}

/* BUSY blocks of chunk number `number` become populated, or none of them. At most GROW_BATCH. */
static int populate(struct pcpu_allocator *a, struct pcpu_dchunk *ch, const u32 *blocks, u32 n)
{
    struct pcpu_block *metas[GROW_BATCH];
    struct pcpu_locked l;
    u32 number = ch->number;
    int err = -ENOMEM;
    bool ready;

    if (pcpu_metas_get(a, n, metas)) {
        err = back_blocks(a, ch, blocks, n);
        if (err)
            pcpu_metas_put(a, n, metas);
    }
    if (err) {
        give_up(a, number, blocks, n);
        return err;
    }
    ready = ch->backing.nr_ready != 0;
    lock_busy(a, number, &l);
    pcpu_chunk_populate_done(&l.ch->c, n, blocks, metas);
    pcpu_unlock_chunk(a, &l);
    if (ready)
        pcpu_defer(a, PCPU_WORK_PROMOTE);
    return 0;
}

/* The unpopulated blocks of [first, first + count) that this CPU made BUSY, batch by batch. */
static int populate_hole(struct pcpu_allocator *a, struct pcpu_dchunk *ch, const u32 *blocks, u32 n)
{
    int err = 0;

    for (u32 done = 0; done < n; done += GROW_BATCH) {
        u32 part = MIN(n - done, GROW_BATCH);

        if (!err)
            err = populate(a, ch, blocks + done, part);
        else
            give_up(a, ch->number, blocks + done, part);
    }
    return err;
}

/* ---- for one object ----------------------------------------------------------------------------
 */

/* A hole contains no BUSY block of others: those that are in it now are this CPU's. */
static u32 list_busy(const struct pcpu_chunk *c, u32 first, u32 count, u32 *blocks)
{
    u32 n = 0;

    for (u32 b = first; b < first + count; b++)
        if (c->state[b] == PCPU_BUSY)
            blocks[n++] = b;
    return n;
}

/*
 * Once for many blocks costs little more than for one: a call that populates leaves some empty
 * ones, a 32nd of the first 512 and an eighth of what is populated beyond, as far as clearing them
 * is not too much for one call.
 */
static u32 grow_ahead(struct pcpu_allocator *a)
{
    u64 live = atomic_load_explicit(&a->nr_live, memory_order_relaxed), blocks = 0;
    u32 ahead;

    for (u32 node = 0; node < a->env->nr_nodes; node++)
        blocks += atomic_load_explicit(&a->env->count[node].populated, memory_order_relaxed);
    blocks /= live;
    ahead = (u32)(MIN(blocks, 512) / 32 + (blocks - MIN(blocks, 512)) / 8);
    ahead = MIN(ahead, MIN(PCPU_GROW_AHEAD_MAX, PCPU_GROW_AHEAD_PAGES / (u32)live));
    ahead = MAX(ahead, PCPU_GROW_AHEAD);
    atomic_store_explicit(&a->grow_ahead, ahead, memory_order_relaxed);
    return ahead;
}

/* Blocks that the reserve should get. */
static u32 reserve_missing(struct pcpu_allocator *a)
{
    s64 left = MAX(pcpu_empty_blocks(a), 0), target = pcpu_reserve_target(a);

    return left < target / 2 ? (u32)(MAX(target, (s64)grow_ahead(a)) - left) : 0;
}

/* And with an object that is populated, to which `used` of the empty ones go. */
static u32 ahead_missing(struct pcpu_allocator *a, u32 used)
{
    s64 left = MAX(pcpu_empty_blocks(a) - (s64)used, 0), target = pcpu_reserve_target(a);

    return left <= target ? (u32)(target - left) + grow_ahead(a) : 0;
}

/*
 * Together with the n blocks of an object in the hole [first, first + count): the reserve, and what
 * is populated ahead, as far as it fits the batch. Returns how many all are, in order.
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
    if (got && (!n || more[0] > blocks[n - 1])) {
        memcpy(blocks + n, more, got * sizeof(*blocks));
        return all;
    }
    /* Two lists in order become one, from the top. */
    for (u32 at = all; got;)
        blocks[--at] = n && blocks[n - 1] > more[got - 1] ? blocks[--n] : more[--got];
    return all;
}

/*
 * In chunk n: 0; -ENOSPC: no hole. The list of blocks of a large object does not fit the stack, so
 * it is metadata memory; small ones use the array.
 */
static int grow_in(struct pcpu_allocator *a, u32 n, u32 size, u32 align, bool reserve)
{
    u32 few[GROW_BATCH], *blocks = few;
    u32 worst = size / PCPU_BLOCK_GRANULES + 2, first, count, busy, found = 0;
    struct pcpu_locked l;
    struct pcpu_dchunk *ch = NULL;
    int err;

    if (worst > GROW_BATCH)
        blocks = pcpu_meta_alloc(a, pcpu_this_node(a), worst * sizeof(u32));
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

/* Draining chunks last, as for objects; else the lowest number. */
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

static int grow(struct pcpu_allocator *a, u32 size, u32 align, bool reserve)
{
    int err = grow_somewhere(a, size, align, reserve);

    while (err == -ENOSPC) {
        err = pcpu_make_chunk(a, size, align);
        if (err)
            return err;
        /* This call has done enough. */
        err = grow_somewhere(a, size, align, false);
    }
    return err;
}

int pcpu_grow(struct pcpu_allocator *a, u32 size, u32 align)
{
    int err = grow(a, size, align, true);

    if (err == -ENOMEM)
        err = grow(a, size, align, false);
    /* Tables and metadata need pages, too. */
    if (err == -ENOMEM && pcpu_reclaim(a))
        err = grow(a, size, align, false);
    return err;
}

/* ---- for the reserve ---------------------------------------------------------------------------
 */

static u32 reserve_in(struct pcpu_allocator *a, u32 n, u32 want)
{
    u32 blocks[GROW_BATCH], got;
    struct pcpu_locked l;
    struct pcpu_dchunk *ch;

    if (!pcpu_lock_chunk(a, n, &l))
        return 0;
    ch = l.ch;
    got = pcpu_chunk_grow_reserve(&ch->c, MIN(want, GROW_BATCH), blocks);
    pcpu_unlock_chunk(a, &l);
    return got && !populate(a, ch, blocks, got) ? got : 0;
}

/* One round over the chunks: how many blocks were populated. */
static u32 reserve_round(struct pcpu_allocator *a, u32 n)
{
    u32 done = 0;

    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a) && done < n; i++) {
        u32 got;

        if (pcpu_hint_any(pcpu_hint(a, i)) == 0)
            continue;
        do {
            got = reserve_in(a, i, n - done);
            done += got;
        } while (got && done < n);
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

    if (likely(!pcpu_reserve_low(a)))
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
