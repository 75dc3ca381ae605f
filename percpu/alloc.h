/*
 * The dynamic per-CPU allocator as one instance: chunks found by address and by free space,
 * magazines of ready objects in front of them, population and return behind. percpu/percpu.h is
 * what users see and says what the operations promise; docs/percpu.md tells how the parts work
 * together. This header is for the code that makes an instance and for tests.
 *
 * Invariants (pcpu_verify):
 *  - free space of populated blocks is zero in every backed unit; so is a clean entry of a
 * magazine;
 *  - an object that the user owns has PCPU_TAG_OWNED in its tag, one in a magazine has not;
 *  - hint[n] is what chunk n's tree says; nr_empty is the sum over the chunks;
 *  - all magazines together hold at most cached_limit bytes per unit.
 *
 * Lock order: balance_mutex > grow_mutex > map mutex of a chunk (percpu/backing.h) > chunk lock >
 * page source. Magazines are guarded by interrupts off, the shared ones by their lock too. The
 * chunk table is read with interrupts off and without a lock; a chunk's memory goes back only after
 * a cross-call to all CPUs, which each answers with interrupts on, so that no reader is left.
 *
 * CPU-local; hardware by ops.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_H
#define PERCH_PERCPU_ALLOC_H

#include "percpu/backing.h"
#include "percpu/chunk.h"
#include "percpu/percpu.h"

#define PCPU_MAX_CHUNKS       4096u
#define PCPU_BATCH_MAX        64u    /* entries moved at a time */
#define PCPU_SHARED_FROM_CPUS 65u    /* as many possible CPUs share magazines by group */
#define PCPU_CACHE_PAGES      256u   /* of a unit, in all magazines; at least one page each */
#define PCPU_CACHE_MAX_BYTES  32768u /* of a unit, in one CPU's magazines */
#define PCPU_RESERVE_BOOT     10u    /* empty blocks for PCPU_ATOMIC at the start, after a trim */
#define PCPU_RESERVE_MIN      2u     /* what that decays to without such calls */
#define PCPU_GROW_AHEAD       8u     /* a call that populates leaves so many empty blocks, */
#define PCPU_GROW_AHEAD_MAX   112u   /* or more, the more is populated, up to this, */
#define PCPU_GROW_AHEAD_PAGES 128u   /* and at most so many pages of all units: it clears them */
#define PCPU_RESERVE_HOLD     4u     /* looks that leave it as it is after it grew */
#define PCPU_RESERVE_MAX      256u
#define PCPU_RETURN_SLACK     32u /* empty blocks above both before any is returned */

/* ---- chunks ---------------------------------------------------------------------------------- */

/* One chunk of the allocator. Number 0: the first chunk's dynamic area, 1: its reserved area. */
struct pcpu_dchunk {
    u64 base;      /* address of offset 0 */
    uintptr_t ptr; /* per-CPU pointer of offset 0 */
    u32 number;
    bool fixed; /* part of the first chunk: never populated nor returned */
    bool live;  /* under lock */
    struct spinlock lock;
    struct pcpu_chunk c;
    struct pcpu_backing backing; /* not of a fixed chunk */
    void *memory;                /* of c's arrays */
};

#define PCPU_CHUNK_FIRST    0u
#define PCPU_CHUNK_RESERVED 1u
#define PCPU_CHUNK_DYNAMIC  2u

/* 1 GiB of the window by 2 MiB slots: whose address it is. */
#define PCPU_LEAF_SLOTS 512u
#define PCPU_NEAR_SLOTS 16384u /* 32 GiB: chunks lie low in the window, so these are nearly all */
struct pcpu_leaf {
    struct pcpu_dchunk *_Atomic chunk[PCPU_LEAF_SLOTS];
    u16 group[PCPU_LEAF_SLOTS]; /* first group that touches the slot */
};

/*
 * What the search for a chunk reads without a lock: largest populated hole, largest hole of any
 * kind, in granules, and whether the chunk should rather drain.
 */
#define PCPU_HINT_BITS     31
#define PCPU_HINT_MASK     ((1ULL << PCPU_HINT_BITS) - 1)
#define PCPU_HINT_DRAINING (1ULL << 62)

/* ---- magazines ------------------------------------------------------------------------------- */

struct pcpu_entry {
    uintptr_t ptr;
    u8 *tag;
};

/*
 * entries[0..clean) are zero, entries[dirty..cap) are not; between them it is empty. Dirty entries
 * that were cleared where they are become clean ones by moving the window [entries, entries + cap)
 * up to them: it begins `shift` entries after the memory, which holds max.
 */
