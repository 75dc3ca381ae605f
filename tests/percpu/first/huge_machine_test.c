/*
 * The largest machine one build serves, whole: bytes of MADT, SRAT and SLIT for 4,096 CPUs on 256
 * nodes, to records, to the topology, to memblock, to the layout and to a first chunk that is
 * really there, each step with its own verifier. The tables are as bad as real ones: nothing is in
 * order, APIC ids have holes and begin at 17, 500 entries are disabled, 40 CPUs are listed twice.
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/base/ktest.h"
#include "mm/memblock/memblock.h"
#include "percpu/first/first_chunk.h"
#include "percpu/first/layout.h"
#include "percpu/first/setup_first_chunk.h"
#include "smp/start/cpumap.h"
#include "tests/host/shim.h"
#include "tests/mm/numa/numa_host.h"
#include "tests/mm/numa/numa_lookup.h"

#define CPUS       4096u
#define NODES      256u
#define PER_NODE   (CPUS / NODES)
#define DISABLED   500u
#define TWICE      40u
#define NODE_BYTES (64 * SZ_1M)
#define MEMORY     (NODES * NODE_BYTES)
#define STATIC     15296u
#define TEMPLATE   15000u
#define RESERVED   8192u
#define DYN        28672
#define ATOM       SZ_2M

static struct machine m;
static struct range ram[1];
static struct memblock mb;
static struct memblock_region mem_array[16], res_array[64];
static u8 *memory;
static u8 template[TEMPLATE] ALIGNED(4096);

/* CPU k of the machine: 16 to a node, 12 ids of every 32 unused in between. */
static u32 apic_of(u32 k)
{
    return 17 + k / 20 * 32 + k % 20;
}

/* Domains are numbered across the machine, not along it. */
static u32 pxm_of(u32 k)
{
    return k / PER_NODE * 37 % NODES;
}

/* Every k once, in no order: 2531 and 4096 have no common factor. */
static u32 shuffled(u32 i)
{
    return (i * 2531 + 77) % CPUS;
}

/* Boards of 8 nodes, cabinets of 64. */
static u8 distance_of(u32 a, u32 b)
{
    return a == b ? 10 : a / 8 == b / 8 ? 12 : a / 64 == b / 64 ? 22 : 40;
}

static void build_tables(void)
{
    madt_begin(&m.madt, 5);
    madt_lapic(&m.madt, 17, 1);
    for (u32 i = 0; i < CPUS; i++) {
        u32 id = apic_of(shuffled(i));

        if (i % (CPUS / DISABLED) == 0)
            madt_x2apic(&m.madt, i % 3 ? 0xffffffff : 1000000 + i, 0);
        if (id < 255 && id != 17)
            madt_lapic(&m.madt, (u8)id, 1);
        else if (id != 17)
            madt_x2apic(&m.madt, id, 1);
        if (i % 100 == 50 && i / 100 < TWICE && id >= 255)
            madt_x2apic(&m.madt, id, 1);
    }
    seal(&m.madt);
    tighten(&m.madt);
    srat_begin(&m.srat, 3);
    for (u32 i = CPUS; i-- > 0;) {
        u32 k = shuffled(i);

        if (apic_of(k) < 255)
            srat_cpu(&m.srat, (u8)apic_of(k), pxm_of(k), 1);
        else
            srat_x2apic(&m.srat, apic_of(k), pxm_of(k), 1);
        if (i % 8 == 0)
            srat_x2apic(&m.srat, 0xffffffff, 0, 0);
    }
    for (u32 n = NODES; n-- > 0;) /* domain n has the n-th piece of memory, in two ranges */
        for (u32 half = 0; half < 2; half++)
            srat_mem(&m.srat, n * NODE_BYTES + half * (NODE_BYTES / 2), NODE_BYTES / 2, n, 1);
    seal(&m.srat);
    tighten(&m.srat);
    slit_begin(&m.slit, NODES);
    for (u32 a = 0; a < NODES; a++)
        for (u32 b = 0; b < NODES; b++)
            put(&m.slit, distance_of(a, b), 1);
    seal(&m.slit);
    tighten(&m.slit);
}

