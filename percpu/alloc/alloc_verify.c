/*
 * The invariants of a whole allocator, checked while no CPU changes it. See alloc.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/bitmap.h"
#include "percpu/alloc/alloc.h"
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_lookup.h"
#include "percpu/alloc/alloc_set.h"

/* ---- memory that must be zero ---------------------------------------------------------------- */

/* Checks every unit that the allocator clears. */
static bool is_zero(struct pcpu_allocator *a, const struct pcpu_dchunk *ch, u32 off, u32 bytes)
{
    const u64 *units = ch->fixed ? a->possible_off : a->live_off;
    u32 n = ch->fixed ? a->nr_cpus : atomic_load_explicit(&a->nr_live, memory_order_acquire);

    for (u32 u = 0; u < n; u++) {
        const u32 *p = (const u32 *)(uintptr_t)(ch->base + off + units[u]);

        for (u32 i = 0; i < bytes / 4; i++)
            if (p[i])
                return false;
    }
    return true;
}

static bool free_space_is_zero(struct pcpu_allocator *a, const struct pcpu_dchunk *ch)
{
    for (u32 b = 0; b < ch->c.nr_blocks; b++) {
        const struct pcpu_block *block = ch->c.blocks[b];

        if (ch->c.state[b] != PCPU_POPULATED)
            continue;
        for (u32 g = 0; g < PCPU_BLOCK_GRANULES; g++)
            if (!bitmap_test_bit(block->taken, g) &&
                !is_zero(a, ch, b * PCPU_BLOCK_SIZE + g * PCPU_GRANULE, PCPU_GRANULE))
                return false;
    }
    return true;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

/* Granules of the chunk in bump regions. */
static u64 bump_granules(const struct pcpu_allocator *a, const struct pcpu_dchunk *ch)
{
    u64 bytes = 0;

    for (u32 i = 0; i < a->nr_cpus; i++)
        bytes += a->mags[i]->bump.ch == ch ? a->mags[i]->bump.bytes : 0;
    return bytes / PCPU_GRANULE;
}

static const char *verify_chunk(struct pcpu_allocator *a, struct pcpu_dchunk *ch)
{
    u64 hint = pcpu_hint(a, ch->number);
    const char *bad = pcpu_chunk_verify(&ch->c, bump_granules(a, ch));

    if (!bad && !ch->fixed)
        bad = pcpu_backing_verify(&ch->backing);
    if (bad)
        return bad;
    if (ch->number != PCPU_CHUNK_RESERVED &&
        (pcpu_hint_populated(hint) != pcpu_chunk_max_populated(&ch->c) ||
         pcpu_hint_any(hint) != pcpu_chunk_max_any(&ch->c)))
        return "a chunk's hint is not what its tree says";
    if (!ch->fixed && pcpu_chunk_at(a, ch->base) != ch)
        return "a chunk is not found by its address";
    return free_space_is_zero(a, ch) ? NULL : "free space is not zero";
}

static const char *verify_chunks(struct pcpu_allocator *a)
{
    s64 empty = 0, populated = 0;

    for (u32 n = 0; n < pcpu_chunks_end(a); n++) {
        struct pcpu_dchunk *ch = pcpu_chunk_number(a, n);
        const char *bad;

        if (!ch)
            continue;
        bad = verify_chunk(a, ch);
        if (bad)
            return bad;
        if (n != PCPU_CHUNK_RESERVED)
            empty += ch->c.nr_empty;
        if (!ch->fixed)
            populated += ch->c.nr_populated;
    }
    if (a->nr_empty_fixed != a->first->c.nr_empty)
        return "nr_empty_fixed is not the first chunk's";
    if (populated != pcpu_populated_blocks(a))
        return "nr_populated is not the chunks' sum";
    return empty == pcpu_empty_blocks(a) ? NULL : "nr_empty is not the chunks' sum";
}

/* ---- magazines ------------------------------------------------------------------------------- */

static const char *verify_entry(struct pcpu_allocator *a, u32 class, const struct pcpu_entry *e,
                                bool clean)
{
    u32 off;
    struct pcpu_dchunk *ch = pcpu_chunk_of(a, e->ptr, &off);

    if (!ch || pcpu_tag_of(a, e->ptr) != e->tag)
        return "a magazine holds a pointer that is no object";
    if (*e->tag != class)
        return "an object in a magazine has the wrong tag";
    if (clean && !is_zero(a, ch, off, pcpu_class_size(class)))
        return "a clean object is not zero";
    return NULL;
}

static const char *verify_mag(struct pcpu_allocator *a, const struct pcpu_mags *m, u32 class)
{
    const struct pcpu_mag *mag = &m->mag[class];
    const char *bad = NULL;

    if (mag->clean > mag->dirty || mag->dirty > mag->cap)
        return "a magazine is over its capacity";
    for (u32 i = 0; i < mag->clean && !bad; i++)
        bad = verify_entry(a, class, &mag->entries[i], true);
    for (u32 i = mag->dirty; i < mag->cap && !bad; i++)
        bad = verify_entry(a, class, &mag->entries[i], false);
    return bad;
}

/* A bump region is taken and zero, and has no object. */
static const char *verify_bump(struct pcpu_allocator *a, const struct pcpu_bump *b)
{
    u32 off;

    for (u32 i = 0; i < b->bytes; i += PCPU_GRANULE) {
        const u8 *tag = pcpu_tag_of(a, b->ptr + i);

        if (pcpu_chunk_of(a, b->ptr + i, &off) != b->ch || !tag || *tag)
            return "a bump region is not its chunk's, or has an object in it";
        if (!pcpu_is_taken(b->ch, off))
            return "a bump region has free memory in it";
    }
    return !b->bytes || is_zero(a, b->ch, (u32)(b->ptr - b->ch->ptr), b->bytes)
               ? NULL
               : "a bump region is not zero";
}

static const char *verify_mags(struct pcpu_allocator *a)
{
    for (u32 i = 0; i < a->nr_cpus; i++) {
        const struct pcpu_mags *m = a->mags[i];
        u32 bytes = m->bump.bytes;
        const char *bad = verify_bump(a, &m->bump);

        if (bad)
            return bad;

        for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++) {
            bad = verify_mag(a, m, c);
            if (bad)
                return bad;
            bytes += (m->mag[c].clean + m->mag[c].cap - m->mag[c].dirty) * pcpu_class_size(c);
        }
        if (bytes != pcpu_set_bytes(m) || m->headroom < 0)
            return "the bytes in a CPU's magazines";
    }
    return NULL;
}

const char *pcpu_verify(struct pcpu_allocator *a)
{
    const char *bad = verify_chunks(a);

    bad = bad ? bad : pcpu_metas_verify(a);
    return bad ? bad : verify_mags(a);
}
