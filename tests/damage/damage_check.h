/*
 * What both sweeps of damaged tables and loader blocks share. damage_test.c writes a few values
 * into each byte, under ASan; every_value.c writes all of them, between guard pages.
 *
 * A machine's tables, or a loader's block, are physical memory. Each piece of it is an allocation
 * of exactly its size, so that ASan sees one byte too far. All that the kernel decides, from the
 * RSDP to the topology, becomes one number, which changes when any decision does.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_DAMAGE_DAMAGE_CHECK_H
#define PERCH_TESTS_DAMAGE_DAMAGE_CHECK_H

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "acpi/cedt.h"
#include "acpi/dbg2.h"
#include "acpi/fadt.h"
#include "acpi/hmat.h"
#include "acpi/hpet.h"
#include "acpi/msct.h"
#include "acpi/root.h"
#include "acpi/s5.h"
#include "acpi/spcr.h"
#include "boot/multiboot2.h"
#include "boot/pvh.h"
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "mm/numa/cxl_windows.h"
#include "mm/numa/numa_check.h"
#include "tests/fuzz/boot_fuzz.h"
#include "tests/host/host_devices.h"
#include "tests/host/shim.h"
#include "tests/mm/numa/numa_host.h"

/* ---- a machine or a loader as memory, and what the kernel makes of it ----------------------- */

#define WORLD_MAX  16
#define WORLD_BASE 0x100000ULL
#define WORLD_STEP 0x100000ULL /* one piece every MiB, nothing in between */

struct piece {
    const char *name;
    u64 pa;
    struct table t; /* len bytes, allocated exactly */
};

struct world {
    struct piece pieces[WORLD_MAX]; /* ACPI: [0] RSDP, [1] XSDT, then the tables */
    u32 count;
    struct range ram[16];
    u32 ram_count;
    u32 boot_apic_id;
};

static inline const void *world_map(void *ctx, u64 pa, size_t len)
{
    const struct world *w = ctx;

    if (!host_reach(pa, len))
        return NULL;
    for (u32 i = 0; i < w->count; i++) {
        u64 off = pa - w->pieces[i].pa;

        if (pa >= w->pieces[i].pa && off <= w->pieces[i].t.len && len <= w->pieces[i].t.len - off)
            return w->pieces[i].t.b + off;
    }
    return NULL;
}

static inline void world_add(struct world *w, const char *name, u64 pa, struct table t)
{
    if (w->count == WORLD_MAX)
        abort();
    w->pieces[w->count++] = (struct piece){name, pa, t};
}

/* ACPI 6.5, 5.2.5.3: both checksums, then the pointer to the XSDT. */
static inline struct table world_rsdp(u64 xsdt)
{
    struct table t = {0};
    u8 sum = 0;

    for (int i = 0; i < 15; i++)
        put(&t, (u8) "RSD PTR \0PERCH "[i], 1);
    put(&t, 2, 1), put(&t, 0, 4), put(&t, 36, 4), put(&t, xsdt, 8), put(&t, 0, 4);
    tighten(&t);
    for (int i = 0; i < 20; i++)
        sum = (u8)(sum + t.b[i]);
    t.b[8] = (u8)-sum;
    sum = 0;
    for (int i = 0; i < 36; i++)
        sum = (u8)(sum + t.b[i]);
    t.b[32] = (u8)-sum;
    return t;
}

/* The RAM is what the machine's own SRAT says, the boot CPU the first that its MADT enables. */
static inline void world_machine(struct world *w, const struct piece *madt,
                                 const struct piece *srat)
{
    static struct madt_cpu cpus[512];
    static struct srat_cpu srat_cpus[512];
    static struct srat_mem mems[512];
    struct srat_records r = {.cpus = srat_cpus, .mems = mems, .cpu_max = 512, .mem_max = 512};
    struct madt_info info;

    if (madt_parse(madt->t.b, madt->t.len, cpus, ARRAY_SIZE(cpus), &info) ||
        srat_parse(srat->t.b, srat->t.len, &r))
        abort();
    for (u32 i = info.cpu_count; i--;)
        if (cpus[i].enabled)
            w->boot_apic_id = cpus[i].apic_id;
    for (u32 i = 0; i < r.mem_count; i++)
        if (mems[i].flags & SRAT_MEM_ENABLED && w->ram_count < ARRAY_SIZE(w->ram))
            w->ram[w->ram_count++] = (struct range){mems[i].base, mems[i].base + mems[i].length};
}

