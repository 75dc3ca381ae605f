/*
 * The layout of a chunk, by the rules of Linux's pcpu_build_alloc_info since 2009, with the cheaper
 * grouping of 2021; see layout.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/first/layout.h"

#include "kernel/base/errno.h"

/* Sizes that do not depend on the CPUs. */
struct sizes {
    u64 reserved, dyn, atom;
    u64 min_unit; /* smallest possible unit */
    u64 alloc;    /* smallest possible block: whole atoms that hold one unit */
};

/* Which CPU is in which group. The arrays have nr_cpus entries each and share one block. */
struct grouping {
    u32 nr_groups;
    u32 *group_of; /* CPU -> group */
    u32 *count;    /* group -> CPUs in it */
    u32 *scratch;
};

static size_t grouping_bytes(const struct pcpu_env *env)
{
    return 3ULL * env->nr_cpus * sizeof(u32);
}

static int find_sizes(const struct pcpu_env *env, u64 reserved, s64 dyn, u64 atom, struct sizes *s)
{
    u64 min_dyn = dyn > (s64)PCPU_DYN_EARLY_SIZE ? (u64)dyn : PCPU_DYN_EARLY_SIZE;
    u64 sum, sum_aligned;

    if (__builtin_add_overflow((u64)env->static_size, reserved, &sum) ||
        __builtin_add_overflow(sum, min_dyn, &sum) ||
        __builtin_add_overflow(sum, PAGE_SIZE - 1, &sum_aligned))
        return -EOVERFLOW;
    sum_aligned = align_down(sum_aligned, PAGE_SIZE);
    s->reserved = reserved;
    s->dyn = min_dyn + (sum_aligned - sum);
    s->atom = atom;
    s->min_unit = MAX(sum_aligned, PCPU_MIN_UNIT_SIZE);
    if (__builtin_add_overflow(s->min_unit, atom - 1, &s->alloc) || (s64)s->alloc < 0)
        return -EOVERFLOW;
    s->alloc = align_down(s->alloc, atom);
    return 0;
}

/*
 * The lowest CPU without a group founds one. The others without a group join it if the distance to
 * the founder is local in both directions. As in Linux, only the founder's distance counts.
 */
static void form_groups(const struct pcpu_env *env, pcpu_distance_fn distance, struct grouping *g)
{
    u32 *waiting = g->scratch; /* CPUs without a group */
    u32 nr_waiting = env->nr_cpus;

    for (u32 cpu = 0; cpu < env->nr_cpus; cpu++)
        waiting[cpu] = cpu;
    for (g->nr_groups = 0; nr_waiting; g->nr_groups++) {
        u32 founder = waiting[0], kept = 0;

        for (u32 i = 0; i < nr_waiting; i++) {
            u32 cpu = waiting[i];

            if (cpu != founder && distance &&
                (distance(env->ctx, founder, cpu) != PCPU_LOCAL_DISTANCE ||
                 distance(env->ctx, cpu, founder) != PCPU_LOCAL_DISTANCE))
                waiting[kept++] = cpu;
            else
                g->group_of[cpu] = g->nr_groups;
        }
        g->count[g->nr_groups] = nr_waiting - kept;
        nr_waiting = kept;
    }
}

/* True: a block can be cut into upa units of whole pages. */
static bool divides_block(u64 alloc, u64 upa)
{
    return alloc % upa == 0 && is_aligned(alloc / upa, PAGE_SIZE);
}

/*
 * Units per block. The search goes downwards and ends when the number of blocks would grow. For n
 * CPUs, a candidate may leave at most n/3 units unused. With more than n + n/3 units per block too
 * many are unused, so the search starts there. 1 is always possible.
 */
static u64 find_units_per_block(const struct sizes *s, const struct grouping *g, u32 nr_cpus)
{
    u64 upa = MIN(s->alloc / s->min_unit, (u64)nr_cpus + nr_cpus / 3);
    u64 best = 1, best_blocks = ~0ULL;

    for (; upa; upa--) {
        u64 blocks = 0, unused;

        if (!divides_block(s->alloc, upa))
            continue;
        for (u32 i = 0; i < g->nr_groups; i++)
            blocks += (g->count[i] + upa - 1) / upa;
        unused = blocks * upa - nr_cpus;
        if (unused > nr_cpus / 3)
            continue;
        if (blocks > best_blocks)
            break;
        best_blocks = blocks;
        best = upa;
    }
    return best;
}

