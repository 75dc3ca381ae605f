/*
 * Sets of magazines: one per CPU, or one per group on large machines. See alloc_set.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_set.h"

static u32 class_cap(u32 class, u32 quota)
{
    u32 size = pcpu_class_size(class);

    return MAX(1u, MIN(PCPU_BATCH_MAX, MIN(4096u, quota) / size));
}

static struct pcpu_mags *new_set(struct pcpu_allocator *a, s32 node, u32 quota, bool shared)
{
    u64 entries = 0, bytes;
    struct pcpu_mags *m;
    struct pcpu_entry *next;

    for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++)
        entries += class_cap(c, quota);
    bytes = align_up(sizeof(*m), 64) + entries * sizeof(struct pcpu_entry);
    m = a->env->meta_alloc(a->env->meta_ctx, node, bytes);
    if (!m)
        return NULL;
    memset(m, 0, bytes);
    m->memory_bytes = bytes;
    m->quota = m->headroom = quota;
    m->shared = shared;
    m->victim = PCPU_CLASS_4;
    m->clock = PCPU_HOT_MISSES + 1; /* no class is in demand */
    next = (struct pcpu_entry *)((u8 *)m + align_up(sizeof(*m), 64));
    for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++) {
        m->mag[c].entries = next;
        m->mag[c].max = m->mag[c].cap = m->mag[c].dirty = (u8)class_cap(c, quota);
        m->mag[c].refill = 1;
        m->mag[c].neg_size = (s16) - (s32)pcpu_class_size(c);
        next += m->mag[c].cap;
    }
    return m;
}

/* Adds one set for n units of a group; unused units have no CPU. */
static int add_set(struct pcpu_allocator *a, const u32 *cpus, u32 n, u32 quota, bool shared)
{
    struct pcpu_mags *m = NULL;

    for (u32 i = 0; i < n; i++) {
        if (cpus[i] == PCPU_NO_CPU)
            continue;
        if (!m)
            m = new_set(a, a->env->cpu_node[cpus[i]], quota, shared);
        if (!m)
            return -ENOMEM;
        a->own_mags[cpus[i]] = m;
        a->mags[cpus[i]] = shared ? a->no_room : m;
    }
    if (m)
        a->all_mags[a->nr_mags++] = m;
    return 0;
}

int pcpu_init_sets(struct pcpu_allocator *a)
{
    const struct pcpu_first_chunk *fc = a->fc;
    bool shared = a->nr_cpus >= PCPU_SHARED_FROM_CPUS;
    u64 quota = PCPU_CACHE_PAGES * PCPU_BLOCK_SIZE / (shared ? fc->nr_groups : a->nr_cpus);
    const u32 *cpus = fc->unit_cpu;
    int err = 0;

    quota = MIN(MAX(quota, PCPU_BLOCK_SIZE), PCPU_CACHE_MAX_BYTES);
    for (u32 g = 0; g < fc->nr_groups; g++) {
        u32 step = shared ? fc->group_units[g] : 1;

        for (u32 i = 0; i < fc->group_units[g] && !err; i += step)
            err = add_set(a, cpus + i, step, (u32)quota, shared);
        cpus += fc->group_units[g];
    }
    return err;
}

void pcpu_free_sets(struct pcpu_allocator *a)
{
    for (u32 i = 0; i < a->nr_mags; i++)
        pcpu_meta_free(a, a->all_mags[i], a->all_mags[i]->memory_bytes);
    a->nr_mags = 0;
}

void pcpu_set_lock(struct pcpu_mags *m)
{
    spin_lock(&m->lock);
}
