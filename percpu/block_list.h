/*
 * Lists of blocks (pages of the offset space) that are populated or given back together, as the
 * bookkeeping of a chunk (percpu/chunk.h) and its backing (percpu/backing.h) take and return them:
 * in ascending order, and therefore a few runs of neighbours, nearly always one. Whoever works on a
 * list does so run by run. Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_BLOCK_LIST_H
#define PERCH_PERCPU_BLOCK_LIST_H

#include "kernel/base/types.h"

/*
 * How many of blocks[i, end), which ascend, follow each other from the first on. All of them,
 * nearly always, which the last one tells.
 */
static inline u32 pcpu_blocks_run(const u32 *blocks, u32 i, u32 end)
{
    u32 n = 1;

    if (blocks[end - 1] - blocks[i] == end - 1 - i)
        return end - i;
    while (blocks[i + n] == blocks[i] + n)
        n++;
    return n;
}

#endif
