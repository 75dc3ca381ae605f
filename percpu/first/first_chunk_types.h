/*
 * The types of the first chunk: the environment of its builders, the layout of a chunk (which CPU's
 * unit lies where), and the finished first chunk. Only the builders write struct pcpu_first_chunk;
 * the dynamic allocator and the boot code read it.
 *
 * A *unit* is one CPU's part of a chunk, a *group* is a set of units in one node-local block of
 * memory, an *atom* is the granularity of such blocks. Offsets are in bytes from the chunk's base.
 * Pure: no state but what these structs hold.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_FIRST_FIRST_CHUNK_TYPES_H
#define PERCH_PERCPU_FIRST_FIRST_CHUNK_TYPES_H

#include "kernel/base/types.h"

#define PCPU_MIN_UNIT_SIZE  (32 * SZ_1K)
#define PCPU_MIN_ALLOC_SIZE 4ULL     /* one bit of an allocation map */
#define PCPU_DYN_EARLY_SIZE 20480ULL /* the least a first chunk has for dynamic allocation */
#define PCPU_LOCAL_DISTANCE 10       /* exactly this in both directions: same group */
#define PCPU_NO_CPU         (~0U)    /* in a unit map: nobody's unit */

/* Distance between two possible CPUs. Need not be symmetric, nor 10 only within a node. */
typedef int (*pcpu_distance_fn)(void *ctx, u32 from, u32 to);

/*
 * size bytes on cpu's node, or near it, at a multiple of align (a power of two); contents
 * undefined. NULL: none.
 */
typedef void *(*pcpu_alloc_fn)(void *ctx, u32 cpu, size_t size, size_t align);

/*
 * Gives back size bytes at ptr, any page-aligned part of what alloc_fn gave. 0, or a negative errno
 * when that is not possible; then the memory stays reserved.
 */
typedef int (*pcpu_free_fn)(void *ctx, void *ptr, size_t size);

/* What the page-mapped first chunk needs beside pages. */
struct pcpu_page_ops {
    /* size bytes of page-aligned virtual addresses, not mapped; NULL when there are none. */
    void *(*reserve)(void *ctx, size_t size);
    void (*release)(void *ctx, void *area, size_t size);
    /* Maps the page behind the linear address page at va; -ENOMEM without memory for tables. */
    int (*map)(void *ctx, void *va, void *page);
    /* Undoes map for one page and forgets its translation on this CPU. */
    void (*unmap)(void *ctx, void *va);
};

/* The environment of the builders, the caller's and only read. ctx goes to every callback. */
struct pcpu_env {
    void *ctx;
    u32 nr_cpus; /* possible CPUs are 0..nr_cpus-1 */

    const void *static_start; /* the template, page aligned */
    size_t template_size;     /* bytes copied from it into each unit */
    size_t static_size;       /* size of the static area; what the template does not fill is 0 */

    u64 window_size; /* virtual addresses that the units of one dynamic chunk must fit into */

    /* Boot memory for tables, on any node; contents undefined. Otherwise as above. */
    void *(*alloc)(void *ctx, size_t size, size_t align);
    int (*free)(void *ctx, void *ptr, size_t size);
    /*
     * Optional. Makes sure that so many calls of the callbacks above and of alloc_fn and free_fn
     * will not need memory for bookkeeping; each may start a region or cut one in two. Called once,
     * before the first block is allocated; an error ends the build.
     */
    int (*prepare)(void *ctx, size_t calls);

    const struct pcpu_page_ops *page_ops; /* only for the page-mapped first chunk */
    size_t line_max; /* longest line the log takes; 0: any. Longer ones are continued. */
};

struct pcpu_group {
    u32 nr_units;    /* a multiple of the units per allocation */
    u64 base_offset; /* from the chunk's base */
    u32 *cpu_map;    /* unit -> CPU, PCPU_NO_CPU for an unused one */
};

/*
 * A layout. Invariants: every possible CPU is in exactly one cpu_map once, in ascending order in
 * its group; unit_size is a multiple of the page and divides alloc_size, which is a multiple of
 * atom_size; static + reserved + dyn is a multiple of the page and at most unit_size.
 */
struct pcpu_alloc_info {
    size_t static_size;
    size_t reserved_size;
    size_t dyn_size;
    size_t unit_size;
    size_t atom_size;
    size_t alloc_size;
    size_t bytes; /* of this struct with groups and maps, for free */
    u32 nr_cpus;
    u32 nr_units; /* of all groups, unused ones included */
    u32 nr_groups;
    struct pcpu_group groups[];
};

/* Part of each unit, in bytes from the unit's start: [start, end). */
struct pcpu_region {
    size_t start, end;
};

/*
 * The finished first chunk. A CPU's unit begins at base_addr + unit_off[cpu] and holds the static,
 * the reserved and the dynamic area, one behind the other. [0, size_sum) is backed by memory and
 * begins as the template and zeroes; [size_sum, unit_size) is not ours.
 */
struct pcpu_first_chunk {
    u8 *base_addr; /* start of the lowest group */
    u32 nr_cpus;
    u32 nr_units; /* unused ones included */
    u32 nr_groups;
    u32 low_unit_cpu, high_unit_cpu; /* the CPUs whose units lie lowest and highest */
    bool embedded;                   /* in the linear mapping; else page-mapped */

    size_t unit_size;
    size_t size_sum;
    size_t atom_size;
    size_t alloc_size;
    struct pcpu_region static_area;
    struct pcpu_region reserved_area; /* empty when nothing is reserved */
    struct pcpu_region dyn_area;

    u64 *unit_off;      /* [nr_cpus] */
    u32 *unit_map;      /* [nr_cpus] CPU -> global unit number */
    u32 *unit_cpu;      /* [nr_units] global unit number -> CPU or PCPU_NO_CPU */
    u64 *group_offsets; /* [nr_groups] */
    u64 *group_sizes;   /* [nr_groups] */
    u32 *group_units;   /* [nr_groups] */

    u64 lost_bytes; /* could not be given back and stay reserved */

    void *tables; /* the one block all of the above lie in */
    size_t tables_bytes;
};

static inline void *pcpu_unit_addr(const struct pcpu_first_chunk *fc, u32 cpu)
{
    return fc->base_addr + fc->unit_off[cpu];
}

#endif
