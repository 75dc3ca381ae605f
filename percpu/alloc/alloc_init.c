/*
 * An instance of the allocator: making it, destroying it, CPUs that start and park. See alloc.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/bitmap.h"
#include "kernel/base/print.h"
#include "percpu/alloc/alloc.h"
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_lookup.h"
#include "percpu/alloc/alloc_magazines.h"
#include "percpu/alloc/alloc_set.h"

#define DIR_ENTRIES(a) (((a)->window_slots + PCPU_LEAF_SLOTS - 1) / PCPU_LEAF_SLOTS)

/* The tables of an instance and their entries: made by pcpu_init(), freed by pcpu_destroy(). */
#define TABLES(a, X)                                                                               \
    X(a, mags, (a)->nr_cpus)                                                                       \
    X(a, work, (a)->nr_cpus)                                                                       \
    X(a, dir, DIR_ENTRIES(a))                                                                      \
    X(a, flat, PCPU_FLAT_SLOTS)                                                                    \
    X(a, fc_slots, (a)->fc_slots_mask + 1ULL)                                                      \
    X(a, group_unit0, (a)->fc->nr_groups)                                                          \
    X(a, possible_off, (a)->nr_cpus)                                                               \
    X(a, live_off, (a)->nr_cpus)                                                                   \
    X(a, live_map, BITMAP_WORDS((a)->nr_cpus))

#define MAKE_TABLE(a, table, n)                                                                    \
    (a)->table = pcpu_meta_zalloc(a, (n) * sizeof(*(a)->table));                                   \
    ok &= (a)->table != NULL;
#define FREE_TABLE(a, table, n) pcpu_meta_free(a, (void *)(a)->table, (n) * sizeof(*(a)->table));

/* ---- the first chunk's addresses ------------------------------------------------------------- */

static u64 group_last_slot(const struct pcpu_allocator *a, u32 g)
{
    return (a->first_base + a->fc->group_offsets[g] + a->fc->group_sizes[g] - 1) >> PCPU_SLOT_SHIFT;
}

static u64 group_first_slot(const struct pcpu_allocator *a, u32 g)
{
    return (a->first_base + a->fc->group_offsets[g]) >> PCPU_SLOT_SHIFT;
}

/* The hash is at most half full. */
static u32 fc_slots_mask(const struct pcpu_allocator *a)
{
    u64 slots = 0, size = 4;

    for (u32 g = 0; g < a->fc->nr_groups; g++)
        slots += group_last_slot(a, g) - group_first_slot(a, g) + 1;
    while (size < 2 * slots)
        size *= 2;
    return (u32)size - 1;
}

static void init_fc_slots(struct pcpu_allocator *a)
{
    u32 units = 0;

    for (u32 g = 0; g < a->fc->nr_groups; g++) {
        a->group_unit0[g] = units;
        units += a->fc->group_units[g];
        for (u64 s = group_first_slot(a, g); s <= group_last_slot(a, g); s++) {
            struct pcpu_fc_slot *at = pcpu_find_fc_slot(a, s << PCPU_SLOT_SHIFT);

            if (!at->slot)
                *at = (struct pcpu_fc_slot){s, g};
        }
    }
}

/* ---- units that are cleared ------------------------------------------------------------------ */

static void init_units(struct pcpu_allocator *a)
{
    u32 live = 0;

    for (u32 cpu = 0; cpu < a->nr_cpus; cpu++) {
        u64 word = atomic_load_explicit(&a->env->backed[cpu / 64], memory_order_relaxed);

        a->possible_off[cpu] = a->fc->unit_off[cpu];
        if (word >> (cpu % 64) & 1) {
            a->live_off[live++] = a->fc->unit_off[cpu];
            bitmap_set_bit(a->live_map, cpu);
        }
    }
    atomic_store_explicit(&a->nr_live, live, memory_order_release);
}

/* Backs cpu with real pages in all chunks. A second try continues where the first one failed. */
static int back_cpu(struct pcpu_allocator *a, u32 cpu)
{
    int err = 0;

    atomic_fetch_or_explicit(&a->env->backed[cpu / 64], 1ULL << (cpu % 64), memory_order_acq_rel);
    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a) && !err; i++) {
        struct pcpu_dchunk *ch = pcpu_chunk_number(a, i);

        if (ch)
            err = pcpu_backing_cpu_online(&ch->backing, cpu);
    }
    return err;
}

