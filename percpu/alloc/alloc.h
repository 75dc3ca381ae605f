/*
 * The dynamic per-CPU allocator as one instance: chunks found by address and by free space,
 * magazines of ready objects in front of them, population and return behind. percpu/percpu.h has
 * the contracts of the operations, docs/percpu.md describes how the parts work together. For the
 * code that makes an instance and for tests.
 *
 * Invariants (pcpu_verify):
 *  - free space of populated blocks is zero in every backed unit; so are a bump region and a clean
 *    entry of a magazine;
 *  - an object that the user owns has PCPU_TAG_OWNED in its tag, one in a magazine has not;
 *  - hint[n] agrees with chunk n's tree, nr_empty is the sum over the chunks;
 *  - all magazines together hold at most cached_limit bytes per unit.
 *
 * Lock order: balance_mutex > grow_mutex > map mutex of a chunk (percpu/backing/backing.h) > chunk
 * lock > page source. Magazines are guarded by interrupts off.
 * The chunk table is read with interrupts off and without a lock. A chunk's memory is freed only
 * after a cross-call, which every CPU answers with interrupts on: then no reader can see it.
 *
 * Order of the files, each using those before it: types, lookup, post, chunks, metadata, reclaim,
 * grow, batch, set, bump, fast, magazines, balance, alloc; then init, decode, stats, verify.
 *
 * CPU-local; hardware by ops.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_H
#define PERCH_PERCPU_ALLOC_ALLOC_H

#include "percpu/alloc/alloc_types.h"

struct pcpu_alloc_config {
    const struct pcpu_first_chunk *fc;
    uintptr_t static_start; /* per-CPU pointer of the first chunk's offset 0 (__per_cpu_start) */
    u64 window_base, window_size;
    struct pcpu_backing_env *env; /* its `backed` bits: the CPUs online now */
    const struct pcpu_alloc_ops *ops;
};

/*
 * Makes the instance over the first chunk and fills the reserve. One CPU, thread context,
 * interrupts on. -EINVAL: a unit of 1 GiB or more, or an unaligned window; -ENOMEM.
 */
int pcpu_init(struct pcpu_allocator *a, const struct pcpu_alloc_config *config) MUST_CHECK;

/* Gives everything back. No object exists, and no CPU allocates. For the library and tests. */
void pcpu_destroy(struct pcpu_allocator *a);

void *pcpu_alloc(struct pcpu_allocator *a, size_t size, size_t align, u32 flags);
void pcpu_free(struct pcpu_allocator *a, void *ptr);
u32 pcpu_alloc_bulk(struct pcpu_allocator *a, size_t size, size_t align, u32 flags, u32 n,
                    void **ptrs);
void pcpu_free_bulk(struct pcpu_allocator *a, u32 n, void **ptrs);
size_t pcpu_size(struct pcpu_allocator *a, const void *ptr);

int pcpu_decode(struct pcpu_allocator *a, u64 addr, struct percpu_location *loc) MUST_CHECK;
u64 pcpu_to_phys(struct pcpu_allocator *a, u64 addr);

/*
 * Does all deferred work, of every CPU. Waits for another CPU's balance. True: something was done.
 * Thread context, no lock.
 */
bool pcpu_balance(struct pcpu_allocator *a);
/* An idle CPU's work: what was posted to it, and clearing its magazines. Otherwise as above. */
bool pcpu_idle_work(struct pcpu_allocator *a);
/* Is there anything for pcpu_idle_work()? Interrupts off. */
bool pcpu_idle_pending(struct pcpu_allocator *a);
/* For allocations that may populate: does a bounded piece of work that no idle CPU took. */
void pcpu_safe_point(struct pcpu_allocator *a);
/*
 * Decay by time: what nobody uses halves at each call, one a second of idle time (docs/adr/0031).
 * cpu: half of each class of this CPU's magazines, rounded up, and its bump region; may run in a
 * cross-call. shared: the reserve, and the blocks that
 * are kept for the next wave; thread context, interrupts on. wanted: is there anything; any
 * context. pcpu_decay(): both, for all online CPUs; as percpu_decay().
 */
void pcpu_decay_cpu(struct pcpu_allocator *a);
bool pcpu_decay_cpu_wanted(struct pcpu_allocator *a);
void pcpu_decay_shared(struct pcpu_allocator *a);
bool pcpu_decay_shared_wanted(struct pcpu_allocator *a);
void pcpu_decay(struct pcpu_allocator *a);
/* Gives back what is not in use (percpu_trim()); returns pages. */
u64 pcpu_trim(struct pcpu_allocator *a);

/*
 * first_online: on another CPU, thread context, before cpu is online for the first time; -ENOMEM:
 * it must not come online. parking: on the CPU itself, thread context, as its last act.
 */
int pcpu_cpu_first_online(struct pcpu_allocator *a, u32 cpu) MUST_CHECK;
void pcpu_cpu_parking(struct pcpu_allocator *a);

void pcpu_get_stats(struct pcpu_allocator *a, struct percpu_stats *out);
void pcpu_node_stats(struct pcpu_allocator *a, u32 node, struct percpu_node_stats *out);
void pcpu_dump(struct pcpu_allocator *a);
const char *pcpu_verify(struct pcpu_allocator *a);

#endif