/* The boot CPU is one in the middle of the table, found by its id. */
#define BOOT_K 2047u

static void build_topology(void)
{
    m = (struct machine){.ram = ram, .ram_count = 1, .boot_apic_id = apic_of(BOOT_K)};
    ram[0] = (struct range){0, MEMORY};
    build_tables();
    shim_log_reset();
    REQUIRE_EQ(machine_build(&m), 0);
    REQUIRE_EQ(numa_verify(&m.t, ram, 1), 0);
}

static u32 twice_in_table(void)
{
    u32 n = 0;

    for (u32 i = 0; i < CPUS; i++)
        n += i % 100 == 50 && i / 100 < TWICE && apic_of(shuffled(i)) >= 255;
    return n;
}

static void check_topology(void)
{
    const struct firmware_findings *f = firmware_found();

    EXPECT_EQ(m.t.cpu_count, CPUS);
    EXPECT_EQ(m.t.node_count, NODES);
    EXPECT_TRUE(m.t.from_srat);
    EXPECT_EQ(m.t.distance_source, NUMA_DISTANCE_SLIT);
    EXPECT_EQ(m.t.cpus[0].apic_id, apic_of(BOOT_K));
    EXPECT_EQ(m.t.cpus[1].apic_id, 17); /* then in table order */
    EXPECT_EQ(m.t.cpus[2].apic_id, apic_of(shuffled(0)));
    EXPECT_EQ(f->count[FW_MADT_CPU_DUPLICATE], twice_in_table());
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), twice_in_table());
    EXPECT_TRUE(m.madt_info.disabled >= DISABLED);
    EXPECT_EQ(m.madt_info.max_apic_id, apic_of(CPUS - 1));
    for (u32 k = 0; k < CPUS; k++) {
        s32 node = numa_apic_node(&m.t, apic_of(k));

        REQUIRE_TRUE(node >= 0);
        EXPECT_EQ(m.t.nodes[node].pxm, pxm_of(k));
        EXPECT_EQ(numa_node_of(&m.t, pxm_of(k) * NODE_BYTES + 12345), node);
    }
    for (u32 a = 0; a < NODES; a += 5)
        for (u32 b = 0; b < NODES; b++)
            EXPECT_EQ(numa_distance(&m.t, (s32)a, (s32)b),
                      distance_of(m.t.nodes[a].pxm, m.t.nodes[b].pxm));
}

static void check_cpumap(void)
{
    static struct cpumap map;
    static u32 ids[CPUS];

    for (u32 i = 0; i < CPUS; i++)
        ids[i] = m.t.cpus[i].apic_id;
    REQUIRE_EQ(cpumap_init(&map, ids, CPUS), 0);
    EXPECT_EQ(cpumap_verify(&map), 0);
    EXPECT_EQ(cpumap_count(&map, CPU_POSSIBLE), CPUS);
    for (u32 i = 0; i < CPUS; i += 101)
        EXPECT_EQ(map.apic_id[i], ids[i]);
}

/* ---- memory and the first chunk -------------------------------------------------------------- */

static void *phys(void *ctx, u64 pa)
{
    (void)ctx;
    return memory + pa;
}

static u64 pa_of(const void *p)
{
    return (u64)((const u8 *)p - memory);
}

static void *take(s32 node, size_t size, size_t align)
{
    struct memblock_request req = {
        .size = size, .align = align, .nodes = &node, .nr_nodes = node >= 0};
    struct memblock_result res;

    return memblock_alloc(&mb, &req, &res) ? NULL : memory + res.base;
}

static void *alloc_table(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return take(-1, size, align);
}

static int give(void *ctx, void *p, size_t size)
{
    (void)ctx;
    return memblock_give_back(&mb, pa_of(p), size);
}

static int prepare(void *ctx, size_t calls)
{
    (void)ctx;
    return memblock_reserve_slots(&mb, (u32)calls);
}

