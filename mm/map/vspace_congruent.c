/*
 * Congruent areas: n areas at fixed distances from one base, all free. The contract is in
 * mm/map/vspace.h. The records of a new set are sorted in the unused tail of the area table and
 * then merged in one pass, so a set costs O(count + n log n) and its search.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/sort.h"
#include "mm/map/vspace_table.h"

#define VAREA_LEAVING (1u << 31) /* marked by vspace_free_congruent, only while it runs */

/* A set in search of a base: areas as offsets, sorted. */
struct placement {
    struct varea *set;
    u32 n;
    u64 lowest; /* smallest offset */
    u64 span;   /* from the lowest start to the highest end */
};

static int check_arguments(const u64 *offsets, const u64 *sizes, u32 n, u64 align)
{
    if (!n || n > ~0u / 4 || !is_pow2(align) || align < PAGE_SIZE)
        return -EINVAL;
    for (u32 i = 0; i < n; i++) {
        if (!sizes[i] || !is_aligned(offsets[i] | sizes[i], align) ||
            offsets[i] + sizes[i] < offsets[i])
            return -EINVAL;
    }
    return 0;
}

/*
 * Fills the placement: records with offsets instead of addresses, at areas[count + n ..], which the
 * merge does not overwrite before it has read them.
 */
static int prepare(struct vspace *vs, const u64 *offsets, const u64 *sizes, u32 n, u64 align,
                   const char *name, struct placement *p)
{
    int err = check_arguments(offsets, sizes, n, align);

    if (!err)
        err = vs->count > ~0u - 2 * n ? -ENOMEM : vspace_reserve(vs, vs->count + 2 * n);
    if (err)
        return err;
    *p = (struct placement){.set = vs->areas + vs->count + n, .n = n};
    for (u32 i = 0; i < n; i++)
        p->set[i] = (struct varea){offsets[i], offsets[i], offsets[i] + sizes[i],
                                   name,       (s32)i,     VAREA_CONGRUENT};
    sort(p->set, n, sizeof(*p->set), sort_compare_u64, NULL); /* by start */
    for (u32 i = 1; i < n; i++) {
        if (p->set[i].start < p->set[i - 1].end)
            return -EINVAL;
    }
    p->lowest = p->set[0].start;
    p->span = p->set[n - 1].end - p->lowest;
    return 0;
}

/*
 * The lowest address of the first area such that all are free. Every step moves it past a used area
 * that any lower address would overlap too, so no place is missed, and the search ends.
 */
static int find_place(const struct vspace *vs, const struct placement *p, u64 align, u64 *first)
{
    u64 at = align_up(vs->base, align);
    u32 i = 0;

    for (u32 clear = 0; clear < p->n;) {
        u64 rel = p->set[i].start - p->lowest, size = p->set[i].end - p->set[i].start;
        u32 busy;

        if (at < vs->base || at >= vs->end || p->span > vs->end - at)
            return -ENOSPC;
        busy = vspace_index(vs, at + rel);
        if (busy < vs->count && vs->areas[busy].start < at + rel + size) {
            at = align_up(vs->areas[busy].end - rel, align);
            clear = 0;
            continue;
        }
        clear++;
        i = (i + 1) % p->n;
    }
    *first = at;
    return 0;
}

/* Merges the set, moved by base, into the table, from the highest address down. */
static void merge(struct vspace *vs, const struct placement *p, u64 base)
{
    u32 old = vs->count, new = p->n, to = vs->count + p->n;

    while (new > 0) {
        struct varea next = p->set[new - 1];

        next.start += base;
        next.va += base;
        next.end += base;
        if (old > 0 && vs->areas[old - 1].start > next.start) {
            vs->areas[--to] = vs->areas[--old];
            continue;
        }
        vs->areas[--to] = next;
        vs->used += next.end - next.start;
        new --;
    }
    vs->count += p->n;
}

int vspace_alloc_congruent(struct vspace *vs, const u64 *offsets, const u64 *sizes, u32 n,
                           u64 align, const char *name, u64 *base)
{
    struct placement p;
    u64 first;
    int err = prepare(vs, offsets, sizes, n, align, name, &p);

    if (!err)
        err = find_place(vs, &p, align, &first);
    if (err)
        return err;
    *base = first - p.lowest;
    merge(vs, &p, *base);
    return 0;
}

int vspace_free_congruent(struct vspace *vs, u64 base, const u64 *offsets, u32 n)
{
    u32 kept = 0;

    for (u32 i = 0; i < n; i++) {
        struct varea *area = vspace_area_at(vs, base + offsets[i]);

        if (area && !(area->flags & VAREA_LEAVING)) {
            area->flags |= VAREA_LEAVING;
            continue;
        }
        while (i-- > 0)
            vspace_area_at(vs, base + offsets[i])->flags &= ~VAREA_LEAVING;
        return -ENOENT;
    }
    for (u32 i = 0; i < vs->count; i++) {
        if (vs->areas[i].flags & VAREA_LEAVING)
            vs->used -= vs->areas[i].end - vs->areas[i].start;
        else
            vs->areas[kept++] = vs->areas[i];
    }
    vs->count = kept;
    return 0;
}
