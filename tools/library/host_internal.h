/*
 * The hosted machine inside: what its files share. For tools/library/host*.c only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LIBRARY_HOST_INTERNAL_H
#define PERCH_LIBRARY_HOST_INTERNAL_H

#include "kernel/base/bitmap.h"
#include "kernel/base/range.h"
#include "kernel/base/spinlock.h"
#include "mm/map/vspace.h"
#include "mm/pages/buddy.h"
#include "percpu/backing/backing.h"
#include "percpu/percpu_instance.h"
#include "tools/library/host.h"

#define HOST_AREAS   8192u
#define HOST_CLEARED 256u
#define HOST_ROOM    (48 * SZ_1G) /* addresses for the first chunk */
#define HOST_WINDOW  (64 * SZ_1G) /* and for dynamic chunks: a chunk may span 3/4 of it */

/*
 * Per-CPU pointers begin here. Non-canonical on x86-64 and outside of user space elsewhere, so that
 * one that is used as an address faults.
 */
#define HOST_POINTERS 0x5eed000000000000ULL

struct host_slot {
    u64 va;
    _Atomic u64 entry[PCPU_RANGE_PAGES]; /* result of get() */
    struct host_slot *next;              /* closed, not flushed yet */
};

struct host_meta; /* host_pages.c */

struct host {
    struct perch_host_shape shape;
    struct perch_cpu *cpus;
    bool barriers; /* membarrier(2) works */
    s32 *cpu_node;
    u8 *distance;

    /* Memory: node n has [node_pa(n), node_pa(n) + shape.node_bytes), a part of one file. */
    int file;
    u8 *memory; /* of the first node's first page */
    u64 memory_bytes;
    struct buddy buddy;
    struct host_meta *meta;

    u8 *raw, *room, *window; /* raw: all that is reserved; room, window: parts of it */
    u64 room_used;
    struct vspace vspace;
    struct varea *areas;
    struct spinlock lock; /* of what follows, and vspace */
    struct host_slot *closed;
    struct range cleared[HOST_CLEARED]; /* addresses to unmap at the next flush */
    u32 nr_cleared;

    struct pcpu_env boot;
    struct pcpu_first_chunk fc;
    struct pcpu_page_ops_dyn page_ops;
    struct pcpu_map_ops map_ops;
    struct pcpu_backing_env env;
    struct pcpu_alloc_ops alloc_ops;
    struct percpu_lib lib;
};

/* What a thread is that is this CPU, outside of sections. */
struct perch_thread host_as_cpu(const struct host *h, u32 cpu);

/* Of h->cpus. */
void host_guard_init(struct host *h);

/* Runs fn(arg) in the name of each CPU in turn. Called by a CPU, outside of its sections. */
int host_call_all(void *ctx, void (*fn)(void *arg), void *arg);

/* Waits until each CPU has been outside of its sections since the call began. */
int host_quiesce(void *ctx);

int host_pages_init(struct host *h) MUST_CHECK;
void host_pages_done(struct host *h);
int host_map_init(struct host *h) MUST_CHECK;
void host_map_done(struct host *h);

#endif
