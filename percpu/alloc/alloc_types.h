/*
 * The types and limits of the dynamic allocator, for its own files, its debug checks and its tests.
 * An instance is one struct pcpu_allocator. alloc.h declares the operations.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_TYPES_H
#define PERCH_PERCPU_ALLOC_ALLOC_TYPES_H

#include "kernel/base/string.h"
#include "percpu/backing/backing.h"
#include "percpu/chunk/chunk.h"
#include "percpu/percpu.h"

#define PCPU_MAX_CHUNKS       4096u
#define PCPU_BATCH_MAX        64u   /* entries moved at a time */
#define PCPU_CACHE_PAGES      256u  /* of a unit, in the magazines of all CPUs together */
#define PCPU_CACHE_MIN_BYTES  1024u /* of a unit, in one CPU's magazines */
#define PCPU_CACHE_MAX_BYTES  32768u
#define PCPU_RESERVE_BOOT     10u /* empty blocks for PCPU_ATOMIC at init and after a trim */
#define PCPU_RESERVE_MIN      2u  /* the reserve never decays below this */
#define PCPU_RESERVE_MAX      256u
#define PCPU_RESERVE_HOLD     4u   /* balances after a growth that do not decay the reserve */
#define PCPU_GROW_AHEAD       8u   /* empty blocks that a populating call leaves, at least */
#define PCPU_GROW_AHEAD_MAX   112u /* at most, when much is populated */
#define PCPU_GROW_AHEAD_PAGES 128u /* the same limit in pages of all units, which the call clears */
#define PCPU_RETURN_SLACK     32u /* empty blocks above reserve and growth that are kept, or more */
#define PCPU_REFILL_ASKS      16u /* every so many failing atomic calls ask an idle CPU again */
#define PCPU_RETURN_LATE      64u /* so many more: who has the work does not come to it */
#define PCPU_PROMOTE_LATE     16u /* the same: populations since the last promotion */

/* ---- chunks ---------------------------------------------------------------------------------- */

/* One chunk. Number 0 is the first chunk's dynamic area, 1 its reserved area. */
struct pcpu_dchunk {
    u64 base;      /* address of offset 0 */
    uintptr_t ptr; /* per-CPU pointer of offset 0 */
    u32 number;
    bool fixed; /* part of the first chunk: neither populated nor returned */
    bool live;  /* under lock */
    struct spinlock lock;
    struct pcpu_chunk c;
    struct pcpu_backing backing; /* unless fixed */
    void *memory;                /* of c's arrays */
};

#define PCPU_CHUNK_FIRST    0u
#define PCPU_CHUNK_RESERVED 1u
#define PCPU_CHUNK_DYNAMIC  2u

/* Lookups find a chunk by 2 MiB slot. A leaf maps the slots of 1 GiB of the window. */
#define PCPU_SLOT_SHIFT 21
#define PCPU_LEAF_SLOTS 512u
#define PCPU_FLAT_SLOTS 16384u /* 32 GiB: nearly all chunks, which are low in the window */
struct pcpu_leaf {
    struct pcpu_dchunk *_Atomic chunk[PCPU_LEAF_SLOTS];
    u16 group[PCPU_LEAF_SLOTS]; /* first group that touches the slot */
};

/*
 * A chunk's hint, for searches without the chunk's lock: the largest populated hole, the largest
 * hole of any kind (both in granules), and whether the chunk should drain.
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
 * The objects of one class. entries[0..clean) are zero, entries[dirty..cap) need not be, and the
 * middle is empty. The memory holds max entries; the window [entries, entries + cap) starts `shift`
 * entries into it. Moving the window turns dirty entries that were cleared in place into clean
 * ones.
 */
struct pcpu_mag {
    struct pcpu_entry *entries;
    u8 clean, dirty, cap;
    u8 refill;    /* entries of the next refill: doubles when misses follow each other closely */
    s16 neg_size; /* -(bytes of an object): the fast free adds it to headroom */
    u8 max, shift;
};
static_assert(sizeof(struct pcpu_mag) == 16, "indexed by a shift on the fast path");

/* A bump region: zeroed memory of a chunk, taken but not an object yet. bytes 0: none. */
struct pcpu_bump {
    const struct pcpu_dchunk *ch; /* pinned while bytes > 0 */
    uintptr_t ptr;                /* of the next object */
    u32 bytes;
};

/*
 * The magazines of one CPU. A set changes on its CPU, with interrupts off. Counters change by
 * cpu_local_*(), so that other CPUs may read them at any time.
 */
