/*
 * Each rule of the design's table "NUMA decisions" (see mm/numa/numa.h) on a made-up table.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "tests/mm/numa/numa_lookup.h"
#include "tests/mm/numa/numa_made_up.h"

#define MIB(n) ((u64)(n) << 20)

static void with_slit(struct machine *m, u32 n, const u8 *matrix)
{
    slit_begin(&m->slit, n);
    for (u32 i = 0; i < n * n; i++)
        put(&m->slit, matrix[i], 1);
}

KTEST(numa_rules, node_numbers_cpus_and_initiators_before_memory)
{
    struct machine m = with_cpus(2);

    srat_mem(&m.srat, 0, MIB(64), 9, ON);
    srat_x2apic(&m.srat, 1, 0xffffffff, ON);
    srat_initiator(&m.srat, 70000, ON);
    srat_initiator(&m.srat, 5, 0); /* disabled: gets no number, stops nothing */
    srat_cpu(&m.srat, 0, 3, ON);
    srat_mem(&m.srat, MIB(64), MIB(64), 3, ON);
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.node_count, 4);
    EXPECT_EQ(m.t.nodes[0].pxm, 0xffffffff);
    EXPECT_EQ(m.t.nodes[1].pxm, 70000);
    EXPECT_EQ(m.t.nodes[2].pxm, 3);
    EXPECT_EQ(m.t.nodes[3].pxm, 9);
    EXPECT_TRUE(m.t.nodes[0].has_cpus && !m.t.nodes[0].has_memory);
    EXPECT_TRUE(m.t.nodes[1].has_initiator && !m.t.nodes[1].has_cpus);
    EXPECT_TRUE(m.t.nodes[3].has_memory && !m.t.nodes[3].has_cpus);
    EXPECT_EQ(m.t.cpus[0].node, 2);
    EXPECT_EQ(m.t.cpus[1].node, 0);
    EXPECT_EQ(numa_pxm_node(&m.t, 5), NODE_NONE);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    EXPECT_TRUE(shim_log_contains_prefix("SRAT: PXM 3 -> APIC 0x00 -> Node 2"));
    EXPECT_TRUE(shim_log_contains_prefix("SRAT: PXM 4294967295 -> APIC 0x0001 -> Node 0"));
    machine_free(&m);
}

KTEST(numa_rules, malformed_entry_costs_itself_only)
{
    struct machine m = with_cpus(2);

    srat_cpu(&m.srat, 0, 0, ON);
    put(&m.srat, 0x0800, 2), put(&m.srat, 0x0101, 6); /* type 0, length 8 */
    srat_cpu(&m.srat, 1, 1, ON);
    srat_mem(&m.srat, 0, MIB(64), 0, ON);
    srat_mem(&m.srat, ~0ULL - 4095, 8192, 7, ON); /* wraps */
    srat_mem(&m.srat, MIB(64), MIB(64), 1, ON);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.node_count, 2);
    EXPECT_EQ(m.t.cpus[1].node, 1);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_WRAPS], 1);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_ENTRY_LENGTH], 1);
    EXPECT_EQ(m.records.dropped, 1);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 2);
    EXPECT_TRUE(
        shim_log_contains_prefix("firmware bug: SRAT: entry 1 at offset 0x40 length 8, needs 16"));
    EXPECT_TRUE(shim_log_contains("entry 4: base 0xfffffffffffff000 and length 0x2000 wrap"));
    machine_free(&m);
}

KTEST(numa_rules, overlap_of_two_nodes_later_entry_loses)
{
    struct range ram[] = {{0, MIB(300)}};
    struct machine m = with_cpus(1);

    m.ram = ram, m.ram_count = 1;
    srat_cpu(&m.srat, 0, 0, ON);
    srat_mem(&m.srat, MIB(100), MIB(100), 0, ON); /* in the middle, first: wins */
    srat_mem(&m.srat, 0, MIB(300), 1, ON);
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.memory_count, 3);
    EXPECT_EQ(numa_node_of(&m.t, MIB(100) - 1), 1);
    EXPECT_EQ(numa_node_of(&m.t, MIB(100)), 0);
    EXPECT_EQ(numa_node_of(&m.t, MIB(200) - 1), 0);
    EXPECT_EQ(numa_node_of(&m.t, MIB(200)), 1);
    EXPECT_EQ(numa_node_of(&m.t, MIB(300)), NODE_NONE);
    EXPECT_EQ(m.t.nodes[1].ram_bytes, MIB(200));
    EXPECT_EQ(firmware_found()->count[FW_SRAT_OVERLAP], 1);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 1);
    EXPECT_TRUE(shim_log_contains_prefix(
        "firmware bug: SRAT: entry 2 node 1 [mem 0x00000000-0x12bfffff] overlaps with entry 1 "
        "node 0 [mem 0x06400000-0x0c7fffff], entry 2 loses [mem 0x06400000-0x0c7fffff]"));
    machine_free(&m);
}

