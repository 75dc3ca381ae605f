/*
 * Lists of blocks (pages of the offset space) for population and return. In chunk.h and backing.h
 * they are in ascending order. A list consists of a few runs of neighbours, nearly always one; the
 * code works run by run. Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_BLOCK_LIST_H
#define PERCH_PERCPU_CHUNK_BLOCK_LIST_H

#include "kernel/base/types.h"

/* Length of the run of neighbours at the start of blocks[i, end). Usually end - i. */
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
