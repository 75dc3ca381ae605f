/*
 * Stage: CPUs, nodes and distances, decided from MADT, SRAT and SLIT.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/slit.h"
#include "acpi/srat.h"
#include "kernel/base/cpu.h"
#include "kernel/base/print.h"
#include "kernel/stages/stages.h"
#include "mm/memblock/memory_attr.h"
#include "mm/map/address_map.h"
#include "mm/numa/numa.h"
#include "smp/start/apic_mode.h"

#define XAPIC_ID      0x20 /* SDM vol. 3, table 11-1 */
#define MSR_X2APIC_ID 0x802

static void *must_alloc(struct boot_state *s, size_t size, const char *what)
{
    void *p = boot_array(s, size);

    if (size && !p)
        panic("no memory for %s", what);
    return p;
}

static void parse_madt(struct boot_state *s)
{
    const void *data;
    size_t len;

    if (!acpi_map_table(s, "APIC", &data, &len)) {
        pr_warn("ACPI: no MADT: only the boot CPU is known");
        return;
    }
    u32 max = madt_count_cpus(data, len);
    s->madt_cpus = must_alloc(s, max * sizeof(*s->madt_cpus), "MADT records");
    if (madt_parse(data, len, s->madt_cpus, max, &s->madt))
        s->madt.cpu_count = 0;
}

/* NULL, with a reason in *why: no usable SRAT. */
static struct srat_records *parse_srat(struct boot_state *s, struct srat_records *r,
                                       const char **why)
{
    const void *data;
    size_t len;

    *why = "no SRAT";
    if (!acpi_map_table(s, "SRAT", &data, &len))
        return NULL;
    srat_count(data, len, r);
    r->cpus = must_alloc(s, r->cpu_max * sizeof(*r->cpus), "SRAT records");
    r->mems = must_alloc(s, r->mem_max * sizeof(*r->mems), "SRAT records");
    r->initiators = must_alloc(s, r->initiator_max * sizeof(*r->initiators), "SRAT records");
    *why = "SRAT without a header";
    return srat_parse(data, len, r) == 0 ? r : NULL;
}

static void free_srat(struct boot_state *s, struct srat_records *r)
{
    boot_array_free(s, r->cpus, r->cpu_max * sizeof(*r->cpus));
    boot_array_free(s, r->mems, r->mem_max * sizeof(*r->mems));
    boot_array_free(s, r->initiators, r->initiator_max * sizeof(*r->initiators));
}

static void nodes_into_memblock(struct boot_state *s)
{
    for (u32 i = 0; i < s->topo.memory_count; i++) {
        const struct numa_memory *m = &s->topo.memory[i];
        u32 flags =
            (m->hotplug ? MEMBLOCK_HOTPLUG : 0) | (m->nonvolatile ? MEMBLOCK_NONVOLATILE : 0);

        if (memblock_set_node(&s->mb, m->start, m->end - m->start, m->node) ||
            (flags && memblock_mark(&s->mb, m->start, m->end - m->start, flags)))
            panic("memblock: no room for node ids");
    }
}

/*
 * The initial APIC id of this CPU. The extended topology leaf has all 32 bits, leaf 1 has the low 8
 * (SDM vol. 2, CPUID; vol. 3, 9.9.3).
 */
static u32 initial_apic_id(void)
{
    u32 a, b, c, d;

    cpuid(0, 0, &a, &b, &c, &d);
    if (a >= 0xb) {
        cpuid(0xb, 0, &a, &b, &c, &d);
        if (b)
            return d;
    }
    cpuid(1, 0, &a, &b, &c, &d);
    return b >> 24;
}

/* Before the APIC is set up. The boot tables map its registers where they are below 4 GiB. */
static u32 boot_apic_id(void)
{
    u64 base = rdmsr(MSR_APIC_BASE), pa = base & 0xffffffffff000ULL;
    bool on = base & APIC_BASE_ENABLE, x2 = on && (base & APIC_BASE_X2APIC);
    u32 initial = initial_apic_id(), reg = ~0u, id;

    if (on && !x2 && pa && pa < BOOT_MAPPED_LIMIT)
        reg = *(volatile u32 *)((u8 *)phys_to_virt(pa) + XAPIC_ID);
    id = apic_own_id(base, reg, x2 ? (u32)rdmsr(MSR_X2APIC_ID) : 0, initial);
    if (id != initial)
        pr_warn("smp: the boot CPU's APIC id is 0x%x, CPUID says 0x%x", id, initial);
    return id;
}

/* The smaller one of nr_cpus= and possible_cpus=; 0: no limit. */
static u32 max_cpus(const struct kernel_options *o)
{
    if (!o->nr_cpus || !o->possible_cpus)
        return o->nr_cpus + o->possible_cpus;
    return MIN(o->nr_cpus, o->possible_cpus);
}

void stage_topology(struct boot_state *s)
{
    struct numa_alloc alloc = {boot_array, boot_array_free, s};
    struct srat_records srat = {0};
    struct slit_view slit = {0};
    struct numa_input in = {
        .boot_apic_id = boot_apic_id(),
        .max_cpus = max_cpus(&s->opt),
        .off = !s->opt.numa,
        .ram = s->ram,
        .ram_count = s->ram_count,
    };
    const void *data;
    size_t len;

    parse_madt(s);
    in.cpus = s->madt_cpus;
    in.cpu_count = s->madt.cpu_count;
    in.srat = parse_srat(s, &srat, &in.no_srat);
    if (acpi_map_table(s, "SLIT", &data, &len)) {
        slit_parse(data, len, &slit); /* numa_build() ignores a bad one */
        in.slit = &slit;
    }
    if (numa_build(&in, &alloc, &s->topo))
        panic("no memory for the topology");
    check_tables_agree(s, &in, &alloc);
    cxl_list_windows(s, in.srat);
    free_srat(s, &srat);
    nodes_into_memblock(s);
    memory_attr_report(&s->mb, &s->info.efi);

    s->order = (struct node_order){
        &s->topo, must_alloc(s, s->topo.node_count * sizeof(s32), "the node order"), NODE_NONE};
    if (numa_verify(&s->topo, s->ram, s->ram_count))
        panic("the topology contradicts itself");
}
