/*
 * Walk over a chunk's objects, and statistics; see chunk.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/chunk/chunk_hole.h"

typedef u64 __attribute__((may_alias)) tag8;

/* Atomic: PCPU_TAG_OWNED changes without the chunk's lock. */
static inline u8 tag_at(const struct pcpu_block *b, u32 g)
{
    return __atomic_load_n(&b->tag[g], __ATOMIC_RELAXED);
}

/* The first granule of [g, end of the block) where an object begins, else the block's end. */
static u32 next_tag(const struct pcpu_block *b, u32 g)
{
    while (g < PCPU_BLOCK_GRANULES && !tag_at(b, g)) {
        const tag8 *eight = __builtin_assume_aligned(&b->tag[g & ~7u], 8);

        if (!(g & 7) && !__atomic_load_n(eight, __ATOMIC_RELAXED))
            g += 8;
        else
            g++;
    }
    return g;
}

int pcpu_chunk_walk(const struct pcpu_chunk *c, int (*fn)(void *ctx, u32 off, u32 size, u8 tag),
                    void *ctx)
{
    u32 g = 0, end = c->nr_blocks << BLOCK_GRANULE_SHIFT;

    while (g < end) {
        const struct pcpu_block *b = c->blocks[g >> BLOCK_GRANULE_SHIFT];
        u32 base = (u32)align_down(g, PCPU_BLOCK_GRANULES), in = g - base, size;
        int err;
        u8 tag;

        if (b)
            in = next_tag(b, in);
        if (!b || in == PCPU_BLOCK_GRANULES) {
            g = base + PCPU_BLOCK_GRANULES;
            continue;
        }
        g = base + in;
        tag = tag_at(b, in);
        size = pcpu_object_granules(c, g, tag);
        err = fn(ctx, g << PCPU_GRANULE_SHIFT, size << PCPU_GRANULE_SHIFT, tag);
        if (err)
            return err;
        g += size;
    }
    return 0;
}

struct sizes {
    u64 n;
    u32 min, max, last_end; /* bytes */
    u32 limit;
    u64 up_to_limit; /* objects of at most limit bytes */
};

static int add_size(void *ctx, u32 off, u32 size, UNUSED u8 tag)
{
    struct sizes *s = ctx;

    s->min = s->n++ ? MIN(s->min, size) : size;
    s->max = MAX(s->max, size);
    s->last_end = off + size;
    s->up_to_limit += size <= s->limit;
    return 0;
}

/* The smallest size for which at least half of the objects are not larger. */
static u32 median(const struct pcpu_chunk *c, const struct sizes *all)
{
    u32 lo = all->min, hi = all->max;

    while (lo < hi) {
        struct sizes s = {.limit = lo + (hi - lo) / 2};

        pcpu_chunk_walk(c, add_size, &s);
        if (s.up_to_limit >= (all->n + 1) / 2)
            hi = s.limit;
        else
            lo = s.limit + 1;
    }
    return lo;
}

/* Start of the lowest hole at or above g; the unit's end if none. */
static u32 next_hole(const struct pcpu_chunk *c, u32 g)
{
    return MIN(hole_run(c, false, g, 1), c->nr_blocks << BLOCK_GRANULE_SHIFT);
}

void pcpu_chunk_stats(const struct pcpu_chunk *c, struct pcpu_chunk_stats *out)
{
    struct sizes all = {0};
    u32 g = next_hole(c, 0), unit = c->nr_blocks << BLOCK_GRANULE_SHIFT, last;

    memset(out, 0, sizeof(*out));
    pcpu_chunk_walk(c, add_size, &all);
    out->nr_objects = all.n;
    out->min_size = all.min;
    out->max_size = all.max;
    out->med_size = all.n ? median(c, &all) : 0;
    out->free_bytes = c->free_granules * PCPU_GRANULE;
    out->largest_free = (u64)pcpu_chunk_max_populated(c) * PCPU_GRANULE;
    out->first_free = (u64)g * PCPU_GRANULE;
    last = all.last_end / PCPU_GRANULE;
    while (g < last && g < unit) {
        u32 end = hole_end(c, false, g, NO_GRANULE);

        out->sum_frag += (u64)(end - g) * PCPU_GRANULE;
        out->max_frag = MAX(out->max_frag, (u64)(end - g) * PCPU_GRANULE);
        g = next_hole(c, end);
    }
}
