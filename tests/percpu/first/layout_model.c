/*
 * The layout against a second, slow derivation of the same rules: each rule as a statement about
 * the result instead of a search, for all ways to put up to 8 CPUs on nodes and for all or many
 * distance matrices. Then the first chunk itself on random machines, byte by byte.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/first/first_chunk_rig.h" /* first: it asks for the GNU functions */

#include "tests/host/random.h"

#define MAX_CPUS 8

static const u64 atoms[] = {4096, 16384, 65536, SZ_2M};
static const u64 statics[] = {1, 4096, 20000, 233472, 700001, 2028376};

struct machine {
    u32 n;
    int distance[MAX_CPUS][MAX_CPUS];
    u64 static_size, reserved, atom;
    s64 dyn;
};

static struct machine m;
static u64 compared;

static int machine_distance(void *ctx, u32 from, u32 to)
{
    (void)ctx;
    EXPECT_TRUE(from < m.n && to < m.n && from != to);
    return m.distance[from][to];
}

static void *heap_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static int heap_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)size;
    free(ptr);
    return 0;
}

/* The lowest CPU that founded a group and is near; founders are near nobody lower that founded. */
static u32 founder_of(u32 cpu)
{
    for (u32 f = 0; f < cpu; f++)
        if (founder_of(f) == f && m.distance[f][cpu] == 10 && m.distance[cpu][f] == 10)
            return f;
    return cpu;
}

struct expected {
    u32 groups, founder[MAX_CPUS], count[MAX_CPUS];
    u64 dyn, unit_size, alloc_size, upa;
};

/* The best of all possible cuts: fewest blocks, then the largest unit, at most n/3 units unused. */
static void expect_cut(struct expected *e, u64 need)
{
    u64 best_blocks = ~0ULL, most = e->alloc_size / need;

    e->upa = 0;
    for (u64 upa = 1; upa <= most; upa++) {
        u64 blocks = 0;

        if (e->alloc_size % upa || e->alloc_size / upa % 4096)
            continue;
        for (u32 g = 0; g < e->groups; g++)
            blocks += e->count[g] / upa + (e->count[g] % upa != 0);
        if (blocks * upa - m.n > m.n / 3 || blocks >= best_blocks)
            continue;
        best_blocks = blocks;
        e->upa = upa;
    }
    e->unit_size = e->alloc_size / e->upa;
}

static void expect(struct expected *e)
{
    u64 used = m.static_size + m.reserved + (m.dyn > 20480 ? (u64)m.dyn : 20480);
    u64 pages = (used + 4095) / 4096;
    u64 need = pages < 8 ? 8 * 4096 : pages * 4096;

    e->groups = 0;
    for (u32 cpu = 0; cpu < m.n; cpu++) {
        u32 f = founder_of(cpu);

        if (f == cpu) {
            e->founder[e->groups] = cpu;
            e->count[e->groups++] = 0;
        }
        for (u32 g = 0; g < e->groups; g++)
            e->count[g] += e->founder[g] == f;
    }
    e->dyn = pages * 4096 - m.static_size - m.reserved;
    e->alloc_size = (need + m.atom - 1) / m.atom * m.atom;
    expect_cut(e, need);
}

static void check_maps(const struct pcpu_alloc_info *ai, const struct expected *e)
{
    u32 unit = 0, used = 0;

    for (u32 g = 0; g < e->groups; g++) {
        const struct pcpu_group *group = &ai->groups[g];
        u32 j = 0;

        EXPECT_EQ(group->nr_units, (e->count[g] + e->upa - 1) / e->upa * e->upa);
        EXPECT_EQ(group->base_offset, unit * e->unit_size);
        for (u32 cpu = 0; cpu < m.n; cpu++)
            if (founder_of(cpu) == e->founder[g]) {
                EXPECT_EQ(group->cpu_map[j], cpu);
                j++;
            }
        used += j;
        for (; j < group->nr_units; j++)
            EXPECT_EQ(group->cpu_map[j], PCPU_NO_CPU);
        unit += group->nr_units;
    }
    EXPECT_EQ(used, m.n);
    EXPECT_EQ(ai->nr_units, unit);
    EXPECT_LE(3 * unit, 4 * m.n); /* three quarters of the units are somebody's */
}

static void compare(void)
{
    struct pcpu_env env = {
        .nr_cpus = m.n, .static_size = m.static_size, .alloc = heap_alloc, .free = heap_free};
    struct pcpu_alloc_info *ai;
    struct expected e;

    expect(&e);
    REQUIRE_EQ(pcpu_build_alloc_info(&env, m.reserved, m.dyn, m.atom, machine_distance, &ai), 0);
    EXPECT_EQ(ai->nr_groups, e.groups);
    EXPECT_EQ(ai->static_size, m.static_size);
    EXPECT_EQ(ai->reserved_size, m.reserved);
    EXPECT_EQ(ai->dyn_size, e.dyn);
    EXPECT_EQ(ai->unit_size, e.unit_size);
    EXPECT_EQ(ai->alloc_size, e.alloc_size);
    EXPECT_EQ(ai->atom_size, m.atom);
    if (ai->nr_groups == e.groups && ai->unit_size == e.unit_size)
        check_maps(ai, &e);
    pcpu_free_alloc_info(&env, ai);
    compared++;
}

static void compare_sizes(u32 nr_statics)
{
    for (size_t a = 0; a < ARRAY_SIZE(atoms); a++) {
        for (u32 s = 0; s < nr_statics; s++) {
            m.atom = atoms[a];
            m.static_size = statics[s * ARRAY_SIZE(statics) / nr_statics];
            m.reserved = s % 2 ? 8192 : 0;
            m.dyn = s % 3 ? 28672 : -1;
            compare();
        }
    }
}

