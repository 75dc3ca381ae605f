/*
 * The types of the first chunk: the environment of its builders, the layout of a chunk (the place
 * of each CPU's unit), and the finished first chunk. Only the builders write struct
 * pcpu_first_chunk; the dynamic allocator and the boot code read it.
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
#define PCPU_DYN_EARLY_SIZE 20480ULL /* minimum dynamic area of a first chunk */
#define PCPU_LOCAL_DISTANCE 10       /* this in both directions: same group */
#define PCPU_NO_CPU         (~0U)    /* in a unit map: an unused unit */

/* Distance between two possible CPUs. Need not be symmetric; may be 10 between nodes, too. */
typedef int (*pcpu_distance_fn)(void *ctx, u32 from, u32 to);

/*
 * Allocates size bytes on cpu's node, else on the nearest node with memory, at a multiple of align
 * (a power of two). Contents undefined. NULL: no memory.
 */
typedef void *(*pcpu_alloc_fn)(void *ctx, u32 cpu, size_t size, size_t align);

/*
 * Gives back size bytes at ptr: any page-aligned part of an alloc_fn block. 0, or a negative errno;
 * then the memory stays reserved.
 */
typedef int (*pcpu_free_fn)(void *ctx, void *ptr, size_t size);

/* For the page-mapped first chunk: address space and its mappings. */
struct pcpu_page_ops {
    /* Reserves size bytes of page-aligned virtual addresses, not mapped. NULL: none free. */
    void *(*reserve)(void *ctx, size_t size);
    void (*release)(void *ctx, void *area, size_t size);
    /* Maps the page with linear address `page` at va. -ENOMEM: no memory for page tables. */
    int (*map)(void *ctx, void *va, void *page);
    /* Unmaps one page and flushes its translation on this CPU. */
    void (*unmap)(void *ctx, void *va);
};

/* The environment of the builders, which only read it. Every callback gets ctx. */
struct pcpu_env {
    void *ctx;
    u32 nr_cpus; /* possible CPUs are 0..nr_cpus-1 */

    const void *static_start; /* the template, page aligned */
    size_t template_size;     /* bytes copied from it into each unit */
    size_t static_size;       /* of the static area; zero behind the template */

    u64 window_size; /* bytes of virtual address space for dynamic chunks */

    /* Boot memory for tables, on any node; else as pcpu_alloc_fn and pcpu_free_fn. */
    void *(*alloc)(void *ctx, size_t size, size_t align);
    int (*free)(void *ctx, void *ptr, size_t size);
    /*
     * Optional. Allocates the bookkeeping for this many calls of alloc, free, alloc_fn and free_fn;
     * each call may add a region or split one. Called once, before the first block is allocated. An
     * error ends the build.
     */
    int (*prepare)(void *ctx, size_t calls);

    const struct pcpu_page_ops *page_ops; /* only for the page-mapped first chunk */
    size_t line_max; /* of a log line; longer lines continue on the next one. 0: no limit */
};

struct pcpu_group {
    u32 nr_units;    /* a multiple of the units per allocation */
    u64 base_offset; /* from the chunk's base */
    u32 *cpu_map;    /* unit -> CPU, PCPU_NO_CPU for an unused one */
};

/*
 * A layout. Invariants: every possible CPU is in exactly one cpu_map, once; the CPUs of a cpu_map
 * ascend; unit_size is a multiple of the page and divides alloc_size, which is a multiple of
 * atom_size; static + reserved + dyn is a multiple of the page and at most unit_size.
 */
struct pcpu_alloc_info {
    size_t static_size;
    size_t reserved_size;
    size_t dyn_size;
    size_t unit_size;
    size_t atom_size;
    size_t alloc_size;
    size_t bytes; /* of this struct with groups and maps; pcpu_free_alloc_info() needs it */
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
 * the reserved and the dynamic area, in this order. [0, size_sum) is backed; at first it holds the
 * template and zeroes. [size_sum, unit_size) does not belong to the chunk.
 */
struct pcpu_first_chunk {
    u8 *base_addr; /* start of the lowest group */
    u32 nr_cpus;
    u32 nr_units; /* unused ones included */
    u32 nr_groups;
    u32 low_unit_cpu, high_unit_cpu; /* the CPUs of the lowest and the highest unit */
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

    u64 lost_bytes; /* refused by free_fn; they stay reserved */

    void *tables; /* the one block that holds the tables above */
    size_t tables_bytes;
};

static inline void *pcpu_unit_addr(const struct pcpu_first_chunk *fc, u32 cpu)
{
    return fc->base_addr + fc->unit_off[cpu];
}

#endif
