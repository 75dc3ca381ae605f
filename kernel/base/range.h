/*
 * Half-open ranges [start, end) of 64-bit addresses. RANGE_FMT and RANGE_ARG print them as Linux
 * does, with an inclusive end.
 * Pure; may be called from any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_RANGE_H
#define PERCH_BASE_RANGE_H

#include "kernel/base/types.h"

struct range {
    u64 start;
    u64 end; /* exclusive; end <= start means empty */
};

#define RANGE_FMT    "[mem 0x%08llx-0x%08llx]"
#define RANGE_ARG(r) (ull)(r).start, (ull)((r).end - 1)

static inline u64 range_size(struct range r)
{
    return r.end > r.start ? r.end - r.start : 0;
}

static inline bool range_empty(struct range r)
{
    return r.end <= r.start;
}

/* [base, base + size). False: base + size wraps, or size is 0. */
static inline bool range_make(u64 base, u64 size, struct range *out)
{
    if (size == 0 || base + size < base)
        return false;
    *out = (struct range){base, base + size};
    return true;
}

static inline bool range_overlaps(struct range a, struct range b)
{
    return a.start < b.end && b.start < a.end;
}

static inline struct range range_intersect(struct range a, struct range b)
{
    struct range r = {MAX(a.start, b.start), MIN(a.end, b.end)};
    if (r.end < r.start)
        r.end = r.start;
    return r;
}

/* The whole pages inside r; empty when r holds none. */
static inline struct range range_pages_inside(struct range r)
{
    u64 start = align_up(r.start, PAGE_SIZE);
    u64 end = align_down(r.end, PAGE_SIZE);

    if (start < r.start || end < start)
        return (struct range){r.start, r.start};
    return (struct range){start, end};
}

/* The pages that r touches; the end saturates at the last page boundary. */
static inline struct range range_pages_around(struct range r)
{
    u64 end = align_up(r.end, PAGE_SIZE);

    if (end < r.end)
        end = align_down(~0ULL, PAGE_SIZE);
    return (struct range){align_down(r.start, PAGE_SIZE), end};
}

#endif
