/*
 * The hosted machine's memory: a file in RAM, and the kernel's page allocator over it.
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "tools/library/host_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Tables of the page allocator, given back at the end. */
struct host_meta {
    struct host_meta *next ALIGNED(64);
    u8 data[] ALIGNED(64);
};

/* A node begins at a multiple of 1 GiB; no page has address 0. */
static u64 node_pa(const struct host *h, u32 node)
{
    return SZ_1G + node * align_up(h->shape.node_bytes, SZ_1G);
}

/* ---- the page allocator ---------------------------------------------------------------------- */

static void node_order(void *ctx, s32 node, s32 *out)
{
    const struct host *h = ctx;
    u32 n = h->shape.nr_nodes;
    const u8 *row = h->distance + (u32)node * n;

    out[0] = node;
    for (u32 k = 0, count = 1; k < n; k++) {
        u32 at = count;

        if ((s32)k == node)
            continue;
        for (; at > 1 && row[out[at - 1]] > row[k]; at--)
            out[at] = out[at - 1];
        out[at] = (s32)k;
        count++;
    }
}

static void *map(void *ctx, u64 pa)
{
    struct host *h = ctx;

    return h->memory + (pa - SZ_1G);
}

static void *table(void *ctx, s32 node, size_t size)
{
    struct host *h = ctx;
    size_t bytes = align_up(sizeof(struct host_meta) + size, 64);
    struct host_meta *m = aligned_alloc(64, bytes);

    (void)node;
    if (!m)
        return NULL;
    memset(m, 0, bytes);
    m->next = h->meta;
    h->meta = m;
    return m->data;
}

static int add_nodes(struct host *h)
{
    int err = 0;

    for (u32 node = 0; node < h->shape.nr_nodes && !err; node++)
        err = buddy_declare(&h->buddy, (s32)node, node_pa(h, node),
                            node_pa(h, node) + h->shape.node_bytes, false);
    for (u32 node = 0; node < h->shape.nr_nodes && !err; node++)
        err = buddy_add(&h->buddy, node_pa(h, node), node_pa(h, node) + h->shape.node_bytes);
    return err;
}

/* ---- pages and metadata for the per-CPU allocator -------------------------------------------- */

static int block_alloc(void *ctx, s32 node, u64 *pa)
{
    struct host *h = ctx;

    return buddy_alloc(&h->buddy, node, BUDDY_BLOCK_ORDER, BUDDY_EXACT_NODE, pa, NULL);
}

static void block_free(void *ctx, u64 pa)
{
    struct host *h = ctx;

    buddy_free(&h->buddy, pa, BUDDY_BLOCK_ORDER);
}

static u32 pages_alloc(void *ctx, s32 node, u32 n, u64 *pas)
{
    struct host *h = ctx;

    return buddy_alloc_bulk(&h->buddy, node, n, 0, pas);
}

static void pages_free(void *ctx, u32 n, const u64 *pas)
{
    struct host *h = ctx;

    buddy_free_bulk(&h->buddy, pas, n);
}

static s32 node_of(void *ctx, u64 pa)
{
    struct host *h = ctx;

    return buddy_node_of(&h->buddy, pa);
}

int host_pages_init(struct host *h)
{
    struct buddy_config cfg = {
        .nr_nodes = h->shape.nr_nodes,
        .max_ranges = h->shape.nr_nodes,
        .max_pa = node_pa(h, h->shape.nr_nodes),
        .node_order = node_order,
        .map = map,
        .meta = table,
        .ctx = h,
    };
    int err;

    h->memory_bytes = cfg.max_pa - SZ_1G;
    h->file = memfd_create("perch", MFD_CLOEXEC);
    if (h->file < 0 || ftruncate(h->file, (off_t)h->memory_bytes))
        return -ENOMEM;
    h->memory =
        mmap(NULL, h->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, h->file, 0);
    if (h->memory == MAP_FAILED) {
        h->memory = NULL;
        return -ENOMEM;
    }
    err = buddy_init(&h->buddy, &cfg);
    h->page_ops = (struct pcpu_page_ops_dyn){
        .ctx = h,
        .block_alloc = block_alloc,
        .block_free = block_free,
        .pages_alloc = pages_alloc,
        .pages_free = pages_free,
        .node_of = node_of,
        .map = map,
    };
    return err ? err : add_nodes(h);
}

void host_pages_done(struct host *h)
{
    while (h->meta) {
        struct host_meta *m = h->meta;

        h->meta = m->next;
        free(m);
    }
    if (h->memory)
        munmap(h->memory, h->memory_bytes);
    if (h->file >= 0)
        close(h->file);
}
