/*
 * Checks a layout and makes the first chunk's tables; see setup_first_chunk.h. Linux's
 * pcpu_setup_first_chunk has most of these checks; the others check what its callers take for
 * granted.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/first/setup_first_chunk.h"

#include "kernel/base/errno.h"
#include "kernel/base/string.h"
#include "percpu/first/layout.h"
#include "percpu/first/layout_print.h"

/* Returns from the caller with the text of a condition that does not hold. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return #cond;                                                                          \
    } while (0)

static const char *check_sizes(const struct pcpu_alloc_info *ai)
{
    u64 size_sum;

    CHECK(ai->static_size != 0);
    CHECK(!__builtin_add_overflow(ai->static_size, ai->reserved_size, &size_sum));
    CHECK(!__builtin_add_overflow(size_sum, ai->dyn_size, &size_sum));
    CHECK(ai->unit_size >= size_sum);
    CHECK(is_aligned(size_sum, PAGE_SIZE));
    CHECK(is_aligned(ai->unit_size, PAGE_SIZE));
    CHECK(ai->unit_size >= PCPU_MIN_UNIT_SIZE);
    CHECK(ai->dyn_size >= PCPU_DYN_EARLY_SIZE);
    CHECK(is_aligned(ai->reserved_size, PCPU_MIN_ALLOC_SIZE));
    CHECK(is_pow2(ai->atom_size) && ai->atom_size >= PAGE_SIZE);
    CHECK(is_aligned(ai->alloc_size, ai->atom_size));
    CHECK(ai->alloc_size >= ai->unit_size && ai->alloc_size % ai->unit_size == 0);
    return NULL;
}

static const char *check_groups(const struct pcpu_alloc_info *ai)
{
    u64 upa = ai->alloc_size / ai->unit_size, nr_units = 0;
    bool group_at_base = false;

    for (u32 i = 0; i < ai->nr_groups; i++) {
        const struct pcpu_group *g = &ai->groups[i];
        u64 end, end2;

        CHECK(g->nr_units > 0);
        CHECK(g->nr_units % upa == 0);
        CHECK(is_aligned(g->base_offset, ai->atom_size));
        CHECK(!__builtin_add_overflow(g->base_offset, g->nr_units * (u64)ai->unit_size, &end));
        for (u32 j = 0; j < i; j++) {
            end2 = ai->groups[j].base_offset + ai->groups[j].nr_units * (u64)ai->unit_size;
            /* groups overlap */
            CHECK(g->base_offset >= end2 || ai->groups[j].base_offset >= end);
        }
        nr_units += g->nr_units;
        group_at_base |= g->base_offset == 0;
    }
    CHECK(group_at_base);
    CHECK(ai->nr_units == nr_units);
    return NULL;
}

static const char *check_info(const struct pcpu_env *env, const struct pcpu_alloc_info *ai,
                              const void *base)
{
    const char *bad;

    CHECK(ai->nr_groups > 0);
    CHECK(ai->nr_cpus == env->nr_cpus);
    CHECK(ai->static_size == env->static_size);
    CHECK(env->template_size <= env->static_size);
    CHECK(env->static_start != NULL || env->template_size == 0);
    CHECK(is_aligned((uintptr_t)env->static_start, PAGE_SIZE));
    CHECK(base != NULL);
    CHECK(is_aligned((uintptr_t)base, PAGE_SIZE));
    bad = check_sizes(ai);
    return bad ? bad : check_groups(ai);
}

/* Allocates all tables as one block, the widest entries first. */
static int new_tables(const struct pcpu_env *env, const struct pcpu_alloc_info *ai,
                      struct pcpu_first_chunk *fc)
{
    size_t cpus = ai->nr_cpus, groups = ai->nr_groups, units = ai->nr_units;

    fc->tables_bytes = (cpus + 2 * groups) * sizeof(u64) + (cpus + units + groups) * sizeof(u32);
    fc->tables = env->alloc(env->ctx, fc->tables_bytes, 64);
    if (!fc->tables)
        return -ENOMEM;
    fc->unit_off = fc->tables;
    fc->group_offsets = fc->unit_off + cpus;
    fc->group_sizes = fc->group_offsets + groups;
    fc->unit_map = (u32 *)(fc->group_sizes + groups);
    fc->unit_cpu = fc->unit_map + cpus;
    fc->group_units = fc->unit_cpu + units;
    return 0;
}

