/*
 * Computes the 2 MiB ranges of a dynamic chunk from the first chunk's layout, and the units in
 * them. Once, for all chunks. See backing.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/range.h"
#include "kernel/base/sort.h"
#include "percpu/backing/backing_internal.h"

/* Sorts ranges by start, and units by offset: each the first member. */
static int compare_first(const void *a, const void *b, UNUSED void *ctx)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;

    return x < y ? -1 : x > y;
}

/* A group's address space, in whole ranges. */
static struct range group_span(const struct pcpu_first_chunk *fc, u32 g)
{
    return (struct range){align_down(fc->group_offsets[g], PCPU_RANGE_SIZE),
                          align_up(fc->group_offsets[g] + fc->group_sizes[g], PCPU_RANGE_SIZE)};
}

/* With atoms below 2 MiB, groups may share a range: overlapping spans become one. */
static void fill_spans(const struct pcpu_first_chunk *fc, struct pcpu_backing_layout *l,
                       struct range *spans)
{
    for (u32 g = 0; g < fc->nr_groups; g++)
        spans[g] = group_span(fc, g);
    sort(spans, fc->nr_groups, sizeof(spans[0]), compare_first, NULL);
    for (u32 g = 0; g < fc->nr_groups; g++) {
        u32 last = l->nr_spans - 1;

        if (l->nr_spans && spans[g].start < l->span_off[last] + l->span_size[last]) {
            u64 end = MAX(spans[g].end, l->span_off[last] + l->span_size[last]);

            l->span_size[last] = end - l->span_off[last];
            continue;
        }
        l->span_off[l->nr_spans] = spans[g].start;
        l->span_size[l->nr_spans++] = range_size(spans[g]);
    }
}

static int fill_units(const struct pcpu_backing_env *env, struct pcpu_backing_layout *l)
{
    const struct pcpu_first_chunk *fc = env->fc;

    for (u32 cpu = 0; cpu < fc->nr_cpus; cpu++) {
        s32 node = env->cpu_node[cpu];

        if (node < 0 || (u32)node >= env->nr_nodes)
            return -EINVAL;
        l->units[l->nr_units++] = (struct pcpu_unit_place){fc->unit_off[cpu], cpu, node};
    }
    sort(l->units, l->nr_units, sizeof(l->units[0]), compare_first, NULL);
    return l->nr_units ? 0 : -EINVAL;
}

/* The blocks of a unit in [off, off + 2 MiB); hi == lo: none. */
static struct pcpu_part part_at(const struct pcpu_backing_layout *l,
                                const struct pcpu_unit_place *unit, u64 off)
{
    s64 delta = ((s64)unit->off - (s64)off) / (s64)PAGE_SIZE;
    s64 lo = MAX(-delta, 0), hi = MIN((s64)PCPU_RANGE_PAGES - delta, (s64)l->nr_blocks);

    return (struct pcpu_part){(u32)lo, (u32)MAX(hi, lo), (s32)delta, unit->cpu, unit->node};
}

/* The range at off with its parts. *first: the lowest unit that can be in it. */
static struct pcpu_range_shape shape_at(struct pcpu_backing_layout *l, u64 off, u32 *first)
{
    struct pcpu_range_shape s = {.off = off, .node = NODE_NONE, .parts = &l->parts[l->nr_parts]};
    u32 pages = 0;

    while (*first < l->nr_units && l->units[*first].off + l->nr_blocks * PAGE_SIZE <= off)
        ++*first;
    for (u32 u = *first; u < l->nr_units && l->units[u].off < off + PCPU_RANGE_SIZE; u++) {
        struct pcpu_part part = part_at(l, &l->units[u], off);

        pages += part.hi - part.lo;
        l->parts[l->nr_parts++] = part;
        if (s.nr_parts++ == 0)
            s.node = part.node;
        else if (s.node != part.node)
            s.node = NODE_NONE;
    }
    s.whole = pages == PCPU_RANGE_PAGES;
    return s;
}

static void fill_ranges(struct pcpu_backing_layout *l)
{
    u32 first = 0;

    for (u32 i = 0; i < l->nr_spans; i++) {
        u64 end = l->span_off[i] + l->span_size[i];

        for (u64 off = l->span_off[i]; off < end; off += PCPU_RANGE_SIZE) {
            struct pcpu_range_shape s = shape_at(l, off, &first);

            if (s.nr_parts)
                l->ranges[l->nr_ranges++] = s;
        }
    }
}

int pcpu_backing_env_init(struct pcpu_backing_env *env)
{
    const struct pcpu_first_chunk *fc = env->fc;
    struct pcpu_backing_layout *l;
    u64 max_ranges = 0, max_parts;
    size_t bytes;
    struct range *spans;
    int err;

    for (u32 g = 0; g < fc->nr_groups; g++)
        max_ranges += range_size(group_span(fc, g)) / PCPU_RANGE_SIZE;
    max_parts = fc->nr_cpus * (fc->unit_size / PCPU_RANGE_SIZE + 2);
    bytes = sizeof(*l) + fc->nr_cpus * sizeof(l->units[0]) + max_ranges * sizeof(l->ranges[0]) +
            fc->nr_groups * (2 * sizeof(u64) + sizeof(spans[0])) + max_parts * sizeof(l->parts[0]);
    l = env->meta_alloc(env->meta_ctx, env->cpu_node[0], bytes);
    if (!l)
        return -ENOMEM;
    *l =
        (struct pcpu_backing_layout){.nr_blocks = (u32)(fc->unit_size / PAGE_SIZE), .bytes = bytes};
    l->units = (struct pcpu_unit_place *)(l + 1);
    l->ranges = (struct pcpu_range_shape *)(l->units + fc->nr_cpus);
    l->span_off = (u64 *)(l->ranges + max_ranges);
    l->span_size = l->span_off + fc->nr_groups;
    spans = (struct range *)(l->span_size + fc->nr_groups);
    l->parts = (struct pcpu_part *)(spans + fc->nr_groups);
    env->layout = l;
    err = fill_units(env, l);
    if (err) {
        pcpu_backing_env_done(env);
        return err;
    }
    fill_spans(fc, l, spans);
    fill_ranges(l);
    return 0;
}

void pcpu_backing_env_done(struct pcpu_backing_env *env)
{
    env->meta_free(env->meta_ctx, env->layout, env->layout->bytes);
    env->layout = NULL;
}
