/*
 * A machine in a process, for a program that uses the allocator without a kernel: nodes whose
 * memory is one file in RAM, CPUs that are threads, and address space in which every CPU's unit is
 * real memory. perch_host_init() makes it and the allocator of percpu/percpu.h in it, so that
 * percpu_alloc(), this_cpu_add(), per_cpu_ptr(), percpu_trim() and the others work as in the
 * kernel.
 *
 * A per-CPU pointer is no address: used without per_cpu_ptr() or this_cpu_*() it faults. So does
 * memory that is not populated. One machine at a time in a process; all its CPUs are online.
 *
 * Context: init and done by one thread, with no other that is a CPU. A thread is at most one CPU,
 * and a CPU at most one thread; only a thread that is a CPU may call the allocator.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LIBRARY_HOST_H
#define PERCH_LIBRARY_HOST_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"
#include "percpu/sync/percpu_lib.h"

#define PERCH_HOST_MAX_NODES 256u

/* In brackets: the default, for 0 or NULL. nr_nodes and nr_cpus have none. */
struct perch_host_shape {
    u32 nr_nodes, nr_cpus;
    u64 node_bytes;         /* memory for dynamic chunks, of each node, whole 2 MiB (256 MiB) */
    const u32 *cpu_node;    /* [nr_cpus] (CPUs in order, as many per node) */
    const u8 *distance;     /* [nr_nodes * nr_nodes], from row to column (10 to itself, else 20) */
    const void *static_mem; /* template of the static area, page aligned (none: zeroes) */
    size_t static_size;     /* its bytes (64) */
    size_t reserved_size;   /* for PCPU_RESERVED (none) */
    size_t dyn_size;        /* of the first chunk (28 KiB) */
    size_t atom_size;       /* memory of a group is a multiple of it (2 MiB) */
};

/*
 * Makes machine and allocator; the calling thread becomes CPU 0. -EBUSY: there is a machine;
 * -EINVAL: an impossible shape, which is what `perch layout` refuses too: a node's distance to
 * itself is 10, reserved_size a multiple of 4, atom_size a power of two and at least a page.
 * -ENOMEM. An error has no effect.
 */
int perch_host_init(const struct perch_host_shape *shape) MUST_CHECK;

/*
 * Gives everything back. By the only thread that is a CPU. -EBUSY: an object was not freed, or
 * another thread is a CPU; everything stays.
 */
int perch_host_done(void) MUST_CHECK;

/* Makes the calling thread this CPU. -EBUSY: it is a CPU, or another thread is this; -EINVAL. */
int perch_host_enter(u32 cpu) MUST_CHECK;

/* The thread is no CPU any more. Objects in the CPU's magazines stay. No effect without a CPU. */
void perch_host_leave(void);

/* Per-CPU pointer of the static area. */
void *perch_host_static(void);

/* For percpu/sync/counter.h, ref.h and rwlock.h. */
const struct percpu_lib *perch_host_lib(void);

/*
 * Where lines go: level as syslog(3) has it, 3 error, 4 warning, 6 information, 7 debug. A program
 * may define its own; the library's (weak) prints to stderr. Any context; must not call the
 * allocator.
 */
void perch_log(int level, const char *line);

/* A bug, here or in the caller. May be defined by the program too; the library's prints, aborts. */
void perch_panic(const char *text) NORETURN;

#endif
