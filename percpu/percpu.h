/*
 * Dynamic per-CPU memory: the interface everybody uses. An object is an area of the same size in
 * every possible CPU's unit, at a per-CPU pointer: per_cpu_ptr(p, cpu) is CPU cpu's copy, and
 * this_cpu_*(*p) works on the own one in one instruction. A new object is zero in every unit that
 * is backed. Dynamic memory is backed for CPUs that have been online once; the copies of others
 * read as zeroes, and a write to them is a fault that names them.
 *
 * Context. Without PCPU_ATOMIC: thread context, interrupts on; the call may populate memory and
 * make a chunk. With it, and for every free: any context but NMI. Any CPU that is online. No call
 * sleeps; none holds a lock while it populates or clears. Before percpu_alloc_init() only static
 * variables exist.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_PERCPU_H
#define PERCH_PERCPU_PERCPU_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

#define PCPU_ATOMIC   1u /* do not populate: only memory that is ready */
#define PCPU_NOZERO   2u /* contents may be anything */
#define PCPU_RESERVED 4u /* from the first chunk's reserved area (module static data) */
#define PCPU_NOWARN   8u /* a failure writes no line */

/*
 * size bytes (1 to a whole unit) at a multiple of align (a power of two, up to a unit). NULL: bad
 * size or align, or no memory. The first 16 failures write a line, but not a lack of memory under
 * PCPU_ATOMIC; struct percpu_stats counts all of them. For an alignment above 64 KiB it is the
 * copies that have it, not the pointer's own value.
 */
void *percpu_alloc(size_t size, size_t align, u32 flags);

#define alloc_percpu(type)              alloc_percpu_flags(type, 0)
#define alloc_percpu_flags(type, flags) ((type *)percpu_alloc(sizeof(type), _Alignof(type), flags))

/* n objects of one size in one go; returns how many (fewer: no memory), in ptrs[0..]. */
u32 percpu_alloc_bulk(size_t size, size_t align, u32 flags, u32 n, void **ptrs);

/*
 * NULL is allowed. A pointer that is not an object's start (never was, freed before, inside of an
 * object, a static variable) is refused: a line names it and its kind, a count grows, nothing
 * changes.
 */
void percpu_free(void *ptr);
void percpu_free_bulk(u32 n, void **ptrs);

/* Bytes usable at ptr; 0 when it is not an object of the user's. */
size_t percpu_size(const void *ptr);

/* ---- addresses ------------------------------------------------------------------------------- */

enum percpu_where {
    PERCPU_NOWHERE,
    PERCPU_STATIC,
    PERCPU_IN_RESERVED,
    PERCPU_IN_FIRST,
    PERCPU_IN_CHUNK,
};

struct percpu_location {
    enum percpu_where where;
    u32 chunk; /* number, as in the dump; 0 is the first chunk */
    u32 cpu;   /* whose unit */
    u64 off;   /* in the unit */
};

/*
 * Which chunk, CPU and offset an address of some CPU's copy (what per_cpu_ptr gives) is. O(1) in
 * CPUs and chunks. -ENOENT: no per-CPU address, or an unused unit.
 */
int percpu_decode(const void *addr, struct percpu_location *loc) MUST_CHECK;

/* Is it inside of some CPU's unit (static, reserved or dynamic; populated or not)? */
bool is_percpu_address(const void *addr);

/* Physical address behind an address of a CPU's copy; ~0: not backed, or no such address. */
u64 per_cpu_ptr_to_phys(const void *addr);

/* ---- upkeep ---------------------------------------------------------------------------------- */

/* Does this CPU's deferred work now. Thread context, interrupts on, no lock held. */
void percpu_balance(void);

/*
 * Gives back everything that is not in use: all magazines of this CPU and (by cross-call) the
 * others', empty blocks, empty chunks, the reserve above what it was at the start, unpopulated
 * pages of reservations. Thread context, interrupts on. Returns pages given back.
 */
u64 percpu_trim(void);

/* ---- counts ---------------------------------------------------------------------------------- */

struct percpu_stats {
    u64 nr_alloc, nr_free; /* objects, ever; not exact while other CPUs allocate */
    u64 nr_failed, nr_failed_atomic;
    u64 bad_free;  /* refused frees */
    u64 nr_chunks; /* the first one included */
    u64 chunks_made, chunks_returned;
    u64 populated_blocks;        /* pages per unit, all chunks, the first one's dynamic part too */
    u64 empty_blocks;            /* of them without an object */
    u64 free_bytes;              /* per unit, in populated blocks */
    u64 cached_bytes;            /* per unit, in magazines */
    u64 cached_limit;            /* per unit, what all magazines together may hold */
    u64 reserve_target;          /* blocks kept ready for PCPU_ATOMIC now */
    u64 refills, drains;         /* batches */
    u64 cleared_bytes;           /* by population and on the free side, all units */
    u64 background, inline_work; /* pieces of deferred work done by idle CPUs or balance; inline */
};

void percpu_get_stats(struct percpu_stats *out);

struct percpu_node_stats {
    u64 requested, obtained, fallen_back; /* pages, ever */
    u64 populated, reserved;              /* pages, now */
    u64 leaves_2m;                        /* now */
    u64 promotions, demotions, quarantined;
};
void percpu_get_node_stats(u32 node, struct percpu_node_stats *out);

/* The allocator's state as log lines, in the manner of Linux's percpu_stats. Thread context. */
void percpu_dump(void);

/* NULL, or which invariant of the whole allocator is broken. Nobody else may allocate meanwhile. */
const char *percpu_verify(void);

/* ---- the debug build (percpu/debug/debug.h) -------------------------------------------------- */

/* Are there red zones and the like? Then percpu_size() is exactly what was asked for. */
bool percpu_is_debug(void);

/*
 * What is still allocated, a line for each call site; how many objects. Without debugging: no line,
 * 0. Thread context.
 */
u64 percpu_leaks(void);

/*
 * Looks at every object: how many were damaged up to now, each named by a line. Without debugging
 * 0. Thread context.
 */
u64 percpu_damage(void);

#endif