struct pcpu_mags {
    struct spinlock draining; /* held while idle time drains the set; interrupts on */
    s64 headroom;             /* bytes of a unit left of the quota; below 0: evict */
    s64 quota;                /* bytes of a unit */
    u32 victim;               /* class where the next eviction starts */
    u64 nr_alloc, nr_free;
    u64 refills, drains;
    u64 cleared_bytes; /* in all units */
    u64 freed_at_tidy; /* value of nr_free when idle time last cleared dirty entries */
    struct pcpu_bump bump;
    bool overflowed;             /* a magazine was full since the last refill from the chunks */
    u16 clock;                   /* misses */
    u16 last_miss[PCPU_CLASSES]; /* value of clock at the class's last miss */
    u64 atomic_bytes;            /* taken past the magazines by PCPU_ATOMIC calls */
    u64 memory_bytes;            /* of this struct with its entries */
    struct pcpu_mag mag[PCPU_TAG_BIG + 1]; /* by class; a number without a class has no room */
};

/* A 2 MiB slot of the first chunk: any group in it. slot 0: unused. */
struct pcpu_fc_slot {
    u64 slot; /* address >> PCPU_SLOT_SHIFT */
    u32 group;
};

/* Clean metadata that no block uses (alloc_metadata.c). */
struct pcpu_meta;
struct pcpu_meta_pool {
    struct spinlock lock;   /* with interrupts off */
    struct pcpu_meta *free; /* a list */
    u32 nr_free, limit;     /* above the limit, free pieces are searched for and given back */
    /* Metadata of returned blocks, until no lookup can see it. Under balance_mutex. */
    struct pcpu_meta *retired;
    u32 nr_retired;
};

/* ---- the instance ---------------------------------------------------------------------------- */

#define PCPU_WORK_REFILL  1u /* the reserve is low */
#define PCPU_WORK_RETURN  2u /* too many empty blocks */
#define PCPU_WORK_PROMOTE 4u /* a range is ready */
#define PCPU_WORK_PARKED  8u /* the CPU parked and has not balanced since: do not post to it */

struct pcpu_alloc_ops {
    void *ctx;
    /*
     * pick_idle returns an idle CPU in *cpu; false: none is, and *cpu is no CPU. wake makes it call
     * pcpu_idle_pending() and pcpu_idle_work() soon. Both NULL: every CPU does its own work.
     */
    bool (*pick_idle)(void *ctx, u32 *cpu);
    void (*wake)(void *ctx, u32 cpu);
    /* Runs fn(arg) on all online CPUs and this one. Interrupts on. NULL: there is one CPU. */
    int (*call_all)(void *ctx, void (*fn)(void *arg), void *arg);
    /* Physical address behind an address of the first chunk; ~0: none. May be NULL. */
    u64 (*phys)(void *ctx, u64 va);
};

struct pcpu_allocator {
    /* Read by every operation, written at init. */
    struct pcpu_mags **mags;           /* [nr_cpus] */
    u64 flat_base;                     /* per-CPU pointer of flat[0]: the window's first address */
    struct pcpu_dchunk *_Atomic *flat; /* [PCPU_FLAT_SLOTS] chunk by slot of a per-CPU pointer */
    u64 delta;                         /* address of the first unit's copy - per-CPU pointer */
    u64 window_base;
    u64 window_slots;               /* of 2 MiB */
    struct pcpu_leaf *_Atomic *dir; /* [window_slots / 512] chunk by slot of an address */
    struct pcpu_dchunk *first, *reserved;
    uintptr_t first_ptr; /* per-CPU pointers of the first chunk's dynamic area */
    size_t first_bytes;
    u64 first_base; /* address of offset 0 in the first chunk */
    u32 unit_size;
    u64 unit_granules;
    u32 nr_cpus;
    uintptr_t static_start; /* per-CPU pointer of offset 0 of the first chunk */

    const struct pcpu_first_chunk *fc;
    const struct pcpu_alloc_ops *ops;
    struct pcpu_backing_env *env;
    struct pcpu_fc_slot *fc_slots; /* hash of the first chunk's 2 MiB slots */
    u32 fc_slots_mask;
    u32 *group_unit0; /* [nr_groups] number of the group's first unit */

    /* Units that are cleared: all in the first chunk, the backed ones in dynamic chunks. */
    u64 *possible_off; /* [nr_cpus] */
    u64 *live_off;     /* [nr_cpus], the first nr_live in use */
    /*
     *  - who writes: who prepares a CPU's first start, under grow_mutex: the entry, the number;
     *  - who reads: whoever clears an object, without a lock: the number, then the entries below;
     *  - which order: released and acquired; entries never change. Who still has the old number
     *    leaves out a CPU that is not online yet, whose copy is clean.
     */
    _Atomic u32 nr_live;
    u64 *live_map; /* bits of the CPUs in live_off; under grow_mutex */