static void *alloc_near(void *ctx, u32 cpu, size_t size, size_t align)
{
    (void)ctx;
    return take(m.t.cpus[cpu].node, size, align);
}

static int distance(void *ctx, u32 from, u32 to)
{
    (void)ctx;
    return numa_cpu_distance(&m.t, from, to);
}

static const struct memblock_ops mb_ops = {NULL, phys, NULL};

static struct pcpu_env env = {
    .nr_cpus = CPUS,
    .static_start = template,
    .template_size = TEMPLATE,
    .static_size = STATIC,
    .window_size = 32ULL << 40,
    .alloc = alloc_table,
    .free = give,
    .prepare = prepare,
};

static void build_memory(void)
{
    u8 *room = mmap(NULL, MEMORY + SZ_2M, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    REQUIRE_TRUE(room != MAP_FAILED);
    memory = (u8 *)(uintptr_t)align_up((uintptr_t)room, SZ_2M);
    memblock_init(&mb, mem_array, ARRAY_SIZE(mem_array), res_array, ARRAY_SIZE(res_array), &mb_ops);
    REQUIRE_EQ(memblock_add(&mb, 0, MEMORY), 0);
    REQUIRE_EQ(memblock_reserve(&mb, 0, SZ_1M), 0);
    for (u32 i = 0; i < m.t.memory_count; i++) {
        const struct numa_memory *r = &m.t.memory[i];

        REQUIRE_EQ(memblock_set_node(&mb, r->start, r->end - r->start, r->node), 0);
    }
    REQUIRE_EQ(memblock_verify(&mb), 0);
    for (u32 i = 0; i < TEMPLATE; i++)
        template[i] = (u8)(i * 7 + i / 251 + 1);
}

static bool all_zero(const u8 *p, size_t size)
{
    return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

static void check_first_chunk(const struct pcpu_first_chunk *fc)
{
    const char *wrong = pcpu_first_chunk_verify(fc);
    static bool taken[MEMORY / SZ_1K / 32];
    u32 wrong_node = 0, wrong_bytes = 0;

    EXPECT_TRUE(wrong == NULL);
    EXPECT_TRUE(fc->embedded);
    EXPECT_EQ(fc->nr_cpus, CPUS);
    EXPECT_EQ(fc->nr_groups, NODES);
    EXPECT_EQ(fc->lost_bytes, 0);
    for (u32 cpu = 0; cpu < CPUS; cpu++) {
        const u8 *unit = pcpu_unit_addr(fc, cpu);
        u64 pa = pa_of(unit);

        wrong_node += numa_node_of(&m.t, pa) != m.t.cpus[cpu].node ||
                      numa_node_of(&m.t, pa + fc->size_sum - 1) != m.t.cpus[cpu].node;
        wrong_bytes += memcmp(unit, template, TEMPLATE) != 0 ||
                       !all_zero(unit + TEMPLATE, fc->size_sum - TEMPLATE);
        EXPECT_FALSE(taken[pa / SZ_1K / 32]); /* units are at least 32 KiB */
        taken[pa / SZ_1K / 32] = true;
    }
    EXPECT_EQ(wrong_node, 0);
    EXPECT_EQ(wrong_bytes, 0);
}

KTEST(huge_machine, tables_to_first_chunk)
{
    struct pcpu_fc_request req = {
        .mode = PCPU_FC_EMBED,
        .reserved_size = RESERVED,
        .dyn_size = DYN,
        .atom_size = ATOM,
        .cpu_distance_fn = distance,
        .alloc_fn = alloc_near,
        .free_fn = give,
    };
    struct pcpu_first_chunk fc;

    build_topology();
    check_topology();
    check_cpumap();
    build_memory();
    REQUIRE_EQ(pcpu_make_first_chunk(&env, &req, &fc), 0);
    check_first_chunk(&fc);
    EXPECT_EQ(memblock_verify(&mb), 0);
    pcpu_first_chunk_release(&env, &fc);
    machine_free(&m);
}