/* Sets the pairs to the digits of code in the given base, each digit one of values. */
static void set_matrix(u64 code, u32 base, const int *values, bool symmetric)
{
    for (u32 i = 0; i < m.n; i++)
        for (u32 j = symmetric ? i + 1 : 0; j < m.n; j++) {
            if (i == j)
                continue;
            m.distance[i][j] = values[code % base];
            if (symmetric)
                m.distance[j][i] = m.distance[i][j];
            code /= base;
        }
}

static void all_matrices(u32 n, u32 base, bool symmetric, u32 nr_statics)
{
    static const int values[] = {10, 11, 20};
    u32 pairs = n * (n - 1) / (symmetric ? 2 : 1);
    u64 codes = 1;

    m.n = n;
    while (pairs--)
        codes *= base;
    for (u64 code = 0; code < codes; code++) {
        set_matrix(code, base, values, symmetric);
        compare_sizes(nr_statics);
    }
}

KTEST(layout_model, all_matrices_up_to_5_cpus)
{
    compared = 0;
    all_matrices(1, 3, false, 6);
    all_matrices(2, 3, false, 6);
    all_matrices(3, 3, false, 6);
    all_matrices(4, 2, false, 2);
    all_matrices(5, 2, true, 2);
    ktest_note("%llu layouts", (unsigned long long)compared);
}

/* Restricted growth strings: every way to put the CPUs on nodes, each once. */
static void all_partitions(u32 *node, u32 cpu, u32 nodes)
{
    if (cpu < m.n) {
        for (node[cpu] = 0; node[cpu] <= nodes && node[cpu] < MAX_CPUS; node[cpu]++)
            all_partitions(node, cpu + 1, nodes + (node[cpu] == nodes));
        return;
    }
    for (u32 i = 0; i < m.n; i++)
        for (u32 j = 0; j < m.n; j++)
            m.distance[i][j] = node[i] == node[j] ? 10 : 20;
    compare_sizes(3);
}

KTEST(layout_model, all_nodes_of_6_to_8_cpus)
{
    u32 node[MAX_CPUS + 1] = {0};

    compared = 0;
    for (m.n = 6; m.n <= 8; m.n++)
        all_partitions(node, 0, 0);
    ktest_note("%llu layouts", (unsigned long long)compared);
}

static u64 seed;
static u32 random_below(u32 n)
{
    return (u32)(random_lcg(&seed) >> 33) % n;
}

KTEST(layout_model, random_matrices_up_to_8_cpus)
{
    static const int values[] = {10, 10, 10, 10, 11, 20};

    seed = 1;
    for (int i = 0; i < 1500; i++) {
        m.n = 5 + random_below(4);
        for (u32 a = 0; a < m.n; a++)
            for (u32 b = 0; b < m.n; b++)
                m.distance[a][b] = values[random_below(i % 2 ? 6 : 5)];
        m.atom = atoms[random_below(4)] << random_below(3);
        m.static_size = 1 + random_below(400000);
        m.reserved = 4 * random_below(5000);
        m.dyn = (s64)random_below(60000) - 10000;
        compare();
    }
}

/* One random machine of 4 nodes; each kept byte right, no other touched, the rest free. */
static void check_contents(const struct pcpu_first_chunk *fc)
{
    u64 kept = 0;

    EXPECT_TRUE(pcpu_first_chunk_verify(fc) == NULL);
    for (u32 unit = 0, g = 0; g < fc->nr_groups; g++) {
        u8 *ptr = fc->base_addr + fc->group_offsets[g];

        for (u32 j = 0; j < fc->group_units[g]; j++, unit++, ptr += fc->unit_size) {
            u32 cpu = fc->unit_cpu[unit];
            size_t used = cpu == PCPU_NO_CPU ? 0 : fc->size_sum;

            if (used) {
                rig_check_unit(fc, cpu);
                EXPECT_EQ(memblock_addr_nid(&rig.mb, rig_pa(ptr)), (s32)rig.cpu_node[cpu]);
            }
            EXPECT_TRUE(rig_all_are(ptr + used, fc->unit_size - used, RIG_POISON));
            EXPECT_TRUE(
                used == fc->unit_size ||
                !memblock_is_region_reserved(&rig.mb, rig_pa(ptr + used), fc->unit_size - used));
            kept += used;
        }
    }
    EXPECT_EQ(kept, fc->nr_cpus * (u64)fc->size_sum);
    EXPECT_EQ(memblock_reserved_size(&rig.mb), kept);
}

KTEST(layout_model, first_chunk_on_random_machines)
{
    struct pcpu_first_chunk fc;
    u32 nodes[MAX_CPUS];

    seed = 2;
    for (int i = 0; i < 120; i++) {
        u32 n = 1 + random_below(MAX_CPUS);

        for (u32 cpu = 0; cpu < n; cpu++)
            nodes[cpu] = random_below(4);
        rig_start(nodes, n, 4, 3 * SZ_1M, 128);
        rig.heap_tables = true;
        rig_set_template(random_below(60000), 60000 + random_below(10000));
        for (u32 a = 0; a < 4; a++)
            for (u32 b = 0; b < 4; b++)
                rig.node_distance[a][b] = a == b ? 10 : 11 + random_below(9);
        REQUIRE_EQ(pcpu_embed_first_chunk(&rig.env, 4 * random_below(2000), random_below(40000),
                                          16384ULL << random_below(5), rig_distance, rig_alloc_fn,
                                          rig_free_fn, &fc),
                   0);
        check_contents(&fc);
        pcpu_first_chunk_release(&rig.env, &fc);
    }
}
