/*
 * The state and scratch memory of one numa_build(). For mm/numa/numa_*.c only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_NUMA_NUMA_TYPES_H
#define PERCH_MM_NUMA_NUMA_TYPES_H

#include "kernel/base/firmware.h"
#include "mm/numa/numa.h"

/* A range of memory and the SRAT entry that states it. */
struct numa_piece {
    u64 start, end;
    s32 node;
    u32 entry;
    bool hotplug, nonvolatile;
    bool has_ram; /* only after numa_settle_memory() has begun */
};

/* A list with room for the largest case. */
struct numa_pieces {
    struct numa_piece *p;
    u32 count, max;
};

struct numa_pxm_slot {
    u32 pxm;
    s32 node; /* NODE_NONE: free */
};

struct numa_builder {
    const struct numa_input *in;
    const struct numa_alloc *alloc;
    struct numa_topology *t;
    u32 node_max;               /* room in t->nodes */
    struct numa_pxm_slot *hash; /* domain to node; hash_size is a power of two */
    u32 hash_size;
    struct numa_pieces srat;   /* valid ranges of the SRAT, in table order, then sorted */
    struct numa_pieces pieces; /* disjoint, sorted */
};

/* count zeroed elements of size bytes (NULL: no memory); count 0 gives a valid pointer too. */
static inline void *numa_get(struct numa_builder *b, size_t count, size_t size)
{
    return b->alloc->alloc(b->alloc->ctx, MAX(count, 1u) * size);
}

/* Gives scratch memory back; p may be NULL. */
static inline void numa_put(struct numa_builder *b, void *p, size_t count, size_t size)
{
    if (p && b->alloc->free)
        b->alloc->free(b->alloc->ctx, p, MAX(count, 1u) * size);
}

int numa_number_nodes(struct numa_builder *b);  /* nodes, apics, srat: from the SRAT's entries */
int numa_settle_memory(struct numa_builder *b); /* srat -> pieces: overlaps */
int numa_cover_ram(struct numa_builder *b); /* pieces -> t->memory: RAM no entry covers, joins */
void numa_count_ram(struct numa_topology *t, const struct range *ram, u32 ram_count);
int numa_number_cpus(struct numa_builder *b);   /* t->cpus */
int numa_set_distances(struct numa_builder *b); /* t->distances */

/* Sorts by start, then entry. */
void numa_sort_pieces(struct numa_piece *p, u32 count);

#endif
