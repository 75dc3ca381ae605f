/*
 * The allocator's chunks: finding them, making them, giving them back. See alloc_chunks.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_chunks.h"
#include "kernel/base/print.h"
#include "percpu/alloc/alloc_lookup.h"

/* ---- locked ---------------------------------------------------------------------------------- */

bool pcpu_lock_chunk(struct pcpu_allocator *a, u32 n, struct pcpu_locked *l)
{
    struct pcpu_dchunk *ch;

    l->flags = local_irq_save();
    ch = pcpu_chunk_number(a, n);
    if (ch) {
        spin_lock(&ch->lock);
        if (ch->live) {
            l->ch = ch;
            l->empty = ch->c.nr_empty;
            l->populated = ch->c.nr_populated;
            return true;
        }
        spin_unlock(&ch->lock);
    }
    local_irq_restore(l->flags);
    return false;
}

void pcpu_lock_pinned(struct pcpu_allocator *a, u32 n, struct pcpu_locked *l)
{
    if (!pcpu_lock_chunk(a, n, l))
        panic("percpu: chunk %u went while it was in use", n);
}

/* A chunk with less than an eighth in use should drain: others are filled first. */
static u64 hint_of(const struct pcpu_dchunk *ch)
{
    const struct pcpu_chunk *c = &ch->c;
    u64 in_use = (u64)c->nr_populated * PCPU_BLOCK_GRANULES - c->free_granules;
    u64 hint = pcpu_chunk_max_populated(c) | (u64)pcpu_chunk_max_any(c) << PCPU_HINT_BITS;

    if (!ch->fixed && in_use < (u64)c->nr_blocks * PCPU_BLOCK_GRANULES / 8)
        hint |= PCPU_HINT_DRAINING;
    return hint;
}

/* Of a dynamic chunk. */
static void count_populated(struct pcpu_allocator *a, s64 more)
{
    s64 now = atomic_fetch_add_explicit(&a->nr_populated, more, memory_order_relaxed) + more;

    if (now > atomic_load_explicit(&a->peak, memory_order_relaxed))
        atomic_store_explicit(&a->peak, now, memory_order_relaxed);
}

void pcpu_unlock_chunk(struct pcpu_allocator *a, struct pcpu_locked *l)
{
    struct pcpu_dchunk *ch = l->ch;

    if (ch->number != PCPU_CHUNK_RESERVED) {
        atomic_store_explicit(&a->hint[ch->number], hint_of(ch), memory_order_relaxed);
        if (ch->c.nr_empty != l->empty) {
            atomic_fetch_add_explicit(&a->nr_empty, (s64)ch->c.nr_empty - (s64)l->empty,
                                      memory_order_relaxed);
            if (ch->fixed)
                atomic_store_explicit(&a->nr_empty_fixed, ch->c.nr_empty, memory_order_relaxed);
        }
        if (ch->c.nr_populated != l->populated)
            count_populated(a, (s64)ch->c.nr_populated - (s64)l->populated);
    }
    spin_unlock_irqrestore(&ch->lock, l->flags);
}

/* ---- by address ------------------------------------------------------------------------------ */

/* The leaf of a slot, made if there is none; NULL: no memory. */
static struct pcpu_leaf *make_leaf(struct pcpu_allocator *a, u64 slot)
{
    struct pcpu_leaf *leaf = pcpu_leaf_of(a, slot);

    if (leaf)
        return leaf;
    leaf = pcpu_meta_zalloc(a, sizeof(*leaf));
    if (leaf)
        atomic_store_explicit(&a->dir[slot / PCPU_LEAF_SLOTS], leaf, memory_order_release);
    return leaf;
}

/* The flat table covers the first unit's slots: a per-CPU pointer + delta is an address there. */
static void set_flat(struct pcpu_allocator *a, u64 base, struct pcpu_dchunk *chunk)
{
    u64 start = base - a->window_base, last = (start + a->unit_size - 1) >> PCPU_SLOT_SHIFT;

    for (u64 slot = start >> PCPU_SLOT_SHIFT; slot <= last && slot < PCPU_FLAT_SLOTS; slot++)
        atomic_store_explicit(&a->flat[slot], chunk, memory_order_release);
}

