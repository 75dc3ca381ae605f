/*
 * Objects of exactly one page, for suites that look at the pages behind them. Header only: each
 * suite has its own objects. Boot CPU; other CPUs may look at them.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_PERCPU_BACKING_PAGE_OBJECTS_H
#define PERCH_TESTS_PERCPU_BACKING_PAGE_OBJECTS_H

#include "percpu/debug/debug.h"
#include "tests/percpu/alloc/percpu_dyn.h"

/* Two chunks of the largest unit (percpu_atom=), and what the first chunk takes (percpu_dyn=). */
#define MAX_PAGES (2 * 16 * SZ_1M / PAGE_SIZE + SZ_1M / PAGE_SIZE)

/*
 * Objects of one page each, from the allocator itself, so that none has red zones; static:
 * other CPUs look at them.
 */
static struct pages {
    u64 *p[MAX_PAGES];
    u32 n;
} pages;

static inline bool take_page(struct pages *o)
{
    if (o->n < MAX_PAGES)
        o->p[o->n] = pcpu_alloc(percpu_allocator(), PAGE_SIZE, PAGE_SIZE, 0);
    if (o->n < MAX_PAGES && o->p[o->n]) {
        o->n++;
        return true;
    }
    ktest_fail(__FILE__, __LINE__, "no memory for page object %u", o->n);
    return false;
}

static inline void give_pages(struct pages *o, u32 keep)
{
    while (o->n > keep)
        percpu_free(o->p[--o->n]);
}

static inline u32 chunk_number_of(const void *p)
{
    struct percpu_location loc;

    return percpu_decode(per_cpu_ptr((const u8 *)p, 0), &loc) ? ~0u : loc.chunk;
}

#endif