/* Linux drops ranges without RAM before it compares; so the map decides, and flags do not. */
KTEST(numa_rules, overlap_without_ram_costs_nothing)
{
    struct range ram[] = {{0, MIB(100)}, {MIB(500), MIB(501)}};
    struct machine m = with_cpus(2);

    m.ram = ram, m.ram_count = 2;
    srat_cpu(&m.srat, 0, 0, ON);
    srat_cpu(&m.srat, 1, 1, ON);
    srat_mem(&m.srat, 0, MIB(200), 0, ON);
    srat_mem(&m.srat, MIB(150), MIB(350), 1, ON); /* ends where RAM begins */
    srat_mem(&m.srat, MIB(300), MIB(10), 1, ON);  /* its own node, no RAM either */
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(shim_found(FIRMWARE_WARN), 0);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_OVERLAP], 0);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_OVERLAP_NO_RAM], 2);
    EXPECT_TRUE(shim_log_contains(
        "SRAT: entry 3 node 1 [mem 0x09600000-0x1f3fffff] overlaps with entry 2 node 0 "
        "[mem 0x00000000-0x0c7fffff], entry 3 has no RAM"));
    machine_free(&m);
    /* One page of RAM more, and Linux refuses: although it is not in the overlap. */
    m = with_cpus(2);
    ram[1].start -= PAGE_SIZE;
    m.ram = ram, m.ram_count = 2;
    srat_cpu(&m.srat, 0, 0, ON);
    srat_cpu(&m.srat, 1, 1, ON);
    srat_mem(&m.srat, 0, MIB(200), 0, ON);
    srat_mem(&m.srat, MIB(150), MIB(350), 1, ON | SRAT_MEM_HOTPLUG);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(firmware_found()->count[FW_SRAT_OVERLAP], 1);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_OVERLAP_NO_RAM], 0);
    machine_free(&m);
}

/* A window without RAM over everything hides no overlap of ranges with RAM. */
KTEST(numa_rules, overlaps_under_a_window_are_found)
{
    struct machine m = with_cpus(3);

    for (u32 i = 0; i < 3; i++)
        srat_cpu(&m.srat, (u8)i, i, ON);
    srat_mem(&m.srat, 0, MIB(1000), 2, ON | SRAT_MEM_HOTPLUG);
    srat_mem(&m.srat, MIB(100), MIB(100), 0, ON);
    srat_mem(&m.srat, MIB(150), MIB(100), 1, ON);
    srat_mem(&m.srat, MIB(400), MIB(100), 0, ON | SRAT_MEM_NON_VOLATILE);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(firmware_found()->count[FW_SRAT_OVERLAP], 1);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_OVERLAP_NO_RAM], 3);
    machine_free(&m);
}

KTEST(numa_rules, overlap_of_one_node_is_merged)
{
    struct machine m = with_cpus(1);

    srat_cpu(&m.srat, 0, 0, ON);
    srat_mem(&m.srat, 0, MIB(64), 0, ON);
    srat_mem(&m.srat, 0, MIB(64), 0, ON);       /* repeats */
    srat_mem(&m.srat, MIB(32), MIB(64), 0, ON); /* overlaps */
    srat_mem(&m.srat, MIB(96), MIB(32), 0, 1 | SRAT_MEM_HOTPLUG);
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.memory_count, 2);
    EXPECT_EQ(m.t.memory[0].end, MIB(96));
    EXPECT_TRUE(!m.t.memory[0].hotplug && m.t.memory[1].hotplug);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_SELF_OVERLAP], 2);
    EXPECT_EQ(shim_found(FIRMWARE_WARN), 2);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    EXPECT_TRUE(shim_log_contains("[mem 0x06000000-0x07ffffff] hotplug"));
    machine_free(&m);
}

