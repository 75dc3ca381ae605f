/*
 * Making an instance of the allocator, and the CPUs that come later. See alloc.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/bitmap.h"
#include "kernel/base/print.h"
#include "percpu/alloc/alloc.h"
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_grow.h"
#include "percpu/alloc/alloc_lookup.h"
#include "percpu/alloc/alloc_magazines.h"
#include "percpu/alloc/alloc_metadata.h"
#include "percpu/alloc/alloc_post.h"
#include "percpu/alloc/alloc_reclaim.h"
#include "percpu/alloc/alloc_set.h"

#define DIR_ENTRIES(a) (((a)->window_slots + PCPU_LEAF_SLOTS - 1) / PCPU_LEAF_SLOTS)

/* ---- the first chunk's addresses ------------------------------------------------------------- */

static u64 group_last_slot(const struct pcpu_allocator *a, u32 g)
{
    return (a->first_base + a->fc->group_offsets[g] + a->fc->group_sizes[g] - 1) >> PCPU_SLOT_SHIFT;
}

static u64 group_first_slot(const struct pcpu_allocator *a, u32 g)
{
    return (a->first_base + a->fc->group_offsets[g]) >> PCPU_SLOT_SHIFT;
}

static int init_fc_slots(struct pcpu_allocator *a)
{
    const struct pcpu_first_chunk *fc = a->fc;
    u64 slots = 0, size = 4;
    u32 units = 0;

    for (u32 g = 0; g < fc->nr_groups; g++)
        slots += group_last_slot(a, g) - group_first_slot(a, g) + 1;
    while (size < 2 * slots)
        size *= 2;
    a->fc_slots_mask = (u32)size - 1;
    a->fc_slots = pcpu_meta_zalloc(a, size * sizeof(*a->fc_slots));
    a->group_unit0 = pcpu_meta_zalloc(a, fc->nr_groups * sizeof(u32));
    if (!a->fc_slots || !a->group_unit0)
        return -ENOMEM;
    for (u32 g = 0; g < fc->nr_groups; g++) {
        a->group_unit0[g] = units;
        units += fc->group_units[g];
        for (u64 s = group_first_slot(a, g); s <= group_last_slot(a, g); s++) {
            struct pcpu_fc_slot *at = pcpu_find_fc_slot(a, s << PCPU_SLOT_SHIFT);

            if (!at->slot)
                *at = (struct pcpu_fc_slot){s, g};
        }
    }
    return 0;
}

/* ---- units that are cleared ------------------------------------------------------------------ */

static int init_units(struct pcpu_allocator *a)
{
    u32 live = 0;

    a->possible_off = pcpu_meta_zalloc(a, a->nr_cpus * sizeof(u64));
    a->live_off = pcpu_meta_zalloc(a, a->nr_cpus * sizeof(u64));
    a->live_map = pcpu_meta_zalloc(a, BITMAP_WORDS(a->nr_cpus) * sizeof(u64));
    if (!a->possible_off || !a->live_off || !a->live_map)
        return -ENOMEM;
    for (u32 cpu = 0; cpu < a->nr_cpus; cpu++) {
        u64 word = atomic_load_explicit(&a->env->backed[cpu / 64], memory_order_relaxed);

        a->possible_off[cpu] = a->fc->unit_off[cpu];
        if (word >> (cpu % 64) & 1) {
            a->live_off[live++] = a->fc->unit_off[cpu];
            bitmap_set_bit(a->live_map, cpu);
        }
    }
    atomic_store_explicit(&a->nr_live, live, memory_order_release);
    return 0;
}

/* Real pages for cpu in all chunks. What a failed try did stays and is not done again. */
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
 * Population serves the CPU from its bit on; clearing starts when its pages are there: until then
 * they are fresh, and nobody writes to the copies of a CPU that never ran.
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

    if (!a->own_mags[cpu_number()]->shared)
        pcpu_mag_drain_all(a);
    /* What this CPU was asked for must not be lost; from here on nobody asks it. */
    bits = atomic_exchange_explicit(&a->work[cpu_number()], PCPU_WORK_PARKED, memory_order_acq_rel);
    bits &= ~PCPU_WORK_PARKED;
    if (bits) {
        atomic_fetch_and_explicit(&a->work_handed, ~bits, memory_order_relaxed);
        pcpu_defer_elsewhere(a, bits);
    }
}

/* ---- set up ---------------------------------------------------------------------------------- */

static int init_tables(struct pcpu_allocator *a)
{
    a->mags = pcpu_meta_zalloc(a, a->nr_cpus * sizeof(*a->mags));
    a->own_mags = pcpu_meta_zalloc(a, a->nr_cpus * sizeof(*a->mags));
    a->no_room = pcpu_meta_zalloc(a, sizeof(*a->no_room));
    a->all_mags = pcpu_meta_zalloc(a, a->nr_cpus * sizeof(*a->all_mags));
    a->work = pcpu_meta_zalloc(a, a->nr_cpus * sizeof(*a->work));
    a->dir = pcpu_meta_zalloc(a, DIR_ENTRIES(a) * sizeof(*a->dir));
    a->flat = pcpu_meta_zalloc(a, PCPU_FLAT_SLOTS * sizeof(*a->flat));
    if (!a->mags || !a->own_mags || !a->no_room || !a->all_mags || !a->work || !a->dir || !a->flat)
        return -ENOMEM;
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
        err = init_fc_slots(a);
    if (!err)
        err = init_units(a);
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
    for (u32 i = 0; i < a->nr_mags; i++)
        ASSERT(pcpu_set_bytes(a->all_mags[i]) == 0);
    pcpu_return_empty(a, 0, ~0u);
    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a); i++)
        pcpu_drop_chunk(a, i);
    pcpu_metas_release(a);
    pcpu_metas_trim(a);
    pcpu_free_sets(a);
    pcpu_free_fixed(a);
    pcpu_meta_free(a, a->mags, a->nr_cpus * sizeof(*a->mags));
    pcpu_meta_free(a, a->own_mags, a->nr_cpus * sizeof(*a->mags));
    pcpu_meta_free(a, a->no_room, sizeof(*a->no_room));
    pcpu_meta_free(a, a->all_mags, a->nr_cpus * sizeof(*a->all_mags));
    pcpu_meta_free(a, (void *)a->work, a->nr_cpus * sizeof(*a->work));
    pcpu_meta_free(a, (void *)a->dir, DIR_ENTRIES(a) * sizeof(*a->dir));
    pcpu_meta_free(a, (void *)a->flat, PCPU_FLAT_SLOTS * sizeof(*a->flat));
    pcpu_meta_free(a, a->fc_slots, (a->fc_slots_mask + 1ULL) * sizeof(*a->fc_slots));
    pcpu_meta_free(a, a->group_unit0, a->fc->nr_groups * sizeof(u32));
    pcpu_meta_free(a, a->possible_off, a->nr_cpus * sizeof(u64));
    pcpu_meta_free(a, a->live_off, a->nr_cpus * sizeof(u64));
    pcpu_meta_free(a, a->live_map, BITMAP_WORDS(a->nr_cpus) * sizeof(u64));
}
