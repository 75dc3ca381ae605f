/*
 * From addresses back to CPUs, chunks and offsets, for every CPU and kind, holes included.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/alloc/alloc_rig.h"

static void decodes(struct alloc_rig *r, const void *addr, enum percpu_where where, u32 chunk,
                    u32 cpu, u64 off)
{
    struct percpu_location loc;
    int err = pcpu_decode(&r->a, (u64)(uintptr_t)addr, &loc);

    if (err || loc.where != where || loc.chunk != chunk || loc.cpu != cpu || loc.off != off)
        ktest_fail(__FILE__, __LINE__,
                   "%p: %d where %u chunk %u cpu %u off %#llx, not %u %u %u %#llx", addr, err,
                   loc.where, loc.chunk, loc.cpu, (unsigned long long)loc.off, where, chunk, cpu,
                   (unsigned long long)off);
}

static void nowhere(struct alloc_rig *r, u64 addr)
{
    struct percpu_location loc;

    if (pcpu_decode(&r->a, addr, &loc) != -ENOENT || loc.where != PERCPU_NOWHERE)
        ktest_fail(__FILE__, __LINE__, "%#llx is cpu %u where %u", (unsigned long long)addr,
                   loc.cpu, loc.where);
    EXPECT_EQ(pcpu_to_phys(&r->a, addr), ~0ULL);
}

/* The first chunk: each part's first and last byte. */
static void first_chunk(struct alloc_rig *r, u32 cpu)
{
    const struct pcpu_first_chunk *fc = &r->w.fc;
    u8 *unit = pcpu_unit_addr(fc, cpu);

    decodes(r, unit, PERCPU_STATIC, 0, cpu, 0);
    decodes(r, unit + fc->static_area.end - 1, PERCPU_STATIC, 0, cpu, fc->static_area.end - 1);
    if (fc->reserved_area.start < fc->reserved_area.end) {
        decodes(r, unit + fc->reserved_area.start, PERCPU_IN_RESERVED, 1, cpu,
                fc->reserved_area.start);
        decodes(r, unit + fc->reserved_area.end - 1, PERCPU_IN_RESERVED, 1, cpu,
                fc->reserved_area.end - 1);
    }
    decodes(r, unit + fc->dyn_area.start, PERCPU_IN_FIRST, 0, cpu, fc->dyn_area.start);
    decodes(r, unit + fc->dyn_area.end - 1, PERCPU_IN_FIRST, 0, cpu, fc->dyn_area.end - 1);
    EXPECT_EQ(pcpu_to_phys(&r->a, (u64)(uintptr_t)unit), rig_phys(r, (u64)(uintptr_t)unit));
    if (fc->size_sum < fc->unit_size)
        nowhere(r, (u64)(uintptr_t)unit + fc->size_sum);
}

static void object(struct alloc_rig *r, void *p, u32 cpu)
{
    u8 *copy = rig_ptr(r, p, cpu);
    struct percpu_location loc;
    const struct pcpu_dchunk *ch;
    u64 entry;

    REQUIRE_EQ(pcpu_decode(&r->a, (u64)(uintptr_t)copy, &loc), 0);
    EXPECT_EQ(loc.cpu, cpu);
    ch = r->a.chunks[loc.chunk];
    REQUIRE_TRUE(ch != NULL);
    EXPECT_EQ(loc.off, (uintptr_t)p - ch->ptr);
    if (loc.where == PERCPU_IN_FIRST)
        return;
    EXPECT_EQ(loc.where, PERCPU_IN_CHUNK);
    entry = world_entry(&r->w, align_down((u64)(uintptr_t)copy, PAGE_SIZE));
    EXPECT_EQ(pcpu_to_phys(&r->a, (u64)(uintptr_t)copy + 3),
              entry == PCPU_GET_ZERO ? ~0ULL : entry + ((uintptr_t)copy + 3) % PAGE_SIZE);
}

/* Each unit's edges in a chunk, and what lies between the groups. */
static void chunk_edges(struct alloc_rig *r, const struct pcpu_dchunk *ch)
{
    const struct pcpu_first_chunk *fc = &r->w.fc;
    u32 unit = 0;

    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        u8 *start = (u8 *)(uintptr_t)(ch->base + fc->unit_off[cpu]);

        decodes(r, start, PERCPU_IN_CHUNK, ch->number, cpu, 0);
        decodes(r, start + fc->unit_size - 1, PERCPU_IN_CHUNK, ch->number, cpu, fc->unit_size - 1);
    }
    for (u32 g = 0; g < fc->nr_groups; g++) {
        for (u32 i = 0; i < fc->group_units[g]; i++, unit++)
            if (fc->unit_cpu[unit] == PCPU_NO_CPU)
                nowhere(r, ch->base + fc->group_offsets[g] + i * fc->unit_size + 8);
    }
}