struct pcpu_mag {
    struct pcpu_entry *entries;
    u8 clean, dirty, cap;
    u8 want;   /* entries the next refill asks for: doubles when misses follow each other closely */
    s16 minus; /* bytes of an object, negative */
    u8 max, shift;
};
static inline u32 pcpu_mag_size(const struct pcpu_mag *mag)
{
    return (u32)-mag->minus;
}
static_assert(sizeof(struct pcpu_mag) == 16, "indexed by a shift on the fast path");

/* Zeroed memory of a chunk that is no object yet (percpu/chunk.h). bytes 0: none. */
struct pcpu_strip {
    const struct pcpu_dchunk *ch; /* it stays as long as there are bytes */
    uintptr_t ptr;
    u32 bytes;
};

/*
 * One CPU's, or a group's. The numbers are changed by cpu_local_*() by whoever has interrupts off
 * (and the lock), and read by anybody who wants to know about.
 */
struct pcpu_mags {
    bool shared; /* take the lock */
    struct spinlock lock;
    struct spinlock draining; /* what idle time drains is on its way; interrupts on */
    s64 left;   /* bytes of a unit that it may hold beyond what it holds; below 0: evict */
    s64 quota;  /* bytes of a unit */
    u32 victim; /* class where eviction goes on */
    u64 nr_alloc, nr_free;
    u64 refills, drains, evictions;
    u64 cleared_bytes;        /* of all units */
    u64 looked_through;       /* nr_free when idle time was last used to clear dirty entries */
    struct pcpu_strip strip;  /* what objects that are not stocked are cut from */
    bool overflowed;          /* more came than fits since the chunks were last asked */
    u16 clock;                /* misses */
    u16 missed[PCPU_CLASSES]; /* the clock at the class's last miss */
    u64 atomic_bytes;         /* asked for by PCPU_ATOMIC, past the magazines */
    u64 atomic_seen;          /* so many when a balance last looked; balance_mutex */
    u64 memory_bytes;         /* of this struct with its entries */
    struct pcpu_mag mag[PCPU_TAG_BIG + 1]; /* by class; no class, no room: large objects too */
};

/* A 2 MiB slot of the first chunk: any group in it. address 0: unused. */
struct pcpu_fc_slot {
    u64 slot; /* address >> 21 */
    u32 group;
};

/* ---- metadata of blocks ------------------------------------------------------------------------
 */

struct pcpu_meta;

/* Clean metadata that no block has: alloc_meta.c. */
struct pcpu_meta_pool {
    struct spinlock lock;   /* with interrupts off */
    struct pcpu_meta *free; /* a list */
    u32 nr_free, limit;     /* above the limit, pieces of memory that are free go back */
    /* Of blocks that went: kept until no lookup can see them. Under balance_mutex. */
    struct pcpu_meta *retired;
    u32 nr_retired;
};

/* ---- the instance ---------------------------------------------------------------------------- */

#define PCPU_WORK_REFILL  1u /* the reserve is low */
#define PCPU_WORK_RETURN  2u /* too many empty blocks */
#define PCPU_WORK_PROMOTE 4u /* a range is ready */
#define PCPU_WORK_AWAY    8u /* it was parked, and has not looked since: not to be asked */

struct pcpu_alloc_ops {
    void *ctx;
    /*
     * Some CPU that is idle now; false: none is. And: make that CPU look at its work soon, which
     * its idle loop does by pcpu_idle_pending() and pcpu_idle_work(). NULL, both: nobody else
     * works.
     */
    bool (*pick_idle)(void *ctx, u32 *cpu);
    void (*wake)(void *ctx, u32 cpu);
    /* Runs fn(arg) on all online CPUs, this one too. Interrupts on. May be NULL: one CPU. */
    int (*call_all)(void *ctx, void (*fn)(void *arg), void *arg);
    /* Physical address behind an address of the first chunk; ~0: none. May be NULL. */
    u64 (*phys)(void *ctx, u64 va);
};

struct pcpu_allocator {
    /* Read by every operation, written at init. */
    struct pcpu_mags **mags;           /* [nr_cpus] for the fast paths: the own, or no_room */
    u64 near_base;                     /* per-CPU pointer of near[0]: the window's first address */
    struct pcpu_dchunk *_Atomic *near; /* [PCPU_NEAR_SLOTS] chunk by pointer, in 2 MiB slots */
    u64 delta;                         /* address of the first unit's copy - per-CPU pointer */
    u64 window_base;
    u64 window_slots;               /* of 2 MiB */
    struct pcpu_leaf *_Atomic *dir; /* [window_slots / 512], 1 GiB each */
    struct pcpu_dchunk *first, *reserved;
    uintptr_t first_ptr; /* per-CPU pointers of the first chunk's dynamic area */
    size_t first_bytes;
    u64 first_base; /* address of offset 0 in the first chunk */
    u32 unit_size;
    u64 unit_granules;
    u32 nr_cpus;
    struct pcpu_mags **own_mags; /* [nr_cpus] its own or its group's */
    struct pcpu_mags *no_room;   /* every class empty and full */
    uintptr_t static_start;      /* per-CPU pointer of offset 0 of the first chunk */

