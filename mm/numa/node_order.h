/*
 * The nodes in order of distance from one node. The last order is cached, because an order costs a
 * sort, and boot stages allocate for many CPUs of one node in a row.
 * Pure; the caller serializes; allocates nothing (the buffer is the caller's).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_NUMA_NODE_ORDER_H
#define PERCH_MM_NUMA_NODE_ORDER_H

#include "mm/numa/numa.h"

struct node_order {
    const struct numa_topology *topo;
    s32 *nodes; /* topo->node_count entries, nearest first */
    s32 node;   /* the node of the cached order; NODE_NONE: none yet */
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