/* RSDP, XSDT and the tables of tests/data/NAME. */
static inline void world_load(struct world *w, const char *name)
{
    static const char *const files[] = {"APIC", "SRAT", "SLIT", "FACP", "HPET", "SPCR",
                                        "DBG2", "MSCT", "MCFG", "HMAT", "CEDT"};
    struct table xsdt;
    char path[256];

    *w = (struct world){.count = 2};
    put_header(&xsdt, "XSDT", 1);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct table t;
        u64 pa = WORLD_BASE + w->count * WORLD_STEP;

        snprintf(path, sizeof(path), "tests/data/%s/%s.bin", name, files[i]);
        t = read_whole(path);
        if (!t.len)
            continue;
        put(&xsdt, pa, 8);
        world_add(w, files[i], pa, t);
    }
    seal(&xsdt);
    tighten(&xsdt);
    w->pieces[1] = (struct piece){"XSDT", WORLD_BASE + WORLD_STEP, xsdt};
    w->pieces[0] = (struct piece){"RSDP", WORLD_BASE, world_rsdp(WORLD_BASE + WORLD_STEP)};
    world_machine(w, &w->pieces[2], &w->pieces[3]);
}

static inline void world_free(struct world *w)
{
    for (u32 i = 0; i < w->count; i++)
        free(w->pieces[i].t.b);
    w->count = 0;
}

/* FNV-1a over the bytes of a value. */
static inline void digest(u64 *h, u64 value)
{
    for (int i = 0; i < 8; i++)
        *h = (*h ^ (u8)(value >> (8 * i))) * 0x100000001b3ULL;
}

static inline void digest_topology(u64 *h, const struct numa_topology *t)
{
    for (u32 i = 0; i < t->cpu_count; i++)
        digest(h, t->cpus[i].apic_id), digest(h, (u64)t->cpus[i].node);
    for (u32 i = 0; i < t->node_count; i++)
        digest(h, t->nodes[i].pxm), digest(h, t->nodes[i].ram_bytes);
    for (u32 i = 0; i < t->memory_count; i++) {
        digest(h, t->memory[i].start), digest(h, t->memory[i].end);
        digest(h, (u64)t->memory[i].node);
        digest(h, t->memory[i].hotplug + 2 * t->memory[i].nonvolatile);
    }
    for (u32 i = 0; i < t->node_count * t->node_count; i++)
        digest(h, t->distances[i]);
}

static inline bool world_table(const struct world *w, const struct acpi_root *root, const char *sig,
                               const void **data, size_t *len)
{
    struct phys_window window = {world_map, (void *)w, NULL};

    *data = NULL;
    *len = 0;
    return acpi_table_map(root, &window, sig, 0, data, len) == 0;
}

static inline void digest_devices(u64 *h, const struct world *w, const struct acpi_root *root)
{
    struct fadt_info fadt;
    struct spcr_info spcr;
    struct dbg2_info dbg2;
    struct hpet_info hpet;
    const void *data;
    size_t len;

    if (world_table(w, root, "FACP", &data, &len) && fadt_parse(data, len, &fadt) == 0) {
        fadt_drop_registers(&fadt, &host_rules);
        host_check_fadt(&fadt);
        digest(h, fadt.pm_timer_port), digest(h, fadt.pm1a_cnt.address),
            digest(h, fadt.reset_reg.address), digest(h, fadt.reset_value), digest(h, fadt.dsdt);
    }
    if (world_table(w, root, "HPET", &data, &len) && hpet_parse(data, len, &hpet) == 0) {
        hpet_drop(&hpet, &host_rules);
        ASSERT(!hpet.address || host_no_harm(hpet.address, HPET_REG_SIZE));
        digest(h, hpet.address);
    }
    if (world_table(w, root, "SPCR", &data, &len) && spcr_parse(data, len, &spcr) == 0) {
        host_check_uart(&spcr.uart);
        digest(h, spcr.uart.base), digest(h, spcr.uart.verdict), digest(h, spcr.uart.baud);
    }
    if (world_table(w, root, "DBG2", &data, &len) && dbg2_parse(data, len, &dbg2) == 0)
        for (u32 i = 0; i < dbg2.count; i++) {
            host_check_uart(&dbg2.ports[i]);
            digest(h, dbg2.ports[i].base), digest(h, dbg2.ports[i].verdict);
        }
}