/* The CPUs of each group in ascending order, then unused units up to a whole block. */
static void fill_maps(struct pcpu_alloc_info *ai, const struct grouping *g)
{
    u32 *next = g->scratch;

    for (u32 i = 0; i < ai->nr_groups; i++) {
        next[i] = 0;
        for (u32 unit = g->count[i]; unit < ai->groups[i].nr_units; unit++)
            ai->groups[i].cpu_map[unit] = PCPU_NO_CPU;
    }
    for (u32 cpu = 0; cpu < ai->nr_cpus; cpu++) {
        u32 group = g->group_of[cpu];

        ai->groups[group].cpu_map[next[group]++] = cpu;
    }
}

/* Allocates the struct, its groups and their maps as one block. */
static struct pcpu_alloc_info *new_alloc_info(const struct pcpu_env *env, const struct grouping *g,
                                              u64 upa, u64 unit_size, u32 nr_units)
{
    size_t head = sizeof(struct pcpu_alloc_info) + g->nr_groups * sizeof(struct pcpu_group);
    size_t bytes = head + nr_units * sizeof(u32);
    struct pcpu_alloc_info *ai = env->alloc(env->ctx, bytes, 64);
    u32 *map;
    u64 offset = 0;

    if (!ai)
        return NULL;
    map = (u32 *)((u8 *)ai + head);
    ai->bytes = bytes;
    ai->nr_cpus = env->nr_cpus;
    ai->nr_units = nr_units;
    ai->nr_groups = g->nr_groups;
    for (u32 i = 0; i < g->nr_groups; i++) {
        u32 units = (u32)((g->count[i] + upa - 1) / upa * upa);

        /* Assumes adjacent groups; the builder sets the real offsets. */
        ai->groups[i] = (struct pcpu_group){units, offset, map};
        offset += units * unit_size;
        map += units;
    }
    fill_maps(ai, g);
    return ai;
}

static int make_alloc_info(const struct pcpu_env *env, const struct sizes *s,
                           const struct grouping *g, struct pcpu_alloc_info **out)
{
    u64 upa = find_units_per_block(s, g, env->nr_cpus);
    u64 unit_size = s->alloc / upa, nr_units = 0, total;
    struct pcpu_alloc_info *ai;

    for (u32 i = 0; i < g->nr_groups; i++)
        nr_units += (g->count[i] + upa - 1) / upa * upa;
    if (__builtin_mul_overflow(nr_units, unit_size, &total) || (s64)total < 0)
        return -EOVERFLOW;
    ai = new_alloc_info(env, g, upa, unit_size, (u32)nr_units);
    if (!ai)
        return -ENOMEM;
    ai->static_size = env->static_size;
    ai->reserved_size = s->reserved;
    ai->dyn_size = s->dyn;
    ai->unit_size = unit_size;
    ai->atom_size = s->atom;
    ai->alloc_size = s->alloc;
    *out = ai;
    return 0;
}

int pcpu_build_alloc_info(const struct pcpu_env *env, size_t reserved, s64 dyn, size_t atom,
                          pcpu_distance_fn distance, struct pcpu_alloc_info **out)
{
    struct sizes s;
    struct grouping g;
    u32 *arrays;
    int err;

    *out = NULL;
    if (!env->nr_cpus || env->nr_cpus > PCPU_MAX_CPUS || !is_pow2(atom) || atom < PAGE_SIZE)
        return -EINVAL;
    err = find_sizes(env, reserved, dyn, atom, &s);
    if (err)
        return err;
    arrays = env->alloc(env->ctx, grouping_bytes(env), 64);
    if (!arrays)
        return -ENOMEM;
    g.group_of = arrays;
    g.count = arrays + env->nr_cpus;
    g.scratch = arrays + 2 * (size_t)env->nr_cpus;
    form_groups(env, distance, &g);
    err = make_alloc_info(env, &s, &g, out);
    env->free(env->ctx, arrays, grouping_bytes(env));
    return err;
}

void pcpu_free_alloc_info(const struct pcpu_env *env, struct pcpu_alloc_info *ai)
{
    if (ai)
        env->free(env->ctx, ai, ai->bytes);
}