KTEST(numa_rules, interleaved_nodes_stay_split)
{
    struct machine m = with_cpus(1);

    srat_cpu(&m.srat, 0, 0, ON);
    srat_mem(&m.srat, 0, MIB(2), 0, ON);
    srat_mem(&m.srat, MIB(4), MIB(2), 0, ON);
    srat_mem(&m.srat, MIB(2), MIB(2), 1, ON);
    srat_mem(&m.srat, MIB(8), MIB(2), 1, 1 | SRAT_MEM_NON_VOLATILE);
    srat_mem(&m.srat, MIB(12), MIB(2), 1, 1 | SRAT_MEM_NON_VOLATILE);
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.memory_count, 4);
    EXPECT_EQ(m.t.memory[3].start, MIB(8));
    EXPECT_EQ(m.t.memory[3].end, MIB(14));
    EXPECT_TRUE(m.t.memory[3].nonvolatile);
    EXPECT_EQ(shim_log_matches("NUMA: Node"), 1);
    EXPECT_TRUE(shim_log_contains("non-volatile"));
    machine_free(&m);
}

static void check_uncovered(u64 gap, u32 fail)
{
    struct range ram[] = {{MIB(1), MIB(2)}, {MIB(4), MIB(8)}, {MIB(8), MIB(8) + gap}};
    struct machine m = with_cpus(1);

    m.ram = ram, m.ram_count = 3;
    srat_cpu(&m.srat, 0, 0, ON);
    srat_mem(&m.srat, MIB(1) + 4096, MIB(1) - 4096, 0, ON); /* 4 KiB below: nearest above */
    srat_mem(&m.srat, MIB(4), MIB(4), 1, ON);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(numa_node_of(&m.t, MIB(1)), 0);
    EXPECT_EQ(numa_node_of(&m.t, MIB(8)), 1);
    EXPECT_EQ(m.t.uncovered_bytes, gap + 4096);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_UNCOVERED], fail);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_UNCOVERED_SMALL], !fail);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), fail);
    EXPECT_EQ(m.t.nodes[1].ram_bytes, MIB(4) + gap);
    machine_free(&m);
}

KTEST(numa_rules, ram_in_no_entry)
{
    check_uncovered(MIB(1) - 4096, 0);
    check_uncovered(MIB(1), 1);
    EXPECT_TRUE(shim_log_contains_prefix("firmware bug: SRAT: 1028 KiB of RAM are in no entry"));
    EXPECT_TRUE(shim_log_contains("[mem 0x00800000-0x008fffff] is in no SRAT entry: node 1"));
}

KTEST(numa_rules, cpu_without_entry_round_robin_over_nodes_with_ram)
{
    struct machine m = with_cpus(6);

    srat_x2apic(&m.srat, 2, 4, ON); /* node 0: no memory, never chosen */
    srat_mem(&m.srat, 0, MIB(64), 5, ON);
    srat_mem(&m.srat, MIB(64), MIB(64), 6, ON);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.cpus[0].node, 1);
    EXPECT_EQ(m.t.cpus[1].node, 2);
    EXPECT_EQ(m.t.cpus[2].node, 0);
    EXPECT_EQ(m.t.cpus[3].node, 1);
    EXPECT_EQ(m.t.cpus[4].node, 2);
    EXPECT_FALSE(m.t.cpus[0].in_srat);
    EXPECT_TRUE(m.t.cpus[2].in_srat);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_CPU_MISSING], 5);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 5);
    machine_free(&m);
}

KTEST(numa_rules, srat_cpu_not_in_madt_and_disabled_entries)
{
    struct machine m = with_cpus(1);

    srat_cpu(&m.srat, 0, 0, ON);
    srat_cpu(&m.srat, 44, 0, ON);
    for (u32 i = 0; i < 300; i++)
        srat_x2apic(&m.srat, 0xffffffff, 77, 0);
    srat_mem(&m.srat, 0, MIB(64), 0, ON);
    srat_mem(&m.srat, 0, MIB(64), 55, 0);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.node_count, 1);
    EXPECT_EQ(m.t.cpu_count, 1);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_CPU_UNKNOWN], 1);
    EXPECT_TRUE(
        shim_log_contains("SRAT: entry 1 at offset 0x40: APIC id 0x2c, domain 0: not in the MADT"));
    EXPECT_TRUE(shim_log_contains_prefix("SRAT: 301 of 304 entries are disabled"));
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    machine_free(&m);
}