/* A table for numa_host.h, which frees what it is given: the bytes themselves stay ours. */
static inline struct table borrowed(const struct world *w, const struct acpi_root *root,
                                    const char *sig)
{
    struct table t = {0};
    const void *data;

    if (world_table(w, root, sig, &data, &t.len))
        t.b = (u8 *)data;
    return t;
}

/* What stands in the HMAT, by its own walk. */
static inline void digest_hmat(u64 *h, const struct hmat *hmat)
{
    struct hmat_walk walk;
    struct hmat_item item;

    hmat_walk_begin(&walk, hmat);
    while (hmat_walk_next(&walk, &item)) {
        digest(h, item.type), digest(h, item.offset);
        if (item.type == HMAT_PROXIMITY)
            digest(h, item.proximity.initiator), digest(h, item.proximity.memory);
        if (item.type == HMAT_CACHE)
            digest(h, item.cache.memory), digest(h, item.cache.size);
        if (item.type != HMAT_LOCALITY)
            continue;
        digest(h, item.locality.data);
        for (u32 i = 0; i < item.locality.initiators; i++)
            for (u32 t = 0; t < item.locality.targets; t++)
                digest(h, hmat_value(&item.locality, i, t));
    }
}

/* The checks between the tables, and what stands in HMAT and CEDT. */
static inline void world_check(struct world *w, const struct acpi_root *root, struct machine *m,
                               u64 *h)
{
    static struct cedt_bridge bridges[64];
    static struct cedt_window windows[64];
    struct cedt_records r = {
        .bridges = bridges, .windows = windows, .bridge_max = 64, .window_max = 64};
    struct numa_alloc alloc = {.alloc = machine_alloc, .ctx = m};
    struct numa_check c = {.in = &m->in, .topo = &m->t};
    struct msct_info msct;
    struct hmat hmat;
    const void *data;
    size_t len;

    if (world_table(w, root, "HMAT", &data, &len) && hmat_check(data, len, &hmat) == 0) {
        hmat_log(&hmat);
        digest_hmat(h, &hmat);
        c.hmat = &hmat;
    }
    if (world_table(w, root, "MSCT", &data, &len) && msct_check(data, len, &msct) == 0) {
        digest(h, msct.max_domains);
        c.msct = &msct;
    }
    numa_check(&c, &alloc);
    if (!world_table(w, root, "CEDT", &data, &len) || cedt_parse(data, len, &r))
        return;
    for (u32 i = 0; i < r.window_count; i++)
        digest(h, windows[i].base), digest(h, windows[i].size);
    cxl_windows_report(&m->t, m->in.srat, &r);
}

/* What the kernel decides on this machine. False: numa_verify() found the topology wrong. */
static inline bool world_boot(struct world *w, bool ignore_checksums, u64 *decided)
{
    static struct acpi_root root;
    struct phys_window window = {world_map, w, NULL};
    bool tables = false;
    struct acpi_rsdp_hint hint = {
        .pa = WORLD_BASE, .no_bios_scan = true, .ignore_checksums = ignore_checksums};
    struct machine m = {.ram = w->ram, .ram_count = w->ram_count, .boot_apic_id = w->boot_apic_id};
    bool good;

    shim_log_reset();
    *decided = 0xcbf29ce484222325ULL;
    if (acpi_root_find(&window, &hint, &root) == 0) {
        tables = true;
        m.madt = borrowed(w, &root, "APIC");
        m.srat = borrowed(w, &root, "SRAT");
        m.slit = borrowed(w, &root, "SLIT");
        digest_devices(decided, w, &root);
    }
    good = machine_build(&m) == 0 && numa_verify(&m.t, w->ram, w->ram_count) == 0;
    digest_topology(decided, &m.t);
    if (tables && good)
        world_check(w, &root, &m, decided);
    m.madt.b = m.srat.b = m.slit.b = NULL;
    machine_free(&m);
    return good;
}

