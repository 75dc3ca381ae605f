/*
 * Batches: taken with one lock, cleared unit by unit, given back sorted, so that each chunk is
 * locked once and each block is summed up once. See alloc_batch.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_batch.h"
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_lookup.h"
#include "percpu/chunk/clear.h"

#define SHORT_SORT 23u /* up to here insertion alone is as fast */

/* ---- out of a chunk -------------------------------------------------------------------------- */

/* Takes objects, or a bump region, with one lock. 0: no such chunk, or no room for the first. */
static u32 take_from(struct pcpu_allocator *a, u32 number, const struct pcpu_request *r,
                     struct pcpu_entry *batch)
{
    u32 offs[PCPU_BATCH_MAX], got;
    struct pcpu_locked l;

    if (!pcpu_lock_chunk(a, number, &l))
        return 0;
    if (r->bump) {
        got = pcpu_chunk_take_bump(&l.ch->c, r->size, r->max, &offs[0]);
        if (got)
            *r->bump = (struct pcpu_bump){l.ch, l.ch->ptr + offs[0], got * PCPU_GRANULE};
        got = got != 0;
    } else {
        got = pcpu_chunk_alloc(&l.ch->c, r->size, r->align, r->tag, r->n, offs);
        for (u32 i = 0; i < got; i++)
            batch[i] = (struct pcpu_entry){l.ch->ptr + offs[i], pcpu_chunk_tag(&l.ch->c, offs[i])};
    }
    pcpu_unlock_chunk(a, &l);
    return got;
}

/*
 * Takes from the lowest chunk with room, among those whose hint has this DRAINING bit (set or
 * clear). *others: chunks of the other kind have room. A hint was exact when it was written, so a
 * chunk with new room is found as soon as its lock is free.
 */
static ALWAYS_INLINE u32 take_populated(struct pcpu_allocator *a, const struct pcpu_request *r,
                                        u64 draining, struct pcpu_entry *batch, bool *others)
{
    u32 end = pcpu_chunks_end(a);

    for (u32 i = 0; i < end; i++) {
        u64 hint = pcpu_hint(a, i);
        u32 got;

        if (pcpu_hint_populated(hint) < r->size)
            continue;
        if ((hint & PCPU_HINT_DRAINING) != draining) {
            *others = true;
            continue;
        }
        got = take_from(a, i, r, batch);
        if (got)
            return got;
    }
    return 0;
}

u32 pcpu_take(struct pcpu_allocator *a, const struct pcpu_request *r, u32 flags,
              struct pcpu_entry *batch)
{
    for (;;) {
        bool draining = false;
        u32 got = take_populated(a, r, 0, batch, &draining);

        if (!got && draining)
            got = take_populated(a, r, PCPU_HINT_DRAINING, batch, &draining);
        if (got) {
            pcpu_reserve_check(a, flags);
            return got;
        }
        if ((flags & PCPU_ATOMIC) || pcpu_grow(a, r->size, r->align))
            return 0;
    }
}

/* ---- clearing -------------------------------------------------------------------------------- */

/* Adjacent objects are cleared as one piece. */
struct pieces {
    u32 n;
    bool words; /* whole 8-byte words; else a piece begins at its mid */
    struct pcpu_piece at[PCPU_BATCH_MAX];
};

static void add_clear_piece(struct pieces *p, uintptr_t start, uintptr_t end)
{
    p->at[p->n++] = p->words ? pcpu_piece(start, end) : (struct pcpu_piece){start, end, 0};
}

/*
 * Collects the first objects of the batch, as long as all are in the first chunk or all outside it;
 * returns how many. `any`: takes both, because they are cleared in the same units.
 */
static u32 collect_pieces(const struct pcpu_allocator *a, const struct pcpu_entry *batch, u32 n,
                          u32 size, bool any, struct pieces *out)
{
    bool first = batch->ptr - a->static_start < a->unit_size;
    uintptr_t start = batch->ptr, end = start;
    u32 i;

    out->n = 0;
    out->words = size % 8 == 0;
    for (i = 0; i < n; i++) {
        uintptr_t ptr = batch[i].ptr;

        if (!any && (ptr - a->static_start < a->unit_size) != first)
            break;
        if (ptr == end) {
            end += size;
        } else if (ptr + size == start) {
            start = ptr;
        } else {
            add_clear_piece(out, start, end);
            start = ptr;
            end = ptr + size;
        }
    }
    add_clear_piece(out, start, end);
    return i;
}

/* Objects of 4 bytes. */
static void clear_halves(const struct pieces *p, u64 delta, const u64 *units, u32 nr_units)
{
    for (u32 u = 0; u < nr_units; u++) {
        u64 off = delta + units[u];

        for (u32 i = 0; i < p->n; i++)
            pcpu_clear((void *)(p->at[i].mid + off), p->at[i].end - p->at[i].mid);
    }
}