/* Each by its own entry: type 0 at first, then type 2. */
KTEST(numa_rules, cpus_that_the_madt_disables_are_named)
{
    struct machine m = with_cpus(2);

    madt_x2apic(&m.madt, 300, 0);
    madt_lapic(&m.madt, 6, 0);
    srat_cpu(&m.srat, 0, 0, ON);
    srat_cpu(&m.srat, 6, 7, ON);
    srat_mem(&m.srat, 0, MIB(64), 0, ON);
    srat_x2apic(&m.srat, 300, 1234567, ON);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(firmware_found()->count[FW_SRAT_CPU_DISABLED], 2);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_CPU_UNKNOWN], 0);
    EXPECT_TRUE(shim_log_contains("SRAT: entry 1 at offset 0x40: APIC id 0x06, domain 7: disabled "
                                  "by entry 3 of the MADT"));
    EXPECT_TRUE(shim_log_contains("SRAT: entry 3 at offset 0x78: APIC id 0x12c, domain 1234567: "
                                  "disabled by entry 2 of the MADT"));
    machine_free(&m);
}

KTEST(numa_rules, one_cpu_in_two_nodes_later_counts)
{
    struct machine m = with_cpus(1);

    srat_cpu(&m.srat, 0, 0, ON);
    srat_x2apic(&m.srat, 0, 0, ON); /* said twice, no conflict */
    srat_x2apic(&m.srat, 0, 1, ON);
    srat_mem(&m.srat, 0, MIB(64), 0, ON);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.cpus[0].node, 1);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_CPU_CONFLICT], 1);
    EXPECT_TRUE(shim_log_contains("entry 1 puts APIC id 0x0 into node 0, entry 2 into node 1"));
    machine_free(&m);
}

/* Two nodes with this SLIT; returns the distance 0 -> 1 and the findings. */
static u8 slit_case(u32 n, const u8 *matrix, size_t extra, struct firmware_findings *f,
                    enum slit_verdict *verdict)
{
    struct machine m = with_cpus(2);
    u8 d;

    srat_cpu(&m.srat, 0, 0, ON);
    srat_cpu(&m.srat, 1, 1, ON);
    srat_mem(&m.srat, 0, MIB(64), 0, ON);
    with_slit(&m, n, matrix);
    if (extra == (size_t)-1)
        m.slit.len--;
    else
        put(&m.slit, 0, extra);
    tighten(&m.slit);
    if (!built(&m))
        return 0;
    d = numa_distance(&m.t, 0, 1);
    EXPECT_EQ(numa_cpu_distance(&m.t, 0, 1), d);
    EXPECT_EQ(numa_cpu_distance(&m.t, 1, 1), 10);
    *f = *firmware_found();
    *verdict = m.slit_view.verdict;
    machine_free(&m);
    return d;
}

KTEST(numa_rules, slit_refused_as_a_whole)
{
    static const struct {
        u8 matrix[4];
        size_t extra;
        enum slit_verdict verdict;
        enum firmware_id id;
    } bad[] = {
        {{11, 30, 30, 10}, 0, SLIT_DIAGONAL, FW_SLIT_DIAGONAL},
        {{10, 10, 30, 10}, 0, SLIT_REMOTE_LOW, FW_SLIT_REMOTE_LOW},
        {{10, 30, 30, 0}, 0, SLIT_DIAGONAL, FW_SLIT_DIAGONAL},
        {{10, 30, 30, 10}, (size_t)-1, SLIT_TOO_SHORT, FW_SLIT_SHORT},
    };
    struct firmware_findings f = {0};
    enum slit_verdict v;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        EXPECT_EQ(slit_case(2, bad[i].matrix, bad[i].extra, &f, &v), 20);
        EXPECT_EQ(v, bad[i].verdict);
        EXPECT_EQ(firmware_total(&f, FIRMWARE_FAIL), 1);
        EXPECT_EQ(f.count[bad[i].id], 1);
        EXPECT_TRUE(shim_log_contains_prefix("SLIT table looks invalid. Not used."));
        EXPECT_TRUE(shim_log_contains_prefix("firmware bug: SLIT: "));
    }
}

static u32 bad(const struct firmware_findings *f)
{
    return firmware_total(f, FIRMWARE_FAIL) + firmware_total(f, FIRMWARE_WARN);
}