/*
 * Population serves the CPU as soon as its bit is set. Clearing serves it only when all its pages
 * are backed: until then they are clean, because a CPU that never ran has written to no copy.
 */
int pcpu_cpu_first_online(struct pcpu_allocator *a, u32 cpu)
{
    int err = 0;

    spin_lock(&a->balance_mutex);
    spin_lock(&a->grow_mutex);
    if (!bitmap_test_bit(a->live_map, cpu)) {
        err = back_cpu(a, cpu);
        if (err == -ENOMEM && pcpu_reclaim_locked(a))
            err = back_cpu(a, cpu);
        if (!err) {
            u32 live = atomic_load_explicit(&a->nr_live, memory_order_relaxed);

            bitmap_set_bit(a->live_map, cpu);
            a->live_off[live] = a->fc->unit_off[cpu];
            atomic_store_explicit(&a->nr_live, live + 1, memory_order_release);
        }
    }
    spin_unlock(&a->grow_mutex);
    pcpu_balance_unlock(a);
    if (err)
        pr_err("percpu: CPU %u: no memory for its dynamic units (%d)", cpu, err);
    return err;
}

void pcpu_cpu_parking(struct pcpu_allocator *a)
{
    u32 bits;

    pcpu_mag_drain_all(a);
    /* Posted work must not be lost; with PARKED no CPU posts more. */
    bits = atomic_exchange_explicit(&a->work[cpu_number()], PCPU_WORK_PARKED, memory_order_acq_rel);
    bits &= ~PCPU_WORK_PARKED;
    if (bits) {
        atomic_fetch_and_explicit(&a->work_handed, ~bits, memory_order_relaxed);
        pcpu_defer_elsewhere(a, bits);
    }
    /* It may be the CPU that was woken to decay. */
    if (atomic_exchange_explicit(&a->decay_asked, false, memory_order_acq_rel) &&
        pcpu_decay_left(a))
        pcpu_decay_ask(a);
}

/* ---- set up ---------------------------------------------------------------------------------- */

static int init_tables(struct pcpu_allocator *a)
{
    bool ok = true;

    a->fc_slots_mask = fc_slots_mask(a);
    TABLES(a, MAKE_TABLE)
    if (!ok)
        return -ENOMEM;
    init_fc_slots(a);
    init_units(a);
    return 0;
}

int pcpu_init(struct pcpu_allocator *a, const struct pcpu_alloc_config *config)
{
    int err;

    memset(a, 0, sizeof(*a));
    a->fc = config->fc;
    a->ops = config->ops;
    a->env = config->env;
    a->nr_cpus = a->fc->nr_cpus;
    a->unit_size = (u32)a->fc->unit_size;
    a->unit_granules = a->unit_size / PCPU_GRANULE;
    a->first_base = (u64)(uintptr_t)a->fc->base_addr;
    a->static_start = config->static_start;
    a->delta = a->first_base - a->static_start;
    a->window_base = config->window_base;
    a->flat_base = a->window_base - a->delta;
    a->window_slots = config->window_size >> PCPU_SLOT_SHIFT;
    atomic_store_explicit(&a->reserve_target, PCPU_RESERVE_BOOT, memory_order_relaxed);
    a->reserve_hold = PCPU_RESERVE_HOLD;
    if (a->fc->unit_size >= SZ_1G || !is_aligned(a->window_base, SZ_2M))
        return -EINVAL;

    err = init_tables(a);
    if (!err)
        err = pcpu_init_fixed(a);
    if (!err)
        err = pcpu_init_sets(a);
    if (err) {
        pcpu_destroy(a);
        return err;
    }
    pcpu_grow_reserve(a, (u32)MAX((s64)PCPU_RESERVE_BOOT - pcpu_empty_blocks(a), 0));
    return 0;
}

void pcpu_destroy(struct pcpu_allocator *a)
{
    for (u32 cpu = 0; a->mags && cpu < a->nr_cpus; cpu++)
        ASSERT(!a->mags[cpu] || pcpu_set_bytes(a->mags[cpu]) == 0);
    pcpu_return_empty(a, 0, ~0u);
    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a); i++)
        pcpu_drop_chunk(a, i);
    pcpu_metas_release(a);
    pcpu_metas_trim(a);
    pcpu_free_sets(a);
    pcpu_free_fixed(a);
    TABLES(a, FREE_TABLE)
}