/* Enters every 2 MiB slot that the chunk's groups touch; with chunk NULL removes them. */
static int set_slots(struct pcpu_allocator *a, u64 base, struct pcpu_dchunk *chunk)
{
    const struct pcpu_first_chunk *fc = a->fc;

    set_flat(a, base, chunk);
    for (u32 g = 0; g < fc->nr_groups; g++) {
        u64 start = base + fc->group_offsets[g] - a->window_base;
        u64 last = (start + fc->group_sizes[g] - 1) >> PCPU_SLOT_SHIFT;

        for (u64 slot = start >> PCPU_SLOT_SHIFT; slot <= last; slot++) {
            struct pcpu_leaf *leaf = make_leaf(a, slot);
            u32 i = slot % PCPU_LEAF_SLOTS;

            if (!leaf)
                return -ENOMEM;
            if (!atomic_load_explicit(&leaf->chunk[i], memory_order_relaxed))
                leaf->group[i] = (u16)g;
            atomic_store_explicit(&leaf->chunk[i], chunk, memory_order_release);
        }
    }
    return 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

static struct pcpu_dchunk *new_dchunk(struct pcpu_allocator *a, u32 number)
{
    struct pcpu_dchunk *ch = pcpu_meta_zalloc(a, sizeof(*ch));

    if (!ch)
        return NULL;
    ch->memory = pcpu_meta_alloc(a, pcpu_chunk_bytes(a->unit_size / PCPU_BLOCK_SIZE));
    if (!ch->memory) {
        pcpu_meta_free(a, ch, sizeof(*ch));
        return NULL;
    }
    ch->number = number;
    return ch;
}

static void free_dchunk(struct pcpu_allocator *a, struct pcpu_dchunk *ch)
{
    pcpu_meta_free(a, ch->memory, pcpu_chunk_bytes(a->unit_size / PCPU_BLOCK_SIZE));
    pcpu_meta_free(a, ch, sizeof(*ch));
}

/* The hint comes first: once the pointer is stored, others find the chunk and write its hint. */
static void publish(struct pcpu_allocator *a, struct pcpu_dchunk *ch)
{
    ch->live = true;
    if (ch->number != PCPU_CHUNK_RESERVED)
        atomic_store_explicit(&a->hint[ch->number], hint_of(ch), memory_order_relaxed);
    atomic_store_explicit(&a->chunks[ch->number], ch, memory_order_release);
    if (ch->number >= pcpu_chunks_end(a))
        atomic_store_explicit(&a->chunks_end, ch->number + 1, memory_order_release);
}

static int make_chunk(struct pcpu_allocator *a)
{
    struct pcpu_dchunk *ch;
    u32 number = PCPU_CHUNK_DYNAMIC;
    int err;

    while (number < PCPU_MAX_CHUNKS && pcpu_chunk_number(a, number))
        number++;
    if (number == PCPU_MAX_CHUNKS)
        return -ENOSPC;
    ch = new_dchunk(a, number);
    if (!ch)
        return -ENOMEM;
    ch->backing.env = a->env;
    err = pcpu_backing_create(a->env, &ch->backing);
    if (err) {
        free_dchunk(a, ch);
        return err;
    }
    ch->base = ch->backing.base;
    ch->ptr = ch->base - a->delta;
    pcpu_chunk_init(&ch->c, a->unit_size / PCPU_BLOCK_SIZE, ch->memory);
    err = set_slots(a, ch->base, ch);
    if (err) {
        set_slots(a, ch->base, NULL);
        pcpu_backing_destroy(&ch->backing);
        free_dchunk(a, ch);
        return err;
    }
    publish(a, ch);
    pcpu_count(&a->chunks_made, 1);
    return 0;
}

/* True: another CPU has just made a chunk with room. The first chunk is never populated. */
static bool room_for(const struct pcpu_allocator *a, u32 need)
{
    for (u32 n = PCPU_CHUNK_DYNAMIC; n < pcpu_chunks_end(a); n++)
        if (pcpu_hint_any(pcpu_hint(a, n)) >= need)
            return true;
    return false;
}

/* Are there unpopulated blocks for the reserve? */
static bool room_for_reserve(struct pcpu_allocator *a)
{
    bool room = false;

    for (u32 n = PCPU_CHUNK_DYNAMIC; n < pcpu_chunks_end(a) && !room; n++) {
        struct pcpu_locked l;

        if (!pcpu_lock_chunk(a, n, &l))
            continue;
        room = l.ch->c.nr_populated + l.ch->c.nr_busy + l.ch->c.nr_absent < l.ch->c.nr_blocks;
        pcpu_unlock_chunk(a, &l);
    }
    return room;
}

int pcpu_make_chunk(struct pcpu_allocator *a, u32 size, u32 align)
{
    u32 need = MIN(size + align - 1, a->unit_size / PCPU_GRANULE); /* fits for certain */
    int err = 0;

    spin_lock(&a->grow_mutex);
    if (size ? !room_for(a, need) : !room_for_reserve(a))
        err = make_chunk(a);
    spin_unlock(&a->grow_mutex);
    return err;
}

/* ---- giving back ----------------------------------------------------------------------------- */

static void no_op(void *arg)
{
    (void)arg;
}

bool pcpu_wait_for_readers(struct pcpu_allocator *a)
{
    return !a->ops->call_all || !a->ops->call_all(a->ops->ctx, no_op, NULL);
}

/* grow_mutex held. The memory is freed when no lookup can see it. */
static void unlink_chunk(struct pcpu_allocator *a, struct pcpu_dchunk *ch)
{
    u32 end = pcpu_chunks_end(a);

    atomic_store_explicit(&a->hint[ch->number], 0, memory_order_relaxed);
    atomic_store_explicit(&a->chunks[ch->number], NULL, memory_order_release);
    /* A search for room takes 9 instructions for each number below the end. */
    while (end > PCPU_CHUNK_DYNAMIC && !pcpu_chunk_number(a, end - 1))
        end--;
    atomic_store_explicit(&a->chunks_end, end, memory_order_release);
    set_slots(a, ch->base, NULL);
    pcpu_backing_destroy(&ch->backing);
    if (pcpu_wait_for_readers(a)) /* else leaked: a CPU may still read it */
        free_dchunk(a, ch);
    pcpu_count(&a->chunks_returned, 1);
}

void pcpu_drop_chunk(struct pcpu_allocator *a, u32 n)
{
    struct pcpu_locked l;

    spin_lock(&a->grow_mutex);
    if (pcpu_lock_chunk(a, n, &l)) {
        l.ch->live = l.ch->c.nr_populated || l.ch->c.nr_busy;
        pcpu_unlock_chunk(a, &l);
        if (!l.ch->live)
            unlink_chunk(a, l.ch);
    }
    spin_unlock(&a->grow_mutex);
}

/* ---- the first chunk's two parts ------------------------------------------------------------- */

static u32 blocks_of(const struct pcpu_region *r)
{
    return r->end > r->start
               ? (u32)((r->end - 1) / PCPU_BLOCK_SIZE - r->start / PCPU_BLOCK_SIZE) + 1
               : 0;
}

/* Metadata for each block of the region, in one piece, with the list of pointers before it. */
static struct pcpu_block **region_blocks(struct pcpu_allocator *a, u32 n, size_t *bytes)
{
    size_t list = align_up(n * sizeof(struct pcpu_block *), 64);
    u8 *memory;

    *bytes = list + n * sizeof(struct pcpu_block);
    memory = pcpu_meta_alloc(a, *bytes);
    for (u32 i = 0; memory && i < n; i++)
        ((struct pcpu_block **)memory)[i] = (struct pcpu_block *)(memory + list) + i;
    return (struct pcpu_block **)memory;
}

static int init_region(struct pcpu_allocator *a, u32 number, const struct pcpu_region *r,
                       struct pcpu_dchunk **out)
{
    struct pcpu_dchunk *ch;
    struct pcpu_block **blocks;
    size_t bytes;

    if (r->start == r->end)
        return 0;
    ch = new_dchunk(a, number);
    if (!ch)
        return -ENOMEM;
    blocks = region_blocks(a, blocks_of(r), &bytes);
    if (!blocks) {
        free_dchunk(a, ch);
        return -ENOMEM;
    }
    ch->fixed = true;
    ch->base = a->first_base;
    ch->ptr = a->static_start;
    pcpu_chunk_init_region(&ch->c, a->unit_size / PCPU_BLOCK_SIZE, ch->memory, r->start, r->end,
                           blocks);
    publish(a, ch);
    *out = ch;
    return 0;
}

int pcpu_init_fixed(struct pcpu_allocator *a)
{
    int err;

    atomic_store_explicit(&a->chunks_end, PCPU_CHUNK_DYNAMIC, memory_order_relaxed);
    err = init_region(a, PCPU_CHUNK_FIRST, &a->fc->dyn_area, &a->first);
    if (!err)
        err = init_region(a, PCPU_CHUNK_RESERVED, &a->fc->reserved_area, &a->reserved);
    if (!err && a->first) {
        a->first_ptr = a->static_start + a->fc->dyn_area.start;
        a->first_bytes = a->fc->dyn_area.end - a->fc->dyn_area.start;
        atomic_store_explicit(&a->nr_empty, a->first->c.nr_empty, memory_order_relaxed);
        atomic_store_explicit(&a->nr_empty_fixed, a->first->c.nr_empty, memory_order_relaxed);
    }
    return err;
}

static void free_region(struct pcpu_allocator *a, struct pcpu_dchunk *ch,
                        const struct pcpu_region *r)
{
    u32 n = blocks_of(r), first = (u32)(r->start / PCPU_BLOCK_SIZE);
    size_t list = align_up(n * sizeof(struct pcpu_block *), 64);

    if (!ch)
        return;
    /* The list is right before the first block's metadata. */
    pcpu_meta_free(a, (u8 *)ch->c.blocks[first] - list, list + n * sizeof(struct pcpu_block));
    free_dchunk(a, ch);
}

void pcpu_free_fixed(struct pcpu_allocator *a)
{
    free_region(a, a->first, &a->fc->dyn_area);
    free_region(a, a->reserved, &a->fc->reserved_area);
    for (u64 i = 0; a->dir && i < (a->window_slots + PCPU_LEAF_SLOTS - 1) / PCPU_LEAF_SLOTS; i++)
        pcpu_meta_free(a, atomic_load_explicit(&a->dir[i], memory_order_relaxed),
                       sizeof(struct pcpu_leaf));
}