KTEST(numa_rules, slit_used_with_remarks)
{
    struct firmware_findings f = {0};
    enum slit_verdict v;

    EXPECT_EQ(slit_case(2, (const u8[]){10, 30, 30, 10}, 0, &f, &v), 30);
    EXPECT_EQ(bad(&f), 0);
    EXPECT_EQ(slit_case(2, (const u8[]){10, 30, 30, 10}, 60, &f, &v), 30);
    EXPECT_EQ(bad(&f), 0);
    EXPECT_EQ(f.count[FW_SLIT_OVERSIZE], 1);
    EXPECT_EQ(slit_case(2, (const u8[]){10, 31, 30, 10}, 0, &f, &v), 31);
    EXPECT_EQ(f.count[FW_SLIT_ASYMMETRIC], 1);
    EXPECT_EQ(slit_case(2, (const u8[]){10, 255, 255, 10}, 0, &f, &v), 255);
    EXPECT_EQ(f.count[FW_SLIT_UNREACHABLE], 1);
    EXPECT_EQ(slit_case(1, (const u8[]){10}, 0, &f, &v), 20);
    EXPECT_EQ(f.count[FW_SLIT_NO_LOCALITY], 1);
}

KTEST(numa_rules, one_node_with_the_reason)
{
    struct range ram[] = {{0, MIB(1)}, {MIB(2), MIB(64)}};

    for (int c = 0; c < 4; c++) {
        static const char *const reason[] = {"no SRAT", "the SRAT has no usable memory range",
                                             "numa=off", "the SRAT has no usable memory range"};
        struct machine m = with_cpus(3);

        m.ram = ram, m.ram_count = 2;
        srat_cpu(&m.srat, 0, 3, ON);
        srat_cpu(&m.srat, 1, 4, ON);
        if (c == 0)
            m.srat.len = 0;
        if (c == 2)
            srat_mem(&m.srat, 0, MIB(64), 3, ON);
        if (c == 3)
            srat_mem(&m.srat, MIB(1), 0, 3, ON); /* enabled, but empty */
        m.off = c == 2;
        REQUIRE_TRUE(built(&m));
        EXPECT_EQ(m.t.node_count, 1);
        EXPECT_STREQ(m.t.reason, reason[c]);
        EXPECT_EQ(m.t.cpu_count, 3);
        EXPECT_EQ(m.t.nodes[0].ram_bytes, MIB(63));
        EXPECT_EQ(shim_found(FIRMWARE_FAIL), c % 2); /* FW_SRAT_NO_MEMORY */
        EXPECT_TRUE(
            shim_log_contains_prefix(c == 2 ? "NUMA turned off" : "No NUMA configuration found"));
        EXPECT_TRUE(shim_log_contains_prefix(
            "Faking a node at [mem 0x0000000000000000-0x0000000003ffffff]"));
        machine_free(&m);
    }
}

KTEST(numa_rules, cpu_numbers_and_limit)
{
    struct machine m = with_cpus(5);

    m.boot_apic_id = 3;
    m.max_cpus = 3;
    m.srat.len = 0;
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.cpu_count, 3);
    EXPECT_EQ(m.t.cpus[0].apic_id, 3);
    EXPECT_EQ(m.t.cpus[1].apic_id, 0);
    EXPECT_EQ(m.t.cpus[2].apic_id, 1);
    EXPECT_TRUE(shim_log_contains_prefix("MADT: 2 CPUs are beyond the limit of 3"));
    EXPECT_EQ(firmware_found()->count[FW_MADT_CPU_LIMIT], 1);
    EXPECT_EQ(firmware_found()->count[FW_MADT_BOOT_CPU], 0);
    EXPECT_EQ(shim_log_matches("CPU limit of 3 reached. Ignoring further CPUs"), 1);
    machine_free(&m);

    m = with_cpus(2);
    m.boot_apic_id = 99; /* not in the MADT */
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.cpu_count, 3);
    EXPECT_EQ(m.t.cpus[0].apic_id, 99);
    EXPECT_EQ(firmware_found()->count[FW_MADT_BOOT_CPU], 1);
    machine_free(&m);
}