/* Every page of the window and of the first chunk's room, by the layout's own arithmetic. */
static bool expected(struct alloc_rig *r, u64 base, u64 addr, u32 *cpu)
{
    for (*cpu = 0; *cpu < r->a.nr_cpus; ++*cpu)
        if (addr - base - r->w.fc.unit_off[*cpu] < r->w.fc.unit_size)
            return true;
    return false;
}

static void sweep(struct alloc_rig *r, u64 start, u64 end)
{
    u32 wrong = 0;

    for (u64 addr = start; addr < end; addr += PAGE_SIZE) {
        const struct pcpu_dchunk *owner = NULL;
        struct percpu_location loc;
        u32 cpu = 0, n;
        bool is = false;

        for (n = PCPU_CHUNK_DYNAMIC; n < r->a.chunks_end && !is; n++) {
            owner = r->a.chunks[n];
            is = owner && expected(r, owner->base, addr, &cpu);
        }
        if (!is) {
            owner = NULL;
            is = expected(r, r->a.first_base, addr, &cpu) &&
                 addr - r->a.first_base - r->w.fc.unit_off[cpu] < r->w.fc.size_sum;
        }
        if (pcpu_decode(&r->a, addr, &loc))
            wrong += is;
        else
            wrong += !is || loc.cpu != cpu ||
                     loc.chunk != (owner ? owner->number : loc.where == PERCPU_IN_RESERVED);
    }
    EXPECT_EQ(wrong, 0);
}

static void whole_shape(const struct world_shape *shape)
{
    struct alloc_rig *r = rig_new(shape);
    static void *ptr[300];
    u32 n = 0;

    /* Enough for at least two chunks. */
    for (; n < ARRAY_SIZE(ptr) - 1 && r->a.chunks_end < 5; n++)
        ptr[n] = pcpu_alloc(&r->a, r->a.unit_size / 8 + 8 * n, 8, 0);
    ptr[n++] = pcpu_alloc(&r->a, 8, 8, 0);
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        first_chunk(r, cpu);
        for (u32 i = 0; i < n; i++)
            object(r, ptr[i], cpu);
    }
    for (u32 i = PCPU_CHUNK_DYNAMIC; i < r->a.chunks_end; i++)
        chunk_edges(r, r->a.chunks[i]);
    nowhere(r, 0);
    nowhere(r, ~0ULL);
    nowhere(r, RIG_STATIC_START);
    nowhere(r, r->a.window_base + r->w.shape.window_bytes);
    sweep(r, r->a.window_base, r->a.window_base + 160 * SZ_1M);
    sweep(r, (u64)(uintptr_t)r->w.first_memory,
          (u64)(uintptr_t)r->w.first_memory + r->w.first_bytes);
    pcpu_free_bulk(&r->a, n, ptr);
    /* What was given back is nowhere. */
    pcpu_trim(&r->a);
    sweep(r, r->a.window_base, r->a.window_base + 160 * SZ_1M);
    rig_end(r);
}

KTEST(percpu_alloc_decode, two_nodes)
{
    whole_shape(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 8, .reserved_size = 8192});
}

KTEST(percpu_alloc_decode, unused_units)
{
    /* 3 CPUs of one node and 2 of another: units that are nobody's. */
    static const u32 nodes[] = {0, 0, 0, 1, 1};

    whole_shape(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 5, .cpu_node = nodes});
}

KTEST(percpu_alloc_decode, small_atoms)
{
    whole_shape(
        &(struct world_shape){.nr_nodes = 2, .nr_cpus = 6, .atom = 4096, .group_stride = 4096});
    whole_shape(&(struct world_shape){
        .nr_nodes = 4, .nr_cpus = 8, .atom = 64 * SZ_1K, .group_stride = 64 * SZ_1K});
}

KTEST(percpu_alloc_decode, one_group)
{
    whole_shape(&(struct world_shape){
        .nr_nodes = 2, .nr_cpus = 7, .one_group = true, .atom = 4096, .reserved_size = 4096});
}

KTEST(percpu_alloc_decode, absent_cpus)
{
    whole_shape(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 16, .absent = {0xaaaa}});
}

KTEST(percpu_alloc_decode, one_cpu)
{
    whole_shape(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 1});
}

KTEST(percpu_alloc_decode, many_cpus)
{
    whole_shape(&(struct world_shape){.nr_nodes = 4, .nr_cpus = 128});
}

KTEST(percpu_alloc_decode, cpus_of_nodes_in_any_order)
{
    static const u32 nodes[] = {1, 0, 3, 1, 2, 0, 3, 3, 1, 0, 2};

    whole_shape(&(struct world_shape){.nr_nodes = 4, .nr_cpus = 11, .cpu_node = nodes});
}
