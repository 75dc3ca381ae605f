/*
 * Memblock allocations as cleared memory behind a pointer, for callers that keep all they get.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "mm/memblock.h"

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
