/*
 * Stages: ACPI tables, and the topology decided from them.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/s5.h"
#include "acpi/slit.h"
#include "acpi/srat.h"
#include "kernel/app/stages.h"
#include "kernel/base/cpu.h"
#include "kernel/base/errno.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/platform/console.h"
#include "kernel/platform/early_window.h"
#include "mm/layout.h"
#include "mm/memory_attr.h"
#include "mm/numa.h"

static void reserve_tables(struct boot_state *s)
{
    struct range r;

    for (u32 i = 0; acpi_root_range(&s->acpi, i, &r); i++)
        boot_reserve(s, r.start, r.end, "an ACPI table");
}

bool acpi_map_table(struct boot_state *s, const char *sig, const void **data, size_t *len)
{
    return s->has_acpi && acpi_table_map(&s->acpi, &early_window, sig, 0, data, len) == 0;
}

/* \_S5 of the DSDT, else of the first SSDT that has one. */
static bool find_s5(struct boot_state *s)
{
    const void *data;
    size_t len;

    if (acpi_map_table(s, "DSDT", &data, &len) &&
        acpi_find_s5(data, len, &s->slp_typa, &s->slp_typb) == 0)
        return true;
    for (u32 i = 0;; i++) {
        int err = acpi_table_map(&s->acpi, &early_window, "SSDT", i, &data, &len);

        if (err == -ENOENT)
            return false;
        if (err == 0 && acpi_find_s5(data, len, &s->slp_typa, &s->slp_typb) == 0)
            return true;
    }
}

static void consoles(struct boot_state *s)
{
    static struct spcr_info spcr;
    static struct dbg2_info dbg2;
    const void *data;
    size_t len;
    bool has_spcr = acpi_map_table(s, "SPCR", &data, &len);

    if (has_spcr)
        (void)spcr_parse(data, len, &spcr); /* its verdict is in spcr */
    bool has_dbg2 = acpi_map_table(s, "DBG2", &data, &len);
    if (has_dbg2)
        (void)dbg2_parse(data, len, &dbg2);
    console_tables(has_spcr ? &spcr : NULL, has_dbg2 ? &dbg2 : NULL);
}

void stage_acpi_tables(struct boot_state *s)
{
    struct acpi_rsdp_hint hint = {
        .bytes = s->info.rsdp_len ? s->info.rsdp : NULL,
        .len = s->info.rsdp_len,
        .pa = s->info.rsdp_phys,
    };
    const void *data;
    size_t len;

    s->has_acpi = acpi_root_find(&early_window, &hint, &s->acpi) == 0;
    if (!s->has_acpi) {
        pr_warn("ACPI: no tables: one CPU, one node");
        consoles(s);
        return;
    }
    reserve_tables(s);
    consoles(s);
    s->has_fadt = acpi_map_table(s, "FACP", &data, &len) && fadt_parse(data, len, &s->fadt) == 0;
    if (acpi_map_table(s, "HPET", &data, &len))
        hpet_parse(data, len, &s->hpet); /* refused: address 0 */
    else
        firmware_finding(FW_HPET_MISSING, "none: the TSC is measured by another clock");
    s->has_s5 = find_s5(s);
}

/* ---- topology -------------------------------------------------------------------------------- */

static void *topo_alloc(void *ctx, size_t size)
{
    struct boot_state *s = ctx;

    return memblock_zalloc(&s->mb, size, 64);
}

static void topo_free(void *ctx, void *p, size_t size)
{
    struct boot_state *s = ctx;

    memblock_give_back(&s->mb, virt_to_phys(p), size);
}

static void *must_alloc(struct boot_state *s, size_t size, const char *what)
{
    void *p = size ? memblock_zalloc(&s->mb, size, 64) : NULL;

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

/* NULL when there is none to use; *why says so. */
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
    if (r->cpus)
        topo_free(s, r->cpus, r->cpu_max * sizeof(*r->cpus));
    if (r->mems)
        topo_free(s, r->mems, r->mem_max * sizeof(*r->mems));
    if (r->initiators)
        topo_free(s, r->initiators, r->initiator_max * sizeof(*r->initiators));
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
 * The APIC id of this CPU before its APIC is set up: the extended topology leaf has all 32 bits,
 * leaf 1 the low 8 (SDM vol. 2, CPUID; vol. 3, 9.9.3).
 */
static u32 boot_apic_id(void)
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

/* The smaller limit of nr_cpus= and possible_cpus=; 0: none. */
static u32 max_cpus(const struct kernel_options *o)
{
    if (!o->nr_cpus || !o->possible_cpus)
        return o->nr_cpus + o->possible_cpus;
    return MIN(o->nr_cpus, o->possible_cpus);
}

void stage_topology(struct boot_state *s)
{
    struct numa_alloc alloc = {topo_alloc, topo_free, s};
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
        slit_parse(data, len, &slit); /* refused: numa_build() ignores it */
        in.slit = &slit;
    }
    if (numa_build(&in, &alloc, &s->topo))
        panic("no memory for the topology");
    check_tables_agree(s, &in, &alloc);
    free_srat(s, &srat);
    nodes_into_memblock(s);
    memory_attr_report(&s->mb, &s->info.efi);
    cxl_list_windows(s);

    s->order = (struct node_order){
        &s->topo, must_alloc(s, s->topo.node_count * sizeof(s32), "the node order"), NODE_NONE};
    if (numa_verify(&s->topo, s->ram, s->ram_count))
        panic("the topology contradicts itself");
}