    const struct pcpu_first_chunk *fc;
    const struct pcpu_alloc_ops *ops;
    struct pcpu_backing_env *env;
    u32 nr_mags;
    struct pcpu_mags **all_mags;   /* [nr_mags] */
    struct pcpu_fc_slot *fc_slots; /* hash of the first chunk's 2 MiB slots */
    u32 fc_slots_mask;
    u32 *group_unit0; /* [nr_groups] number of the group's first unit */

    /* Units that are cleared: of the first chunk all, of dynamic chunks those backed. */
    u64 *possible_off; /* [nr_cpus] */
    u64 *live_off;     /* [nr_cpus], the first nr_live in use */
    _Atomic u32 nr_live;
    u64 *live_map; /* bits of the CPUs in live_off; under grow_mutex */

    /* Chunks. */
    struct pcpu_dchunk *_Atomic chunks[PCPU_MAX_CHUNKS];
    _Atomic u64 hint[PCPU_MAX_CHUNKS];
    _Atomic u32 chunks_end; /* one past the highest number in use */
    struct spinlock grow_mutex;

    struct pcpu_meta_pool metas;

    /* Reserve. */
    _Atomic s64 nr_empty; /* populated blocks without an object, all chunks but the reserved one */
    _Atomic u32 reserve_target;
    _Atomic u32 grow_ahead; /* so many more after a call that populates: the last one */
    u64 demand; /* bytes that PCPU_ATOMIC calls asked for since the last decay; balance_mutex */
    u32 reserve_hold; /* looks to come that do not decay it; balance_mutex */

    _Atomic u32 *work;             /* [nr_cpus] PCPU_WORK_* */
    _Atomic u32 work_handed;       /* bits that an idle CPU was woken for and has not begun */
    _Atomic u32 work_left;         /* bits of CPUs that found balance_mutex taken: its holder's */
    struct spinlock balance_mutex; /* one balances at a time; safe points only try */

    /* Counts that change off the fast path. */
    _Atomic u64 nr_failed, nr_failed_atomic, bad_free, told, told_failed;
    _Atomic u64 direct_alloc, direct_free;
    _Atomic u64 chunks_made, chunks_returned;
    _Atomic u64 cleared_bytes; /* by frees that no magazine took */
    _Atomic u64 background, inline_work;
    _Atomic u64 blocks_returned;
    _Atomic u64 lost_chunks; /* whose memory could not be given back: a CPU did not answer */
};

struct pcpu_alloc_config {
    const struct pcpu_first_chunk *fc;
    uintptr_t static_start; /* per-CPU pointer of the first chunk's offset 0 (__per_cpu_start) */
    u64 window_base, window_size;
    struct pcpu_backing_env *env; /* its `backed` bits: the CPUs online now */
    const struct pcpu_alloc_ops *ops;
};

/*
 * Makes the instance over the first chunk and fills the reserve. One CPU, thread context,
 * interrupts on. -ENOMEM: nothing is kept that matters; the instance cannot be used.
 */
int pcpu_init(struct pcpu_allocator *a, const struct pcpu_alloc_config *config) MUST_CHECK;

/* Gives everything back: no object is left, no CPU allocates. For hosted users and tests. */
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
 * All deferred work, whoever's it is; true: something was done. Interrupts on, no lock held.
 * pcpu_idle_work: what this CPU was asked for, and the clearing of its own magazines.
 */
bool pcpu_balance(struct pcpu_allocator *a);
bool pcpu_work_pending(struct pcpu_allocator *a);
bool pcpu_idle_work(struct pcpu_allocator *a);

/* Is there anything for an idle CPU: work, or freed objects to clear? Interrupts off. */
bool pcpu_idle_pending(struct pcpu_allocator *a);
u64 pcpu_trim(struct pcpu_allocator *a);

/*
 * CPUs come and go. first_online: on another CPU, thread context, before cpu is online for the
 * first time; -ENOMEM: it must not come. parking: on the CPU itself, thread context, its last act.
 */
int pcpu_cpu_first_online(struct pcpu_allocator *a, u32 cpu) MUST_CHECK;
void pcpu_cpu_parking(struct pcpu_allocator *a);

void pcpu_get_stats(struct pcpu_allocator *a, struct percpu_stats *out);
void pcpu_node_stats(struct pcpu_allocator *a, u32 node, struct percpu_node_stats *out);
void pcpu_dump(struct pcpu_allocator *a);
const char *pcpu_verify(struct pcpu_allocator *a);

#endif