    /*
     * Chunks, by number and by address (`chunks`, `dir` with its leaves, `flat`), and their hints.
     *  - who writes: the CPU that makes a chunk, under grow_mutex, or takes one away, under both
     *    mutexes: the chunk, then its entries; a leaf, then its entry, for good;
     *  - who reads: lookups on any CPU, interrupts off, without a lock;
     *  - which order: entries are released and acquired, so who finds a chunk finds it filled. Its
     *    memory is freed only after a cross-call, which every reader answers with interrupts on.
     *    Hints are relaxed: a search that one misleads finds out under the chunk's lock.
     */
    struct pcpu_dchunk *_Atomic chunks[PCPU_MAX_CHUNKS];
    _Atomic u64 hint[PCPU_MAX_CHUNKS];
    _Atomic u32 chunks_end; /* one past the highest number in use; at least 2 */
    struct spinlock grow_mutex;

    struct pcpu_meta_pool metas;

    /* The reserve. */
    _Atomic s64 nr_empty; /* populated blocks without an object, except in the reserved area */
    _Atomic s64 nr_empty_fixed; /* of these in the first chunk: they cannot be returned */
    _Atomic s64 nr_populated;   /* in dynamic chunks */
    /*
     * The most blocks that were populated lately: so many may be empty. A wave of objects finds the
     * last one's blocks; a decay halves what is not in use. A hint: a lost update does no harm.
     */
    _Atomic s64 peak;
    /*
     * An idle CPU was woken, which sets its timer and decays what is shared.
     *  - who writes: who has made blocks empty sets it; an idle CPU that finds none left clears it;
     *  - who reads: the same CPUs; who clears it looks at nr_empty again before it sleeps;
     *  - which order: exchanges, and additions to nr_empty: full barriers on x86. The idle CPU sees
     *    the blocks, or the other CPU sees the mark cleared and wakes one.
     */
    _Atomic bool decay_asked;
    _Atomic u32 reserve_target;
    _Atomic u32 grow_ahead; /* blocks that the last populating call left empty */
    /* Under balance_mutex: */
    u64 demand;       /* bytes that PCPU_ATOMIC calls asked for since the last decay */
    u64 demand_seen;  /* sum of all atomic_bytes at the last balance */
    u32 reserve_hold; /* how many further balances do not decay the reserve */

    /*
     * Deferred work, one bit a kind.
     *  - who writes: any CPU sets bits, after it has published what the work is for (nr_empty, a
     *    backing's nr_ready); the CPU takes its own bits by an exchange, and then clears them in
     *    work_handed; who finds balance_mutex taken passes its bits on by work_contended;
     *  - who reads: the CPU itself, at safe points and when it is idle; the holder of the mutex;
     *  - which order: all changes are read-modify-writes, which on x86 are full barriers. Who finds
     *    the work handed, and so posts nothing, published before the taker cleared the mark, and
     *    the taker looks after that. A poster and a CPU that parks meet in work[cpu]: the poster
     *    sees PCPU_WORK_PARKED and posts elsewhere, or the parking CPU takes the bits with it. Both
     *    sides of the mutex exchange work_contended (acquire and release): the holder sees the
     *    bits, or the other CPU sees the mutex free.
     */
    _Atomic u32 *work;             /* [nr_cpus] PCPU_WORK_* */
    _Atomic u32 work_handed;       /* bits posted to an idle CPU that it has not started */
    _Atomic u32 promote_asked;     /* populations that found PROMOTE posted */
    _Atomic u32 work_contended;    /* bits that the holder of balance_mutex adopts at its unlock */
    struct spinlock balance_mutex; /* one CPU balances at a time */

    /* Counters that change off the fast path. */
    _Atomic u64 nr_failed, nr_failed_atomic, bad_free;
    _Atomic u64 lines_refused, lines_failed; /* log lines about refused frees, about failures */
    _Atomic u64 direct_alloc, direct_free;
    _Atomic u64 chunks_made, chunks_returned;
    _Atomic u64 cleared_bytes; /* by frees that no magazine took */
    _Atomic u64 background, inline_work;
    _Atomic u64 blocks_returned; /* for tests */
};

/* ---- small helpers --------------------------------------------------------------------------- */

static inline void pcpu_count(_Atomic u64 *counter, u64 n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* On this CPU's node. */
static inline void *pcpu_meta_alloc(struct pcpu_allocator *a, size_t size)
{
    return a->env->meta_alloc(a->env->meta_ctx, a->env->cpu_node[cpu_number()], size);
}

/* The same, zeroed. */
static inline void *pcpu_meta_zalloc(struct pcpu_allocator *a, size_t size)
{
    void *p = pcpu_meta_alloc(a, size);

    return p ? memset(p, 0, size) : NULL;
}

static inline void pcpu_meta_free(struct pcpu_allocator *a, void *p, size_t size)
{
    if (p)
        a->env->meta_free(a->env->meta_ctx, p, size);
}

#endif
