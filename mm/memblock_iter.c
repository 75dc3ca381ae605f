/*
 * Walks over free memory: the memory list in lockstep with the reserved list.
 * SPDX-License-Identifier: MIT
 */
#include "mm/memblock_internal.h"

static bool emit(struct memblock_free_range *out, const struct memblock_region *r, u64 start,
                 u64 end)
{
    *out = (struct memblock_free_range){start, end, r->nid, r->flags};
    return true;
}

bool memblock_next_free(const struct memblock *mb, s32 nid, u32 skip_flags,
                        struct memblock_cursor *c, struct memblock_free_range *out)
{
    const struct memblock_type *res = &mb->reserved;

    for (; c->mem < mb->memory.cnt; c->mem++) {
        const struct memblock_region *r = &mb->memory.regions[c->mem];
        u64 end = memblock_end(r);

        if ((r->flags & skip_flags) || !memblock_node_matches(nid, r->nid))
            continue;
        c->pos = MAX(c->pos, r->base);
        while (c->pos < end) {
            u64 start = c->pos, stop = end;
            while (c->res < res->cnt && memblock_end(&res->regions[c->res]) <= start)
                c->res++;
            if (c->res < res->cnt) {
                stop = MIN(end, res->regions[c->res].base);
                c->pos = stop < end ? memblock_end(&res->regions[c->res]) : end;
            } else {
                c->pos = end;
            }
            if (stop > start)
                return emit(out, r, start, stop);
        }
    }
    return false;
}

bool memblock_next_free_rev(const struct memblock *mb, s32 nid, u32 skip_flags,
                            struct memblock_cursor *c, struct memblock_free_range *out)
{
    const struct memblock_type *res = &mb->reserved;

    if (!c->started)
        *c = (struct memblock_cursor){mb->memory.cnt, res->cnt, MEMBLOCK_NO_LIMIT, true};
    /* c->mem and c->res are one past the region looked at; pos is where the rest ends. */
    for (; c->mem > 0; c->mem--) {
        const struct memblock_region *r = &mb->memory.regions[c->mem - 1];

        if ((r->flags & skip_flags) || !memblock_node_matches(nid, r->nid))
            continue;
        c->pos = MIN(c->pos, memblock_end(r));
        while (c->pos > r->base) {
            u64 end = c->pos, from = r->base;
            while (c->res > 0 && res->regions[c->res - 1].base >= end)
                c->res--;
            if (c->res > 0) {
                from = MAX(r->base, memblock_end(&res->regions[c->res - 1]));
                c->pos = from > r->base ? res->regions[c->res - 1].base : r->base;
            } else {
                c->pos = r->base;
            }
            if (end > from)
                return emit(out, r, from, end);
        }
    }
    return false;
}
