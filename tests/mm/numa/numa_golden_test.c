/*
 * Ten real machines (tests/data/acpi): the decode and the decisions equal those of an independent
 * program. Reads the tables relative to the top folder, where `make` runs the tests.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "acpi/fadt.h"
#include "kernel/base/ktest.h"
#include "tests/host/shim.h"
#include "tests/mm/numa/numa_host.h"
#include "tests/mm/numa/numa_lookup.h"

struct expect_cpu {
    u32 apic_id, pxm;
    s32 node;
};

struct expect_mem {
    u64 base, length;
    u32 pxm;
    s32 node;
    bool hotplug, nonvolatile;
};

struct expect_machine {
    const char *name;
    struct {
        u32 revision, enabled, disabled, online_capable, x2apic, max_apic, flags, no_ids;
    } madt;
    struct {
        u32 revision, entries, disabled, other, nodes, cpus, mems;
    } srat;
    struct {
        u32 n, length, needed;
    } slit;
    const struct expect_cpu *cpus;
    const struct expect_mem *mems;
    const u32 *pxms;
    const u8 *matrix;
};

#include "tests/data/acpi/expected.h"

static struct table load(const char *machine, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "tests/data/acpi/%s/%s.bin", machine, name);
    return read_whole(path);
}

static void check_raw(const struct expect_machine *e, const struct machine *m)
{
    const struct srat_records *r = &m->records;
    u32 c = 0, k = 0;

    EXPECT_EQ(m->madt_info.revision, e->madt.revision);
    EXPECT_EQ(m->madt_info.enabled, e->madt.enabled);
    EXPECT_EQ(m->madt_info.disabled, e->madt.disabled);
    EXPECT_EQ(m->madt_info.online_capable, e->madt.online_capable);
    EXPECT_EQ(m->madt_info.x2apic_entries, e->madt.x2apic);
    EXPECT_EQ(m->madt_info.max_apic_id, e->madt.max_apic);
    EXPECT_EQ(m->madt_info.flags, e->madt.flags);
    EXPECT_EQ(m->madt_info.no_ids, e->madt.no_ids);
    EXPECT_EQ(r->revision, e->srat.revision);
    EXPECT_EQ(r->entries, e->srat.entries);
    EXPECT_EQ(r->disabled, e->srat.disabled);
    EXPECT_EQ(r->unknown_types, e->srat.other);
    for (u32 i = 0; i < r->cpu_count; i++) {
        if (!r->cpus[i].enabled)
            continue;
        REQUIRE_TRUE(c < e->srat.cpus);
        EXPECT_EQ(r->cpus[i].apic_id, e->cpus[c].apic_id);
        EXPECT_EQ(r->cpus[i].pxm, e->cpus[c++].pxm);
    }
    for (u32 i = 0; i < r->mem_count; i++) {
        if (!(r->mems[i].flags & SRAT_MEM_ENABLED))
            continue;
        REQUIRE_TRUE(k < e->srat.mems);
        EXPECT_EQ(r->mems[i].base, e->mems[k].base);
        EXPECT_EQ(r->mems[i].length, e->mems[k].length);
        EXPECT_EQ(r->mems[i].pxm, e->mems[k].pxm);
        EXPECT_EQ(!!(r->mems[i].flags & SRAT_MEM_HOTPLUG), e->mems[k].hotplug);
        EXPECT_EQ(!!(r->mems[i].flags & SRAT_MEM_NON_VOLATILE), e->mems[k++].nonvolatile);
    }
    EXPECT_EQ(c, e->srat.cpus);
    EXPECT_EQ(k, e->srat.mems);
}

static void check_distances(const struct expect_machine *e, const struct machine *m)
{
    const struct numa_topology *t = &m->t;

    EXPECT_EQ(m->slit_view.n, e->slit.n);
    EXPECT_EQ(m->slit_view.length, e->slit.length);
    EXPECT_EQ(m->slit_view.needed, e->slit.needed);
    EXPECT_EQ(t->distance_source, e->slit.n ? NUMA_DISTANCE_SLIT : NUMA_DISTANCE_DEFAULT);
    for (u32 a = 0; a < t->node_count; a++)
        for (u32 b = 0; b < t->node_count; b++)
            EXPECT_EQ(numa_distance(t, (s32)a, (s32)b),
                      e->slit.n ? e->matrix[e->pxms[a] * e->slit.n + e->pxms[b]]
                                : (a == b ? 10 : 20));
}

static void check_decisions(const struct expect_machine *e, const struct machine *m)
{
    const struct numa_topology *t = &m->t;

    EXPECT_TRUE(t->from_srat);
    REQUIRE_EQ(t->node_count, e->srat.nodes);
    for (u32 i = 0; i < t->node_count; i++) {
        bool memory = false;

        for (u32 k = 0; k < e->srat.mems; k++)
            memory |= e->mems[k].node == (s32)i;
        EXPECT_EQ(t->nodes[i].pxm, e->pxms[i]);
        EXPECT_EQ(t->nodes[i].has_memory, memory);
        EXPECT_EQ(numa_pxm_node(t, e->pxms[i]), (s32)i);
    }
    EXPECT_EQ(t->cpu_count, e->madt.enabled);
    for (u32 i = 0; i < e->srat.cpus; i++)
        EXPECT_EQ(numa_apic_node(t, e->cpus[i].apic_id), e->cpus[i].node);
    for (u32 i = 0; i < t->cpu_count; i++) {
        EXPECT_TRUE(t->cpus[i].in_srat);
        EXPECT_EQ(t->cpus[i].node, numa_apic_node(t, t->cpus[i].apic_id));
    }
    for (u32 i = 0; i < e->srat.mems; i++) {
        EXPECT_EQ(numa_node_of(t, e->mems[i].base), e->mems[i].node);
        EXPECT_EQ(numa_node_of(t, e->mems[i].base + e->mems[i].length - 1), e->mems[i].node);
    }
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    EXPECT_EQ(shim_found(FIRMWARE_WARN), firmware_found()->count[FW_SRAT_RESERVED]);
    EXPECT_EQ(t->uncovered_bytes, 0);
}

/* ram: the SRAT's own ranges, or none as in a tool. */
static void check_machine(const struct expect_machine *e, bool with_ram)
{
    struct range ram[16];
    struct machine m = {.madt = load(e->name, "APIC"),
                        .srat = load(e->name, "SRAT"),
                        .slit = load(e->name, "SLIT")};
    struct madt_cpu cpus[512];
    struct madt_info info;

    REQUIRE_TRUE(m.madt.len && m.srat.len && e->srat.mems <= ARRAY_SIZE(ram));
    for (u32 i = 0; i < e->srat.mems; i++)
        ram[i] = (struct range){e->mems[i].base, e->mems[i].base + e->mems[i].length};
    if (with_ram) {
        m.ram = ram;
        m.ram_count = e->srat.mems;
    }
    REQUIRE_EQ(madt_parse(m.madt.b, m.madt.len, cpus, ARRAY_SIZE(cpus), &info), 0);
    for (u32 i = 0; i < info.cpu_count; i++) {
        if (!cpus[i].enabled)
            continue;
        m.boot_apic_id = cpus[i].apic_id;
        break;
    }
    shim_log_reset();
    REQUIRE_EQ(machine_build(&m), 0);
    EXPECT_EQ(numa_verify(&m.t, m.ram, m.ram_count), 0);
    check_raw(e, &m);
    check_decisions(e, &m);
    check_distances(e, &m);
    EXPECT_EQ(shim_log_contains("firmware bug"), strstr(e->name, "touchsmart") != NULL);
    machine_free(&m);
}

