/*
 * The allocator: a sequence of searches in the order of mm/memblock/memblock.h, and the same with
 * cleared memory and a pointer.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "mm/memblock/memblock_types.h"

/* One node (or any): from min_addr up, then anywhere below max_addr. */
static bool find_on_node(const struct memblock *mb, struct memblock_criteria *criteria, s32 nid,
                         u64 min_addr, struct memblock_result *result)
{
    criteria->nid = nid;
    criteria->lo = MAX(min_addr, mb->min_floor);
    if (memblock_find_piece(mb, criteria, result))
        return true;
    if (criteria->lo == mb->min_floor)
        return false;
    criteria->lo = mb->min_floor;
    return memblock_find_piece(mb, criteria, result);
}

/* The whole order of nodes, for one class of memory. */
static bool find_in_order(const struct memblock *mb, struct memblock_criteria *criteria,
                          const struct memblock_request *req, struct memblock_result *result)
{
    for (u32 i = 0; i < req->nr_nodes; i++)
        if (find_on_node(mb, criteria, req->nodes[i], req->min_addr, result))
            return true;
    if (req->nr_nodes && req->exact)
        return false;
    return find_on_node(mb, criteria, MEMBLOCK_NODE_ANY, req->min_addr, result);
}

int memblock_find(const struct memblock *mb, const struct memblock_request *req,
                  struct memblock_result *result)
{
    struct memblock_criteria criteria = {
        .size = req->size,
        .align = req->align ? req->align : MEMBLOCK_DEFAULT_ALIGN,
        .hi = req->max_addr ? MIN(req->max_addr, mb->current_limit) : mb->current_limit,
    };

    if (req->size == 0 || !is_pow2(criteria.align))
        return -EINVAL;
    criteria.none = MEMBLOCK_LAST;
    if (req->flags & MEMBLOCK_MIRROR) {
        criteria.all = MEMBLOCK_MIRROR;
        if (find_in_order(mb, &criteria, req, result))
            return 0;
        criteria.all = 0;
    }
    if (find_in_order(mb, &criteria, req, result))
        return 0;
    criteria.none = 0;
    criteria.some = MEMBLOCK_LAST;
    return find_in_order(mb, &criteria, req, result) ? 0 : -ENOMEM;
}

int memblock_alloc(struct memblock *mb, const struct memblock_request *req,
                   struct memblock_result *result)
{
    struct memblock_result found;
    int rc = memblock_find(mb, req, &found);

    if (rc)
        return rc;
    if ((req->flags & MEMBLOCK_MIRROR) &&
        !(memblock_search(&mb->memory, found.base)->flags & MEMBLOCK_MIRROR))
        pr_warn("memblock: no mirrored memory for 0x%llx bytes", (ull)req->size);
    rc = memblock_range_add(mb, &mb->reserved, found.base, found.base + req->size, NODE_NONE, 0);
    if (rc == 0)
        *result = found;
    return rc;
}

void *memblock_zalloc_req(struct memblock *mb, const struct memblock_request *req,
                          struct memblock_result *result)
{
    struct memblock_result found;
    void *p;

    if (!mb->ops || !mb->ops->phys_to_virt || memblock_alloc(mb, req, &found))
        return NULL;
    p = mb->ops->phys_to_virt(mb->ops->ctx, found.base);
    if (!p) {
        memblock_give_back(mb, found.base, req->size);
        return NULL;
    }
    memset(p, 0, req->size);
    if (result)
        *result = found;
    return p;
}

void *memblock_zalloc(struct memblock *mb, u64 size, u64 align)
{
    struct memblock_request req = {.size = size, .align = align};

    return memblock_zalloc_req(mb, &req, NULL);
}
