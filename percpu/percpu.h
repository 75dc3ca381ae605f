/*
 * Dynamic per-CPU memory: the interface for all users. An object is an area of the same size in
 * every possible CPU's unit, at a per-CPU pointer: per_cpu_ptr(p, cpu) is CPU cpu's copy, and
 * this_cpu_*(*p) works on this CPU's copy in one instruction. A new object is zero in every unit
 * that is backed. Dynamic memory is backed for CPUs that have been online once; the copies of
 * others read as zeroes, and a write to one is a fault whose report names it.
 *
 * Context. Without PCPU_ATOMIC: thread context, interrupts on; the call may populate memory and
 * make a chunk. With it, and for every free: any context but NMI. Any online CPU. No call sleeps,
 * and none holds a lock while it populates or clears. Before percpu_alloc_init() only static
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
 * size or align, or no memory. The first 16 failures write a line, except lack of memory under
 * PCPU_ATOMIC; struct percpu_stats counts all of them. An alignment above 64 KiB holds for the
 * copies, not for the pointer's own value.
 */
void *percpu_alloc(size_t size, size_t align, u32 flags);

#define alloc_percpu(type) alloc_percpu_flags(type, 0)
#define alloc_percpu_flags(type, flags)                                                            \
    ((type *)percpu_alloc(sizeof(type), __alignof__(type), flags))

/* Allocates n objects of one size into ptrs[0..]; returns how many (fewer than n: no memory). */
u32 percpu_alloc_bulk(size_t size, size_t align, u32 flags, u32 n, void **ptrs);

/*
 * NULL is allowed. A pointer that is not an object's start (never one, freed before, inside an
 * object, a static variable) is refused: a line names it and its kind, bad_free grows, nothing else
 * changes.
 */
void percpu_free(void *ptr);
void percpu_free_bulk(u32 n, void **ptrs);

/* Usable bytes at ptr; 0: not an allocated object. */
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
 * The chunk, CPU and offset of an address of a CPU's copy (a result of per_cpu_ptr). O(1) in CPUs
 * and chunks. -ENOENT: not such an address, or in an unused unit.
 */
int percpu_decode(const void *addr, struct percpu_location *loc) MUST_CHECK;

/* Is addr in a CPU's unit (static, reserved or dynamic; populated or not)? */
bool is_percpu_address(const void *addr);

/* Physical address behind an address of a CPU's copy; ~0: not backed, or not such an address. */
u64 per_cpu_ptr_to_phys(const void *addr);

/* ---- upkeep ---------------------------------------------------------------------------------- */

/* Does this CPU's deferred work now. Thread context, interrupts on, no lock held. */
void percpu_balance(void);

/*
 * One period of decay, as idle CPUs do by themselves in the kernel: gives back half of what the
 * magazines of all CPUs hold (by cross-call), of the reserve above its size at init, and of the
 * other empty blocks. For a program, or a kernel without the idle hook, about once a second. Thread
 * context, interrupts on.
 */
void percpu_decay(void);

/*
 * Gives back everything that is not in use: the magazines of this CPU and (by cross-call) of the
 * others, empty blocks, empty chunks, the reserve above its size at init, unpopulated pages of
 * reservations. Thread context, interrupts on. Returns pages given back.
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
    u64 empty_blocks;            /* populated blocks without an object */
    u64 free_bytes;              /* per unit, in populated blocks */
    u64 cached_bytes;            /* per unit, in magazines */
    u64 cached_limit;            /* per unit, the most that all magazines together hold */
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

/* The allocator's state as log lines, like Linux's percpu_stats. Thread context. */
void percpu_dump(void);

/* NULL, or which invariant of the whole allocator is broken. No other CPU may use it now. */
const char *percpu_verify(void);

/* ---- the debug build (percpu/debug/debug.h) -------------------------------------------------- */

/* Is this the debug build? Then percpu_size() is the exact size of the request. */
bool percpu_is_debug(void);

/*
 * Writes a line for each call site with allocated objects; returns how many objects. Normal build:
 * no line, 0. Thread context.
 */
u64 percpu_leaks(void);

/*
 * Checks every object and writes a line for each damaged one; returns how many, ever. Normal build:
 * 0. Thread context.
 */
u64 percpu_damage(void);

#endif
