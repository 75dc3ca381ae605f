/*
 * Which node a topology gives an address: the tests' own look-up, a plain walk of its ranges.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_MM_NUMA_NUMA_LOOKUP_H
#define PERCH_TESTS_MM_NUMA_NUMA_LOOKUP_H

#include "mm/numa/numa.h"

/* NODE_NONE: in no range. */
static inline s32 numa_node_of(const struct numa_topology *t, u64 pa)
{
    for (u32 i = 0; i < t->memory_count; i++)
        if (pa >= t->memory[i].start && pa < t->memory[i].end)
            return t->memory[i].node;
    return NODE_NONE;
}

#endif
