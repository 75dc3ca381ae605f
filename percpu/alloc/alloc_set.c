/*
 * Sets of magazines, one per CPU. See alloc_set.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_set.h"

/* Aligned and large objects are rarer: shorter magazines keep all tables small. */
static u32 class_cap(u32 class, u32 quota)
{
    u32 size = pcpu_class_size(class);
    bool rare = class >= PCPU_CLASS_ALIGNED;
    u32 bytes = !rare ? 4096 : size <= PCPU_STEP_MAX ? 2048 : 8192;

    return MAX(1u, MIN(rare ? 16u : PCPU_BATCH_MAX, MIN(bytes, quota) / size));
}

static struct pcpu_mags *new_set(struct pcpu_allocator *a, s32 node, u32 quota)
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

/* The caps of all classes are divisions: made once, then copied from the first set. */
static struct pcpu_mags *copy_set(struct pcpu_allocator *a, s32 node, const struct pcpu_mags *from)
{
    u64 head = align_up(sizeof(*from), 64);
    struct pcpu_mags *m = a->env->meta_alloc(a->env->meta_ctx, node, from->memory_bytes);

    if (!m)
        return NULL;
    memcpy(m, from, sizeof(*m));
    memset((u8 *)m + sizeof(*m), 0, from->memory_bytes - sizeof(*m));
    for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++)
        m->mag[c].entries = (struct pcpu_entry *)((u8 *)m + head) +
                            (from->mag[c].entries - (struct pcpu_entry *)((u8 *)from + head));
    return m;
}

int pcpu_init_sets(struct pcpu_allocator *a)
{
    u64 share = PCPU_CACHE_PAGES * PCPU_BLOCK_SIZE / a->nr_cpus;
    u32 quota = (u32)MIN(MAX(share, PCPU_CACHE_MIN_BYTES), PCPU_CACHE_MAX_BYTES);

    for (u32 cpu = 0; cpu < a->nr_cpus; cpu++) {
        s32 node = a->env->cpu_node[cpu];

        a->mags[cpu] = cpu ? copy_set(a, node, a->mags[0]) : new_set(a, node, quota);
        if (!a->mags[cpu])
            return -ENOMEM;
    }
    return 0;
}

void pcpu_free_sets(struct pcpu_allocator *a)
{
    for (u32 cpu = 0; a->mags && cpu < a->nr_cpus; cpu++)
        if (a->mags[cpu])
            pcpu_meta_free(a, a->mags[cpu], a->mags[cpu]->memory_bytes);
}
