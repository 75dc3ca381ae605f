/*
 * Stage: the page allocator gets memblock's free memory, node by node. Reserved memory is declared
 * too, so that it can be given to the allocator later. Memory below 1 MiB is left out: it is
 * little, and only the start of a CPU needs it.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/stages/stages.h"
#include "mm/map/address_map.h"

#define LOW_END     SZ_1M
#define LARGE_RANGE (64 * PAGE_SIZE) /* more than the records of its section take */

/* ---- operations for the allocators ----------------------------------------------------------- */

static void op_node_order(void *ctx, s32 node, s32 *out)
{
    struct boot_state *s = ctx;

    numa_node_order(&s->topo, node, out);
}

static void *op_map(void *ctx, u64 pa)
{
    (void)ctx;
    return phys_to_virt(pa);
}

static void *op_meta(void *ctx, s32 node, size_t size)
{
    struct boot_state *s = ctx;
    struct memblock_request req = {
        .size = size,
        .min_addr = 16 * SZ_1M,
        .nodes = node == NODE_NONE ? NULL : node_order_of(&s->order, node),
        .nr_nodes = node == NODE_NONE ? 0 : s->topo.node_count,
    };

    return memblock_zalloc_req(&s->mb, &req, NULL);
}

static u64 op_phys(void *ctx, const void *ptr)
{
    (void)ctx;
    return virt_to_phys(ptr);
}

/* ---- hand-over ------------------------------------------------------------------------------- */

static void declare_memory(struct boot_state *s)
{
    const struct memblock_region *r;

    for_each_mem_region(r, &s->mb)
    {
        struct range pages = range_pages_inside((struct range){r->base, r->base + r->size});
        s32 node = r->nid == NODE_NONE ? 0 : r->nid;

        if (range_empty(pages) || r->flags & MEMBLOCK_NOMAP)
            continue;
        if (buddy_declare(&s->pages, node, pages.start, pages.end, r->flags & MEMBLOCK_LAST))
            panic("pages: node %d " RANGE_FMT " cannot be declared", node, RANGE_ARG(pages));
    }
}

/* Call for large ranges first: the records of small ranges may need their memory. */
static void add_free(struct boot_state *s, bool large)
{
    struct memblock_cursor cursor;
    struct memblock_free_range f;

    for_each_free_range(&f, &s->mb, MEMBLOCK_NODE_ANY, MEMBLOCK_NOMAP, &cursor)
    {
        struct range r = range_pages_inside((struct range){MAX(f.start, LOW_END), f.end});

        if (range_empty(r) || (range_size(r) >= LARGE_RANGE) != large)
            continue;
        int err = buddy_add(&s->pages, r.start, r.end);
        if (err && err != -ENOMEM)
            panic("pages: " RANGE_FMT " cannot be handed over (%d)", RANGE_ARG(r), err);
    }
}

static void print_node(struct boot_state *s, s32 node)
{
    struct buddy_stats st;
    u64 two_m = 0;

    buddy_stats(&s->pages, node, &st);
    if (!st.declared) {
        pr_info("pages: node %d: no memory", node);
        return;
    }
    for (u32 order = BUDDY_BLOCK_ORDER; order < BUDDY_MAX_ORDER; order++)
        two_m += st.blocks[order] << (order - BUDDY_BLOCK_ORDER);
    pr_info("pages: node %d: %llu KiB free, %llu blocks of 1 GiB, %llu of 2 MiB, %llu KiB to be "
            "used last, %llu KiB of records",
            node, (ull)st.free * 4, (ull)st.blocks[BUDDY_MAX_ORDER], (ull)two_m,
            (ull)st.free_last * 4, (ull)st.records * 4);
}

void stage_pages(struct boot_state *s)
{
    struct buddy_config cfg = {
        .nr_nodes = s->topo.node_count,
        .max_ranges = s->mb.memory.cnt,
        .max_pa = memblock_end_of_mapped(&s->mb),
        .node_order = op_node_order,
        .map = op_map,
        .meta = op_meta,
        .ctx = s,
    };
    int err = buddy_init(&s->pages, &cfg);

    if (err)
        panic("page allocator: error %d", err);
    memblock_close(&s->mb);
    declare_memory(s);
    add_free(s, true);
    add_free(s, false);
    if (buddy_seal(&s->pages))
        pr_warn("pages: no memory for records: some of what the boot holds stays held");
    for (u32 node = 0; node < cfg.nr_nodes; node++)
        print_node(s, (s32)node);
    if (s->pages.lost_pages)
        pr_warn("pages: %llu KiB are too scattered for their records, and are not used",
                (ull)s->pages.lost_pages * 4);
    if (small_init(&s->small, &s->pages, op_phys))
        panic("no memory for small objects");
    paging_hand_over(&s->vm, &s->pages, &s->small);
}
