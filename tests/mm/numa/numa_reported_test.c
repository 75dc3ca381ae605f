/*
 * Machines that people have reported and whose raw tables nobody here has: their shape, typed from
 * what boot logs and bug reports say of them.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "tests/mm/numa/numa_lookup.h"
#include "tests/mm/numa/numa_made_up.h"

#define GIB(n)  ((u64)(n) << 30)
#define HOTPLUG 2

/*
 * HPE Cray XD675: the ranges are not sorted by node, a node is split by the hole at 0xfd00000000,
 * one has CPUs and no memory.
 */
KTEST(numa_reported, ranges_out_of_order_and_a_node_with_a_hole)
{
    struct range ram[] = {{0, GIB(1012)}, {GIB(1024), GIB(2048)}};
    struct machine m = with_cpus(8);

    m.ram = ram, m.ram_count = 2;
    for (u32 i = 0; i < 8; i++)
        srat_x2apic(&m.srat, i, i / 2, ON);
    srat_mem(&m.srat, 0, GIB(600), 0, ON);
    srat_mem(&m.srat, GIB(1500), GIB(548), 3, ON); /* before node 1 */
    srat_mem(&m.srat, GIB(600), GIB(412), 1, ON);
    srat_mem(&m.srat, GIB(1024), GIB(476), 1, ON);
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.node_count, 4);
    EXPECT_EQ(m.t.nodes[1].ram_bytes, GIB(412 + 476));
    EXPECT_EQ(numa_node_of(&m.t, GIB(1020)), 1); /* joined, as Linux does: no other node is there */
    EXPECT_TRUE(m.t.nodes[2].has_cpus && !m.t.nodes[2].has_memory);
    EXPECT_EQ(numa_node_of(&m.t, GIB(1499)), 1);
    EXPECT_EQ(numa_node_of(&m.t, GIB(1500)), 3);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    machine_free(&m);
}

/* AMD 2970WX: four nodes with CPUs, two with memory. Old loaders of NUMA drop the whole table. */
KTEST(numa_reported, two_of_four_nodes_have_memory)
{
    struct range ram[] = {{0, GIB(32)}};
    struct machine m = with_cpus(48);

    m.ram = ram, m.ram_count = 1;
    for (u32 i = 0; i < 48; i++)
        srat_x2apic(&m.srat, i, i / 12, ON);
    srat_mem(&m.srat, 0, GIB(16), 0, ON);
    srat_mem(&m.srat, GIB(16), GIB(16), 2, ON);
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.node_count, 4);
    EXPECT_EQ(m.t.cpus[47].node, 3);
    EXPECT_TRUE(m.t.nodes[1].has_cpus && !m.t.nodes[1].has_memory && !m.t.nodes[3].has_memory);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    machine_free(&m);
}

/* Guests of VFIO announce hot-plug to the end of the address space: that is no memory. */
KTEST(numa_reported, hotplug_to_the_end_of_the_address_space)
{
    struct range ram[] = {{0, GIB(2)}, {GIB(4), GIB(8)}};
    struct machine m = with_cpus(2);

    m.ram = ram, m.ram_count = 2;
    srat_x2apic(&m.srat, 0, 0, ON);
    srat_x2apic(&m.srat, 1, 1, ON);
    srat_mem(&m.srat, 0, GIB(2), 0, ON);
    srat_mem(&m.srat, GIB(4), GIB(4), 1, ON);
    srat_mem(&m.srat, GIB(8), ~0ULL - GIB(8), 1, ON | HOTPLUG);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.nodes[0].ram_bytes, GIB(2));
    EXPECT_EQ(m.t.nodes[1].ram_bytes, GIB(4));
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    machine_free(&m);
}