/* Not inline, so that this loop, the heart of every free, has the registers to itself. */
static NOINLINE void clear_pieces(const struct pieces *p, u64 delta, const u64 *units, u32 nr_units)
{
    const struct pcpu_piece *last = p->at + p->n - 1;

    if (last == p->at && nr_units) {
        pcpu_clear_in_units(last, delta, units, nr_units);
        return;
    }
    for (u32 u = 0; u < nr_units; u++) {
        const struct pcpu_piece *piece = p->at;
        u64 off = delta + units[u];

        do
            pcpu_clear_piece(piece, off);
        while (piece++ != last);
    }
}

/* Every possible CPU's copy of the first chunk's objects is backed, so all are cleared. */
u64 pcpu_clear_batch(struct pcpu_allocator *a, const struct pcpu_entry *batch, u32 n, u32 size)
{
    u32 live = atomic_load_explicit(&a->nr_live, memory_order_acquire), done;
    struct pieces pieces;
    u64 bytes = 0;

    for (u32 i = 0; i < n; i += done) {
        bool first = batch[i].ptr - a->static_start < a->unit_size;
        u32 units = first ? a->nr_cpus : live;

        done = collect_pieces(a, batch + i, n - i, size, live == a->nr_cpus, &pieces);
        (pieces.words ? clear_pieces : clear_halves)(&pieces, a->delta,
                                                     first ? a->possible_off : a->live_off, units);
        bytes += (u64)done * units * size;
    }
    return bytes;
}

/* ---- back into the chunks -------------------------------------------------------------------- */

/* One pass of the sort below. Gap 1 is insertion, which costs little when the order is right. */
static void sort_pass(struct pcpu_entry *batch, u32 n, u32 gap)
{
    for (u32 i = gap; i < n; i++) {
        struct pcpu_entry e = batch[i];
        u32 j = i;

        for (; j >= gap && batch[j - gap].ptr > e.ptr; j -= gap)
            batch[j] = batch[j - gap];
        batch[j] = e;
    }
}

static ALWAYS_INLINE bool in_order(const struct pcpu_entry *batch, u32 n, bool ascending)
{
    u32 i = 1;

    while (i < n && (batch[i].ptr > batch[i - 1].ptr) == ascending)
        i++;
    return i == n;
}

/*
 * Sorts by address. Objects are often freed in the order of their addresses, or in reverse. For any
 * other order: Shell's sort, of at most PCPU_BATCH_MAX entries.
 */
static void sort_batch(struct pcpu_entry *batch, u32 n)
{
    static const u32 gaps[] = {23, 10, 4};

    if (in_order(batch, n, true))
        return;
    if (in_order(batch, n, false)) {
        for (u32 i = 0, j = n - 1; i < j; i++, j--) {
            struct pcpu_entry e = batch[i];

            batch[i] = batch[j];
            batch[j] = e;
        }
        return;
    }
    for (u32 g = 0; g < ARRAY_SIZE(gaps) && n > SHORT_SORT; g++)
        sort_pass(batch, n, gaps[g]);
    sort_pass(batch, n, 1);
}

/* Offsets of the entries in batch[0]'s chunk, from batch[0] on; returns how many. */
static u32 same_chunk(struct pcpu_allocator *a, const struct pcpu_entry *batch, u32 n,
                      struct pcpu_dchunk **ch, u32 *offs)
{
    u32 same = 0;

    *ch = pcpu_chunk_of(a, batch[0].ptr, &offs[0]);
    /* No magazine holds reserved-area objects, whose pointers are in the first chunk's range. */
    while (++same < n && batch[same].ptr - (*ch)->ptr < a->unit_size)
        offs[same] = (u32)(batch[same].ptr - (*ch)->ptr);
    return same;
}

static void defer_return(struct pcpu_allocator *a)
{
    if (pcpu_empty_blocks(a) > pcpu_enough_blocks(a))
        pcpu_defer(a, PCPU_WORK_RETURN);
    else if (!atomic_load_explicit(&a->decay_asked, memory_order_relaxed) && pcpu_decay_left(a))
        pcpu_decay_ask(a);
}

void pcpu_give_back(struct pcpu_allocator *a, struct pcpu_entry *batch, u32 n)
{
    u32 offs[PCPU_BATCH_MAX], same;

    sort_batch(batch, n);
    for (u32 i = 0; i < n; i += same) {
        struct pcpu_dchunk *ch;
        struct pcpu_locked l;

        same = same_chunk(a, batch + i, n - i, &ch, offs);
        pcpu_lock_pinned(a, ch->number, &l);
        pcpu_chunk_free(&ch->c, same, offs);
        pcpu_unlock_chunk(a, &l);
    }
    defer_return(a);
}

void pcpu_give_back_bump(struct pcpu_allocator *a, const struct pcpu_bump *bump)
{
    struct pcpu_locked l;

    if (!bump->bytes)
        return;
    pcpu_lock_pinned(a, bump->ch->number, &l);
    pcpu_chunk_give_bump(&l.ch->c, (u32)(bump->ptr - l.ch->ptr), bump->bytes / PCPU_GRANULE);
    pcpu_unlock_chunk(a, &l);
    defer_return(a);
}