/* Fills the unit map in both directions, and finds the CPUs of the lowest and highest unit. */
static const char *fill_tables(const struct pcpu_env *env, const struct pcpu_alloc_info *ai,
                               struct pcpu_first_chunk *fc)
{
    u32 unit = 0, mapped = 0;

    for (u32 cpu = 0; cpu < env->nr_cpus; cpu++)
        fc->unit_map[cpu] = PCPU_NO_CPU;
    for (u32 i = 0; i < ai->nr_groups; i++) {
        const struct pcpu_group *g = &ai->groups[i];

        fc->group_offsets[i] = g->base_offset;
        fc->group_sizes[i] = g->nr_units * (u64)ai->unit_size;
        fc->group_units[i] = g->nr_units;
        for (u32 j = 0; j < g->nr_units; j++, unit++) {
            u32 cpu = g->cpu_map[j];

            fc->unit_cpu[unit] = cpu;
            if (cpu == PCPU_NO_CPU)
                continue;
            CHECK(cpu < env->nr_cpus); /* so the CPU is possible */
            CHECK(fc->unit_map[cpu] == PCPU_NO_CPU);
            fc->unit_map[cpu] = unit;
            fc->unit_off[cpu] = g->base_offset + j * (u64)ai->unit_size;
            if (!mapped++)
                fc->low_unit_cpu = fc->high_unit_cpu = cpu;
            if (fc->unit_off[cpu] < fc->unit_off[fc->low_unit_cpu])
                fc->low_unit_cpu = cpu;
            if (fc->unit_off[cpu] > fc->unit_off[fc->high_unit_cpu])
                fc->high_unit_cpu = cpu;
        }
    }
    CHECK(mapped == env->nr_cpus);
    return NULL;
}

/* Rounding the static area up to an allocation unit shortens the dynamic area. */
static void fill_regions(const struct pcpu_alloc_info *ai, struct pcpu_first_chunk *fc)
{
    size_t static_end = align_up(ai->static_size, PCPU_MIN_ALLOC_SIZE);

    fc->size_sum = pcpu_size_sum(ai);
    fc->static_area = (struct pcpu_region){0, static_end};
    fc->reserved_area = (struct pcpu_region){static_end, static_end + ai->reserved_size};
    fc->dyn_area = (struct pcpu_region){fc->reserved_area.end, fc->size_sum};
}

static int refuse(const struct pcpu_env *env, const struct pcpu_alloc_info *ai,
                  struct pcpu_first_chunk *out, const char *condition)
{
    pcpu_first_chunk_release(env, out);
    pr_err("percpu: failed to initialize, %s", condition);
    pcpu_log_possible(env->nr_cpus);
    pcpu_dump_alloc_info(env, LOG_ERR, ai);
    return -EINVAL;
}

int pcpu_setup_first_chunk(const struct pcpu_env *env, const struct pcpu_alloc_info *ai, void *base,
                           struct pcpu_first_chunk *out)
{
    const char *bad = check_info(env, ai, base);
    int err;

    memset(out, 0, sizeof(*out));
    if (bad)
        return refuse(env, ai, out, bad);
    err = new_tables(env, ai, out);
    if (err) {
        pr_err("percpu: no memory for %zu bytes of tables", out->tables_bytes);
        pcpu_first_chunk_release(env, out);
        return err;
    }
    bad = fill_tables(env, ai, out);
    if (bad)
        return refuse(env, ai, out, bad);
    out->base_addr = base;
    out->nr_cpus = ai->nr_cpus;
    out->nr_units = ai->nr_units;
    out->nr_groups = ai->nr_groups;
    out->unit_size = ai->unit_size;
    out->atom_size = ai->atom_size;
    out->alloc_size = ai->alloc_size;
    fill_regions(ai, out);
    return 0;
}

void pcpu_fill_unit(const struct pcpu_env *env, u8 *unit, size_t size_sum)
{
    if (env->template_size)
        memcpy(unit, env->static_start, env->template_size);
    memset(unit + env->template_size, 0, size_sum - env->template_size);
}

void pcpu_first_chunk_release(const struct pcpu_env *env, struct pcpu_first_chunk *fc)
{
    if (fc->tables)
        env->free(env->ctx, fc->tables, fc->tables_bytes);
    memset(fc, 0, sizeof(*fc));
}