KTEST(numa_golden, every_machine_as_expected)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        ktest_note("%s", machines[i].name);
        check_machine(&machines[i], true);
        check_machine(&machines[i], false);
    }
}

KTEST(numa_golden, log_as_linux_prints_it)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
        if (strcmp(machines[i].name, "supermicro-h8qg6-58e8") == 0)
            check_machine(&machines[i], true);
    EXPECT_TRUE(shim_log_contains_prefix("SRAT: PXM 0 -> APIC 0x20 -> Node 0"));
    EXPECT_TRUE(shim_log_contains_prefix("ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x0009ffff]"));
    EXPECT_TRUE(shim_log_contains_prefix("ACPI: SRAT: Node 1 PXM 1 [mem 0x428000000-0x827ffffff]"));
    EXPECT_TRUE(shim_log_contains_prefix(
        "NUMA: Node 0 [mem 0x00000000-0x0009ffff] + [mem 0x00100000-0xd7ffffff] -> "
        "[mem 0x00000000-0xd7ffffff]"));
    EXPECT_TRUE(shim_log_contains_prefix(
        "NUMA: Node 0 [mem 0x00000000-0xd7ffffff] + [mem 0x100000000-0x427ffffff] -> "
        "[mem 0x00000000-0x427ffffff]"));
}

KTEST(numa_golden, fadt_of_every_machine)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        struct table f = load(machines[i].name, "FACP");
        struct fadt_info info;

        REQUIRE_EQ(fadt_parse(f.b, f.len, &info), 0);
        EXPECT_TRUE(info.dsdt != 0 && info.facs != 0);
        EXPECT_TRUE(info.pm_timer_port != 0);
        EXPECT_EQ(info.pm_timer.space, ACPI_SPACE_IO);
        EXPECT_TRUE(info.pm1a_cnt.address != 0 && info.pm1a_cnt.space == ACPI_SPACE_IO);
        EXPECT_FALSE(info.hw_reduced);
        free(f.b);
    }
}