/* Types 0x7f and 0xff of some makers, in between: passed over, as the specification says. */
KTEST(numa_reported, madt_entries_of_the_maker)
{
    struct machine m = {0};

    shim_log_reset();
    madt_begin(&m.madt, 3);
    put(&m.madt, 0x0c7f, 2), put(&m.madt, 0, 10);
    madt_lapic(&m.madt, 4, ON);
    put(&m.madt, 0x06ff, 2), put(&m.madt, 0, 4);
    madt_lapic(&m.madt, 2, ON);
    m.boot_apic_id = 2;
    REQUIRE_TRUE(machine_build(&m) == 0);
    EXPECT_EQ(m.t.cpu_count, 2);
    EXPECT_EQ(m.t.cpus[0].apic_id, 2);
    EXPECT_EQ(m.t.cpus[1].apic_id, 4);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL) + shim_found(FIRMWARE_WARN), 0);
    machine_free(&m);
}

/* X99 boards: 192 CPU entries and 33 of memory, of which a few are enabled; the rest is zero. */
KTEST(numa_reported, a_few_enabled_among_hundreds)
{
    struct range ram[] = {{0, GIB(2)}, {GIB(4), GIB(18)}};
    struct machine m = with_cpus(40);

    m.ram = ram, m.ram_count = 2;
    for (u32 i = 0; i < 192; i++)
        srat_cpu(&m.srat, i < 40 ? (u8)i : 0, i < 40 ? i / 20 : 0, i < 40 ? ON : 0);
    srat_mem(&m.srat, 0, GIB(2), 0, ON);
    srat_mem(&m.srat, GIB(4), GIB(6), 0, ON);
    srat_mem(&m.srat, GIB(10), GIB(8), 1, ON);
    for (u32 i = 3; i < 33; i++)
        srat_mem(&m.srat, 0, 0, 0, 0);
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.node_count, 2);
    EXPECT_EQ(m.t.nodes[0].ram_bytes, GIB(8));
    EXPECT_EQ(m.t.nodes[1].ram_bytes, GIB(8));
    EXPECT_EQ(m.t.cpus[39].node, 1);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    machine_free(&m);
}

/* EVGA X299: each CPU has an entry of both kinds, of which one is enabled. */
KTEST(numa_reported, entries_of_both_kinds_for_each_cpu)
{
    struct range ram[] = {{0, GIB(16)}};
    struct machine m = with_cpus(20);

    m.ram = ram, m.ram_count = 1;
    for (u32 i = 0; i < 56; i++)
        srat_cpu(&m.srat, (u8)i, 0, i < 20 ? ON : 0);
    for (u32 i = 0; i < 56; i++)
        srat_x2apic(&m.srat, i, 0, 0);
    srat_mem(&m.srat, 0, GIB(16), 0, ON);
    REQUIRE_TRUE(built(&m));
    EXPECT_EQ(m.t.node_count, 1);
    EXPECT_EQ(m.t.cpu_count, 20);
    for (u32 i = 0; i < 20; i++)
        EXPECT_EQ(m.t.cpus[i].node, 0);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    machine_free(&m);
}

/* A Hyper-V guest: 18 ranges on 4 nodes, 14 of them for hot-plug and without RAM. */
KTEST(numa_reported, more_ranges_for_hotplug_than_of_memory)
{
    struct range ram[] = {{0, GIB(3)}, {GIB(4), GIB(17)}};
    struct machine m = with_cpus(8);

    m.ram = ram, m.ram_count = 2;
    for (u32 i = 0; i < 8; i++)
        srat_x2apic(&m.srat, i, i / 2, ON);
    srat_mem(&m.srat, 0, GIB(3), 0, ON);
    srat_mem(&m.srat, GIB(4), GIB(4), 1, ON);
    srat_mem(&m.srat, GIB(8), GIB(4), 2, ON);
    srat_mem(&m.srat, GIB(12), GIB(5), 3, ON);
    for (u32 i = 0; i < 14; i++)
        srat_mem(&m.srat, GIB(64) << i, GIB(64) << i, i % 4, ON | HOTPLUG);
    REQUIRE_TRUE(built(&m));
    REQUIRE_EQ(m.t.node_count, 4);
    EXPECT_EQ(m.t.nodes[0].ram_bytes, GIB(3));
    EXPECT_EQ(m.t.nodes[3].ram_bytes, GIB(5));
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    machine_free(&m);
}