KTEST(numa_rules, order_of_nodes)
{
    static const u8 matrix[] = {10, 30, 20, 20, 30, 10, 40, 15, 20, 40, 10, 21, 20, 15, 21, 10};
    struct machine m = with_cpus(1);
    s32 order[4];

    for (u32 i = 0; i < 4; i++)
        srat_mem(&m.srat, MIB(64) * i, MIB(64), i, ON);
    srat_cpu(&m.srat, 0, 0, ON);
    with_slit(&m, 4, matrix);
    REQUIRE_TRUE(built(&m));
    numa_node_order(&m.t, 0, order);
    EXPECT_TRUE(order[0] == 0 && order[1] == 2 && order[2] == 3 && order[3] == 1);
    numa_node_order(&m.t, 1, order);
    EXPECT_TRUE(order[0] == 1 && order[1] == 3 && order[2] == 0 && order[3] == 2);
    machine_free(&m);
}

KTEST(numa_rules, too_many_domains)
{
    struct machine m = with_cpus(1);

    m.max_nodes = 2;
    srat_cpu(&m.srat, 0, 0, ON);
    srat_mem(&m.srat, 0, MIB(64), 1, ON);
    srat_mem(&m.srat, MIB(64), MIB(64), 2, ON);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.node_count, 2);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_DOMAIN_LIMIT], 1);
    machine_free(&m);
}

KTEST(numa_rules, no_memory_at_every_allocation)
{
    for (u32 at = 1; at <= 10; at++) {
        struct machine m = with_cpus(2);

        m.fail_at = at;
        srat_cpu(&m.srat, 0, 0, ON);
        srat_mem(&m.srat, 0, MIB(64), 1, ON);
        EXPECT_EQ(machine_build(&m), -12);
        machine_free(&m);
    }
}

KTEST(numa_rules, ram_must_be_sorted)
{
    struct range ram[] = {{MIB(2), MIB(3)}, {MIB(1), MIB(2)}};
    struct machine m = with_cpus(1);

    m.ram = ram, m.ram_count = 2;
    EXPECT_EQ(machine_build(&m), -22);
    machine_free(&m);
}

KTEST(numa_rules, verify_finds_what_is_broken)
{
    struct machine m = with_cpus(2);
    struct range beyond = {MIB(63), MIB(65)};

    srat_cpu(&m.srat, 0, 0, ON);
    srat_cpu(&m.srat, 1, 0, ON);
    srat_mem(&m.srat, 0, MIB(64), 0, ON);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(numa_verify(&m.t, &beyond, 1), -22);
    m.t.distances[0] = 11;
    EXPECT_EQ(numa_verify(&m.t, NULL, 0), -22);
    m.t.distances[0] = 10;
    m.t.cpus[1].node = 1;
    EXPECT_EQ(numa_verify(&m.t, NULL, 0), -22);
    m.t.cpus[1].node = 0;
    m.t.memory[0].end = 0;
    EXPECT_EQ(numa_verify(&m.t, NULL, 0), -22);
    machine_free(&m);
}

/* 256 nodes, 4,096 CPUs with ids up to 20 bits, two ranges a node, sparse domains, a full SLIT. */
KTEST(numa_rules, two_hundred_and_fifty_six_nodes)
{
    struct machine m = {.boot_apic_id = 0x100};
    u32 nodes = 256, cpus = 4096;

    shim_log_reset();
    madt_begin(&m.madt, 5);
    srat_begin(&m.srat, 3);
    for (u32 i = 0; i < cpus; i++) {
        madt_x2apic(&m.madt, 0x100 + i * 251, ON);
        srat_x2apic(&m.srat, 0x100 + i * 251, i % nodes, ON);
    }
    for (u32 i = 0; i < 700; i++)
        madt_x2apic(&m.madt, 0xffffffff, 0);
    for (u32 i = 0; i < 2 * nodes; i++)
        srat_mem(&m.srat, SZ_1G * (2 * nodes - 1 - i), SZ_1G, i % nodes, ON);
    slit_begin(&m.slit, nodes);
    for (u32 i = 0; i < nodes * nodes; i++)
        put(&m.slit, i / nodes == i % nodes ? 10 : 11 + i % 200, 1);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.node_count, nodes);
    EXPECT_EQ(m.t.cpu_count, cpus);
    EXPECT_EQ(m.t.memory_count, 2 * nodes);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    for (u32 i = 0; i < cpus; i++)
        EXPECT_EQ(m.t.cpus[i].node, (s32)(i % nodes));
    machine_free(&m);
}