/* ---- the sweeps ----------------------------------------------------------------------------- */

/* Of log for one machine, whatever its tables say; 80 CPUs have about 250. */
#define MAX_LINES 1200
#define SECONDS   120 /* of the watchdog */

static const char *const machines[] = {
    "acpi/asustek-m4a88td-v-evo-usb3-822e",
    "acpi/dell-poweredge-r820-e598",
    "acpi/evga-x299-micro-4b64",
    "acpi/hewlett-packard-proliant-dl165-g7-1979",
    "acpi/hewlett-packard-proliant-dl360-g7-60dc",
    "acpi/hewlett-packard-touchsmart-tx2-6909",
    "acpi/huanan-x99-qd4-v1-0-734c",
    "acpi/supermicro-h8dgu-57ed",
    "acpi/supermicro-h8qg6-58e8",
    "acpi/supermicro-x10dai-4a64",
    "qemu-acpi",
};

static const char *const loaders[] = {"pvh-qboot", "pvh-seabios", "multiboot2-bios",
                                      "multiboot2-uefi"};

static inline void still_running(int signal UNUSED)
{
    static const char text[] = "damage: the watchdog ended a run that does not end\n";

    if (write(2, text, sizeof(text) - 1) < 0 || text[0])
        abort();
}

static inline void watchdog(const char *name)
{
    ktest_note("%s", name);
    signal(SIGALRM, still_running);
    alarm(SECONDS);
}

/* What the machine decides when nothing is damaged, and the findings it has then. */
struct base {
    u64 decided;
    struct firmware_findings found;
};

/* Is there a finding that the whole machine has not? */
static inline bool said(const struct base *base)
{
    const struct firmware_findings *now = firmware_found(), *then = &base->found;

    for (u32 i = 0, k; i < now->nr_kept; i++) {
        for (k = 0; k < then->nr_kept; k++)
            if (now->kept[i].id == then->kept[k].id &&
                strcmp(now->kept[i].text, then->kept[k].text) == 0)
                break;
        if (k == then->nr_kept)
            return true;
    }
    return false;
}

/* One damage: true when all held. With checksums, a change must have been said. */
static inline bool holds(struct world *w, const struct base *base, bool ignore_checksums)
{
    u64 decided;

    if (!world_boot(w, ignore_checksums, &decided) || shim_log_count() > MAX_LINES)
        return false;
    return ignore_checksums || decided == base->decided || said(base);
}

/* A shorter length can have a right sum too: then nothing gives the damage away (5.2.6). */
static inline bool sum_is_right(const struct table *t)
{
    u32 length;
    u8 sum = 0;

    memcpy(&length, t->b + 4, sizeof(length));
    for (u32 i = 0; i < length && i < t->len; i++)
        sum = (u8)(sum + t->b[i]);
    return length >= ACPI_TABLE_MIN && length <= t->len && sum == 0;
}

static inline u64 number(const u8 *b)
{
    u64 value;

    memcpy(&value, b, sizeof(value));
    return value;
}

/* Records of address, length and bytes; the block itself is the first. */
static inline void load_block(struct world *w, const char *name)
{
    char path[128];
    struct table file;

    snprintf(path, sizeof(path), "tests/data/loader/%s.bin", name);
    file = read_whole(path);
    *w = (struct world){0};
    for (size_t at = 0; at + 16 <= file.len;) {
        struct table t = {0};
        size_t len = number(file.b + at + 8);

        for (size_t i = 0; i < len; i++)
            put(&t, file.b[at + 16 + i], 1);
        tighten(&t);
        world_add(w, name, number(file.b + at), t);
        at += 16 + len;
    }
    free(file.b);
}

static inline int parse_block(struct world *w, bool pvh)
{
    static struct boot_info info;
    struct phys_window window = {world_map, w, NULL};
    int err;

    shim_log_reset();
    err = pvh ? pvh_parse(&window, w->pieces[0].pa, &info)
              : multiboot2_parse(&window, w->pieces[0].pa, &info);
    fuzz_check_boot_info(&info);
    return err;
}

#endif
