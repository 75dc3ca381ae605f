/*
 * A page allocator for hosted tests: physical memory of the test's choice as address space of the
 * host that costs nothing until it is touched, nodes whose distance is the difference of their
 * numbers (ties: lower first), and allocations that can be made to fail.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_MM_PAGES_BUDDY_RIG_H
#define PERCH_TESTS_MM_PAGES_BUDDY_RIG_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "kernel/base/errno.h"
#include "mm/pages/buddy.h"

#define RIG_META 64

struct buddy_rig {
    struct buddy b;
    u8 *memory; /* of physical address 0, aligned to 2 MiB */
    void *raw;
    u64 size, raw_size;
    u32 nodes;
    void *meta[8 + 2 * RIG_META];
    u32 nr_meta;
    long fail_after; /* so many allocations succeed, then none; negative: all do */
};

static inline void *rig_map(void *ctx, u64 pa)
{
    struct buddy_rig *r = ctx;

    return pa < r->size ? r->memory + pa : NULL;
}

static inline u64 rig_phys(void *ctx, const void *ptr)
{
    struct buddy_rig *r = ctx;

    return (u64)((const u8 *)ptr - r->memory);
}

static inline void *rig_meta(void *ctx, s32 node, size_t size)
{
    struct buddy_rig *r = ctx;
    void *p = NULL;

    (void)node;
    if (r->nr_meta == sizeof(r->meta) / sizeof(r->meta[0]) || posix_memalign(&p, 64, size))
        return NULL;
    memset(p, 0, size);
    r->meta[r->nr_meta++] = p;
    return p;
}

static inline void rig_order(void *ctx, s32 node, s32 *out)
{
    struct buddy_rig *r = ctx;
    u32 n = 0;

    for (s32 d = 0; d < (s32)r->nodes; d++)
        for (s32 at = 0; at < (s32)r->nodes; at++)
            if (at == node - d || (d && at == node + d))
                out[n++] = at;
}

static inline bool rig_fail(void *ctx)
{
    struct buddy_rig *r = ctx;

    if (r->fail_after < 0)
        return false;
    if (r->fail_after == 0)
        return true;
    r->fail_after--;
    return false;
}

/* size bytes of physical memory from 0 up; nothing is declared yet. */
static inline void rig_init(struct buddy_rig *r, u32 nodes, u64 size)
{
    memset(r, 0, sizeof(*r));
    r->nodes = nodes;
    r->size = size;
    r->raw_size = size + SZ_2M;
    r->raw = mmap(NULL, r->raw_size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r->raw == MAP_FAILED)
        abort();
    r->memory = (u8 *)(uintptr_t)align_up((u64)(uintptr_t)r->raw, SZ_2M);
    r->fail_after = -1;
    struct buddy_config cfg = {
        .nr_nodes = nodes,
        .max_ranges = 64,
        .max_pa = size,
        .node_order = rig_order,
        .map = rig_map,
        .meta = rig_meta,
        .fail = rig_fail,
        .ctx = r,
    };
    if (buddy_init(&r->b, &cfg))
        abort();
}

static inline void rig_declare(struct buddy_rig *r, s32 node, u64 start, u64 end)
{
    if (buddy_declare(&r->b, node, start, end, false))
        abort();
}

/* The usual: n nodes of `each` bytes, one behind the other from physical address 0, all free. */
static inline void rig_simple(struct buddy_rig *r, u32 nodes, u64 each)
{
    rig_init(r, nodes, nodes * each);
    for (u32 i = 0; i < nodes; i++)
        rig_declare(r, (s32)i, i * each, (i + 1) * each);
    for (u32 i = 0; i < nodes; i++)
        if (buddy_add(&r->b, i * each, (i + 1) * each))
            abort();
}

static inline void rig_done(struct buddy_rig *r)
{
    while (r->nr_meta)
        free(r->meta[--r->nr_meta]);
    munmap(r->raw, r->raw_size);
    r->raw = NULL;
}

#endif
