/*
 * The nodes in order of distance from one node. The order of the last node is kept: requests come
 * in runs of one node, and an order costs a sort. For boot stages that allocate for many CPUs in a
 * row.
 * Pure; the caller serializes; allocates nothing (the buffer is the caller's).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_NUMA_NODE_ORDER_H
#define PERCH_MM_NUMA_NODE_ORDER_H

#include "mm/numa/numa.h"

struct node_order {
    const struct numa_topology *topo;
    s32 *nodes; /* topo->node_count entries, nearest first */
    s32 node;   /* whose order it is; NODE_NONE: nobody's yet */
};

/* The nodes nearest to node, nearest first; topo->node_count entries, good until the next call. */
static inline const s32 *node_order_of(struct node_order *o, s32 node)
{
    if (o->node != node) {
        numa_node_order(o->topo, node, o->nodes);
        o->node = node;
    }
    return o->nodes;
}

#endif
