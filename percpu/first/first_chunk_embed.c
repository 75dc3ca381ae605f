/*
 * The embedded first chunk; see first_chunk.h. The order of the steps matters: allocate all blocks,
 * check, fill, and only then give parts of the blocks back. So no block can lie in a hole of
 * another, and an undo frees only whole blocks.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/first/first_chunk.h"

#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "percpu/first/layout.h"
#include "percpu/first/layout_print.h"
#include "percpu/first/setup_first_chunk.h"

/* One build. areas[i]: the block of group i; the first nr_areas are allocated. */
struct embed {
    const struct pcpu_env *env;
    struct pcpu_alloc_info *ai;
    pcpu_alloc_fn alloc_fn;
    pcpu_free_fn free_fn;
    u8 **areas;
    u32 nr_areas;
    u8 *base;
};

static u64 group_size(const struct embed *e, u32 group)
{
    return e->ai->groups[group].nr_units * (u64)e->ai->unit_size;
}

/* The group's memory should be on this CPU's node. */
static u32 first_cpu(const struct pcpu_group *g)
{
    for (u32 unit = 0; unit < g->nr_units; unit++)
        if (g->cpu_map[unit] != PCPU_NO_CPU)
            return g->cpu_map[unit];
    panic("percpu: a group of %u units has no CPU", g->nr_units);
}

static int take_area(struct embed *e, u32 group)
{
    u32 cpu = first_cpu(&e->ai->groups[group]);
    u64 size = group_size(e, group);
    size_t atom = e->ai->atom_size;
    u8 *area = e->alloc_fn ? e->alloc_fn(e->env->ctx, cpu, size, atom)
                           : e->env->alloc(e->env->ctx, size, atom);

    if (!area) {
        pr_warn("percpu: no memory near cpu %u for group %u, %llu bytes", cpu, group,
                (unsigned long long)size);
        return -ENOMEM;
    }
    e->areas[e->nr_areas++] = area;
    if (!e->base || area < e->base)
        e->base = area;
    if (!is_aligned((uintptr_t)area, atom)) {
        pr_err("percpu: memory for group %u is not aligned to %zu bytes", group, atom);
        return -EINVAL;
    }
    return 0;
}

/* Frees the last block first, so that memblock's region table returns through the same states. */
static void undo_areas(struct embed *e)
{
    while (e->nr_areas) {
        u32 group = --e->nr_areas;

        if (e->free_fn(e->env->ctx, e->areas[group], group_size(e, group)))
            pr_err("percpu: %llu bytes of group %u could not be given back",
                   (unsigned long long)group_size(e, group), group);
    }
}

/*
 * The dynamic chunks repeat the first chunk's distances in the virtual window. If one chunk took
 * more than 3/4 of it, there would be no room for others (Linux's limit).
 */
static int place_groups(struct embed *e)
{
    u64 max_distance = 0, window = e->env->window_size;

    for (u32 i = 0; i < e->ai->nr_groups; i++) {
        u64 offset = (u64)(e->areas[i] - e->base);

        e->ai->groups[i].base_offset = offset;
        max_distance = MAX(max_distance, offset + group_size(e, i));
    }
    if (max_distance <= window / 4 * 3 + window % 4 * 3 / 4)
        return 0;
    pr_warn("percpu: max_distance=0x%llx too large for vmalloc space 0x%llx",
            (unsigned long long)max_distance, (unsigned long long)window);
    return -EINVAL;
}

static void give_back(const struct embed *e, struct pcpu_first_chunk *out, u8 *ptr, u64 size,
                      u32 group, u32 cpu)
{
    if (!size || e->free_fn(e->env->ctx, ptr, size) == 0)
        return;
    out->lost_bytes += size;
    if (cpu == PCPU_NO_CPU)
        pr_warn("percpu: %llu bytes of an unused unit of group %u could not be given back",
                (unsigned long long)size, group);
    else
        pr_warn("percpu: %llu bytes of CPU %u's unit could not be given back",
                (unsigned long long)size, cpu);
}

/* Fills the units and gives back the memory that they do not need. Cannot fail. */
static void fill_and_trim(const struct embed *e, struct pcpu_first_chunk *out)
{
    size_t unit_size = e->ai->unit_size, size_sum = pcpu_size_sum(e->ai);

    for (u32 i = 0; i < e->ai->nr_groups; i++) {
        const struct pcpu_group *g = &e->ai->groups[i];
        u8 *unit = e->areas[i];

        for (u32 j = 0; j < g->nr_units; j++, unit += unit_size) {
            u32 cpu = g->cpu_map[j];
            size_t kept = cpu == PCPU_NO_CPU ? 0 : size_sum;

            if (kept)
                pcpu_fill_unit(e->env, unit, size_sum);
            give_back(e, out, unit + kept, unit_size - kept, i, cpu);
        }
    }
}

/*
 * Bookkeeping for the blocks, for their undo or trimming, and for a few tables. Its memory is taken
 * before the first block: later it could come from a hole between units, or be missing.
 */
static int prepare(const struct embed *e)
{
    size_t calls = 2ULL * e->ai->nr_groups + e->ai->nr_units + 8;

    return e->env->prepare ? e->env->prepare(e->env->ctx, calls) : 0;
}

static int build(struct embed *e, struct pcpu_first_chunk *out)
{
    int err = prepare(e);

    for (u32 i = 0; !err && i < e->ai->nr_groups; i++)
        err = take_area(e, i);
    if (!err)
        err = place_groups(e);
    if (!err)
        err = pcpu_setup_first_chunk(e->env, e->ai, e->base, out);
    if (err) {
        undo_areas(e);
        return err;
    }
    out->embedded = true;
    fill_and_trim(e, out);
    pcpu_log_embedded(e->ai);
    pcpu_dump_alloc_info(e->env, LOG_INFO, e->ai);
    return 0;
}

int pcpu_embed_first_chunk(const struct pcpu_env *env, size_t reserved_size, s64 dyn_size,
                           size_t atom_size, pcpu_distance_fn cpu_distance_fn,
                           pcpu_alloc_fn alloc_fn, pcpu_free_fn free_fn,
                           struct pcpu_first_chunk *out)
{
    struct embed e = {.env = env, .alloc_fn = alloc_fn, .free_fn = free_fn};
    size_t areas_bytes;
    int err;

    memset(out, 0, sizeof(*out));
    err = pcpu_build_alloc_info(env, reserved_size, dyn_size, atom_size, cpu_distance_fn, &e.ai);
    if (err)
        return err;
    areas_bytes = e.ai->nr_groups * sizeof(e.areas[0]);
    e.areas = env->alloc(env->ctx, areas_bytes, 64);
    if (e.areas) {
        err = build(&e, out);
        env->free(env->ctx, e.areas, areas_bytes);
    } else {
        err = -ENOMEM;
    }
    pcpu_free_alloc_info(env, e.ai);
    return err;
}
