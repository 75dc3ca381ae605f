/*
 * RSDP, XSDT and RSDT: which is chosen, what is refused, and Linux's log lines.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/root.h"
#include "kernel/base/ktest.h"
#include "tests/acpi/acpi_build.h"
#include "tests/host/shim.h"

#define LOW  0x7ffe0000ULL
#define HIGH 0x1230000000ULL /* above 4 GiB */

struct block {
    u64 pa;
    struct table t;
};

struct machine {
    struct block blocks[8];
    u32 count;
};

static const void *map(void *ctx, u64 pa, size_t len)
{
    const struct machine *m = ctx;

    for (u32 i = 0; i < m->count; i++) {
        const struct block *b = &m->blocks[i];

        if (pa >= b->pa && pa - b->pa <= b->t.len && len <= b->t.len - (pa - b->pa))
            return b->t.b + (pa - b->pa);
    }
    return NULL;
}

static struct table *add(struct machine *m, u64 pa, struct table t)
{
    m->blocks[m->count] = (struct block){pa, t};
    return &m->blocks[m->count++].t;
}

static struct table simple(const char *sig)
{
    struct table t;

    put_header(&t, sig, 1);
    put(&t, 0, 8);
    seal(&t);
    return t;
}

static struct table list(const char *sig, size_t width, u64 a, u64 b, u64 c)
{
    struct table t;

    put_header(&t, sig, 1);
    put(&t, a, width), put(&t, b, width), put(&t, c, width);
    seal(&t);
    return t;
}

static void fix_sum(struct table *t, size_t at, size_t len)
{
    t->b[at] = 0;
    for (size_t i = 0; i < len; i++)
        t->b[at] = i == at ? t->b[at] : (u8)(t->b[at] - t->b[i]);
}

static struct table rsdp(u8 revision)
{
    struct table t = {0};

    for (int i = 0; i < 15; i++)
        put(&t, (u8) "RSD PTR \0BOCHS "[i], 1);
    put(&t, revision, 1);
    put(&t, LOW + 0x2000, 4);
    put(&t, 36, 4);
    put(&t, LOW + 0x1000, 8);
    put(&t, 0, 4);
    fix_sum(&t, 8, 20);
    fix_sum(&t, 32, 36);
    return t;
}

/* XSDT: SRAT above 4 GiB, 0, SLIT. RSDT: SLIT, APIC. */
static struct machine usual(u8 revision)
{
    struct machine m = {0};

    shim_log_reset();
    add(&m, 0xf5290, rsdp(revision));
    add(&m, LOW + 0x1000, list("XSDT", 8, HIGH, 0, LOW + 0x3000));
    add(&m, LOW + 0x2000, list("RSDT", 4, LOW + 0x3000, LOW + 0x4000, LOW + 0x4000));
    add(&m, HIGH, simple("SRAT"));
    add(&m, LOW + 0x3000, simple("SLIT"));
    add(&m, LOW + 0x4000, simple("APIC"));
    return m;
}

static int find(struct machine *m, struct acpi_root *root)
{
    struct phys_window w = {map, m, NULL};
    struct acpi_rsdp_hint hint = {.pa = 0xf5290};

    return acpi_root_find(&w, &hint, root);
}

static bool has(struct machine *m, const struct acpi_root *root, const char *sig)
{
    struct phys_window w = {map, m, NULL};
    const void *data;
    size_t len;

    return acpi_table_map(root, &w, sig, 0, &data, &len) == 0 && memcmp(data, sig, 4) == 0;
}

static void drop(struct machine *m)
{
    for (u32 i = 0; i < m->count; i++)
        free(m->blocks[i].t.b);
}

KTEST(acpi_root, xsdt_first_with_a_table_above_4_gib)
{
    static struct acpi_root root;
    struct machine m = usual(2);
    struct range r;
    u32 ranges = 0;

    REQUIRE_EQ(find(&m, &root), 0);
    EXPECT_TRUE(root.from_xsdt);
    EXPECT_EQ(root.count, 3);
    EXPECT_TRUE(has(&m, &root, "SRAT") && has(&m, &root, "SLIT") && !has(&m, &root, "APIC"));
    EXPECT_TRUE(shim_log_contains_prefix("ACPI: RSDP 0x00000000000F5290 000024 (v02 BOCHS )"));
    EXPECT_TRUE(shim_log_contains_prefix(
        "ACPI: SRAT 0x0000001230000000 00002C (v01 BOCHS  BXPC     00000001 BXPC 00000001)"));
    EXPECT_TRUE(shim_log_contains("XSDT: entry 1 at offset 0x2c is 0"));
    while (acpi_root_range(&root, ranges, &r))
        ranges++;
    EXPECT_EQ(ranges, 4);
    drop(&m);
}

/* As the kernel's window when its slots run out: a mapping is gone with the next one. */
struct one_slot {
    struct machine m;
    void *slot;
};

static const void *map_one(void *ctx, u64 pa, size_t len)
{
    struct one_slot *o = ctx;
    const void *p = map(&o->m, pa, len);

    free(o->slot); /* whoever still reads it is seen by ASan */
    o->slot = p ? malloc(len ? len : 1) : NULL;
    if (o->slot)
        memcpy(o->slot, p, len);
    return o->slot;
}

static struct table high_rsdp(void)
{
    struct table t = rsdp(2);

    for (int i = 0; i < 4; i++)
        t.b[16 + i] = 0; /* no RSDT: it could not be reached */
    for (int i = 0; i < 8; i++)
        t.b[24 + i] = (u8)((HIGH + 0x1000) >> (8 * i));
    fix_sum(&t, 8, 20);
    fix_sum(&t, 32, 36);
    return t;
}

/* Nothing at all below 4 GiB: RSDP by the loader's address, XSDT, FADT, DSDT, the others. */
KTEST(acpi_root, everything_above_4_gib)
{
    static struct acpi_root root;
    struct one_slot o = {0};
    struct phys_window w = {map_one, &o, NULL};
    struct acpi_rsdp_hint hint = {.pa = HIGH, .no_bios_scan = true};
    struct table fadt;
    struct range r;
    const void *data;
    size_t len;

    shim_log_reset();
    put_header(&fadt, "FACP", 6);
    put(&fadt, 0, 140 - 36); /* X_DSDT: ACPI 6.5, 5.2.9 */
    put(&fadt, HIGH + 0x4000, 8);
    put(&fadt, 0, 276 - 148);
    seal(&fadt);
    add(&o.m, HIGH, high_rsdp());
    add(&o.m, HIGH + 0x1000, list("XSDT", 8, HIGH + 0x2000, HIGH + 0x3000, HIGH + 0x5000));
    add(&o.m, HIGH + 0x2000, fadt);
    add(&o.m, HIGH + 0x3000, simple("SRAT"));
    add(&o.m, HIGH + 0x4000, simple("DSDT"));
    add(&o.m, HIGH + 0x5000, simple("APIC"));
    REQUIRE_EQ(acpi_root_find(&w, &hint, &root), 0);
    EXPECT_TRUE(root.from_xsdt);
    EXPECT_EQ(acpi_table_map(&root, &w, "SRAT", 0, &data, &len), 0);
    EXPECT_EQ(acpi_table_map(&root, &w, "DSDT", 0, &data, &len), 0);
    EXPECT_EQ(acpi_table_map(&root, &w, "APIC", 0, &data, &len), 0);
    EXPECT_EQ(len, 44);
    for (u32 i = 0; acpi_root_range(&root, i, &r); i++)
        EXPECT_TRUE(r.start >= SZ_4G);
    EXPECT_EQ(shim_log_matches("firmware bug"), 0);
    free(o.slot);
    drop(&o.m);
}

KTEST(acpi_root, rsdt_when_xsdt_is_bad_or_absent)
{
    static struct acpi_root root;

    for (int c = 0; c < 4; c++) {
        struct machine m = usual(c == 0 ? 0 : 2);

        if (c == 1)
            m.blocks[1].t.b[20] ^= 1; /* XSDT checksum */
        if (c == 2)
            m.blocks[0].t.b[32] ^= 1; /* the RSDP's second checksum */
        if (c == 3)
            m.blocks[1].t.b[7] = 0x7f; /* XSDT length */
        REQUIRE_EQ(find(&m, &root), 0);
        EXPECT_FALSE(root.from_xsdt);
        EXPECT_TRUE(has(&m, &root, "APIC") && has(&m, &root, "SLIT") && !has(&m, &root, "SRAT"));
        EXPECT_TRUE(shim_log_contains("is listed twice"));
        drop(&m);
    }
}

KTEST(acpi_root, wrong_checksum_costs_that_table)
{
    static struct acpi_root root;
    struct machine m = usual(2);

    m.blocks[3].t.b[40] ^= 1;
    REQUIRE_EQ(find(&m, &root), 0);
    EXPECT_TRUE(!has(&m, &root, "SRAT") && has(&m, &root, "SLIT"));
    EXPECT_TRUE(shim_log_contains_prefix("firmware bug: ACPI: table at 0x1230000000: checksum"));
    drop(&m);
}

static bool low_listed(void *ctx UNUSED, u64 pa, size_t len)
{
    return pa + len <= LOW + 0x4000;
}

/* Read all the same, as by Linux, but said: here one table above LOW + 0x4000 and the high ones. */
KTEST(acpi_root, what_the_memory_map_does_not_list)
{
    static struct acpi_root root;
    struct machine m = usual(2);
    struct phys_window w = {map, &m, low_listed};
    struct acpi_rsdp_hint hint = {.pa = 0xf5290};

    shim_log_reset();
    REQUIRE_EQ(acpi_root_find(&w, &hint, &root), 0);
    EXPECT_TRUE(has(&m, &root, "SRAT") && has(&m, &root, "SLIT"));
    EXPECT_TRUE(firmware_found()->count[FW_TABLE_UNLISTED] >= 1);
    EXPECT_TRUE(shim_log_contains("ACPI: table at 0x1230000000: the memory map lists nothing"));
    EXPECT_TRUE(shim_found(FIRMWARE_WARN) >= 1);
    drop(&m);
}

KTEST(acpi_root, copy_then_bios_scan)
{
    static struct acpi_root root;
    struct machine m = usual(2);
    struct phys_window w = {map, &m, NULL};
    struct acpi_rsdp_hint copy = {.bytes = m.blocks[0].t.b, .len = 36};
    struct acpi_rsdp_hint none = {0};
    struct table bios = {0};

    REQUIRE_EQ(acpi_root_find(&w, &copy, &root), 0);
    EXPECT_TRUE(root.rsdp_pa == 0 && root.from_xsdt);
    EXPECT_EQ(acpi_root_find(&w, &none, &root), -2);
    put(&bios, 0, 0x20000);
    memcpy(bios.b + 0x100, "RSD PTR ", 8); /* no checksum: passed over */
    memcpy(bios.b + 0x15290, m.blocks[0].t.b, 36);
    free(m.blocks[0].t.b);
    m.blocks[0] = (struct block){0xe0000, bios};
    REQUIRE_EQ(acpi_root_find(&w, &none, &root), 0);
    EXPECT_EQ(root.rsdp_pa, 0xf5290);
    drop(&m);
}

/* XSDT: FADT (with DSDT and FACS), SRAT, SLIT, APIC; nothing is wrong with it. */
static struct machine sound(void)
{
    struct table xsdt = list("XSDT", 8, LOW + 0x5000, HIGH, LOW + 0x3000), fadt, facs = {0};
    struct machine m = {0};

    shim_log_reset();
    put(&xsdt, LOW + 0x4000, 8);
    seal(&xsdt);
    put_header(&fadt, "FACP", 6);
    put(&fadt, LOW + 0x7000, 4), put(&fadt, LOW + 0x6000, 4), put(&fadt, 0, 276 - 44);
    seal(&fadt);
    for (int i = 0; i < 4; i++)
        put(&facs, (u8) "FACS"[i], 1);
    put(&facs, 64, 4), put(&facs, 0, 56);
    add(&m, 0xf5290, rsdp(2));
    add(&m, LOW + 0x1000, xsdt);
    add(&m, HIGH, simple("SRAT"));
    add(&m, LOW + 0x3000, simple("SLIT"));
    add(&m, LOW + 0x4000, simple("APIC"));
    add(&m, LOW + 0x5000, fadt);
    add(&m, LOW + 0x6000, simple("DSDT"));
    add(&m, LOW + 0x7000, facs);
    return m;
}

/* Bytes at an offset of a block, and its checksum made right again. */
static void change(struct machine *m, u32 block, size_t at, u64 value, size_t bytes)
{
    struct table *t = &m->blocks[block].t;

    for (size_t i = 0; i < bytes; i++)
        t->b[at + i] = (u8)(value >> (8 * i));
    if (block == 0)
        fix_sum(t, 8, 20), fix_sum(t, 32, 36);
    else if (block != 7)
        fix_sum(t, 9, t->len);
}

/* One more entry, or part of one, at the end of the XSDT. */
static void append(struct machine *m, u64 value, size_t bytes)
{
    put(&m->blocks[1].t, value, bytes);
    seal(&m->blocks[1].t);
}

#define SIG(s) ((u32)s[0] | (u32)s[1] << 8 | (u32)s[2] << 16 | (u32)s[3] << 24)

/* Does it once, and says which finding it must be. */
static enum firmware_id break_it(struct machine *m, int how)
{
    switch (how) {
    case 0:
        return change(m, 0, 0, SIG("none"), 4), FW_RSDP_LOADER;
    case 1:
        m->blocks[0].t.b[32] ^= 1;
        return FW_RSDP_CHECKSUM;
    case 2:
        return change(m, 0, 24, 0, 8), FW_RSDP_NO_XSDT;
    case 3:
        return append(m, 0, 4), FW_XSDT_LENGTH;
    case 4:
        return append(m, 0, 8), FW_XSDT_NULL_ENTRY;
    case 5:
        return change(m, 1, 0, SIG("XSDX"), 4), FW_XSDT_SIGNATURE;
    case 6:
        m->blocks[1].t.len = 36;
        return seal(&m->blocks[1].t), FW_XSDT_EMPTY;
    case 7:
        m->blocks[1].t.b[20] ^= 1;
        return FW_XSDT_UNUSABLE;
    case 8:
        return append(m, 0x7000000000, 8), FW_TABLE_UNREACHABLE;
    case 9:
        return change(m, 3, 4, 35, 4), FW_TABLE_LENGTH;
    case 10:
        m->blocks[3].t.b[40] ^= 1;
        return FW_TABLE_CHECKSUM;
    case 11:
        return append(m, LOW + 0x4000, 8), FW_TABLE_TWICE;
    case 12:
        return change(m, 3, 0, SIG("SRAT"), 4), FW_TABLE_SECOND;
    case 13:
        return change(m, 3, 0, SIG("APIC"), 4), FW_MADT_SECOND;
    case 14:
        return change(m, 6, 0, SIG("DSDX"), 4), FW_DSDT_SIGNATURE;
    case 15:
        return change(m, 7, 4, 63, 4), FW_FACS_INVALID;
    }
    return FIRMWARE_NR_IDS;
}

KTEST(acpi_root, each_finding_and_none_on_a_sound_machine)
{
    static struct acpi_root root;

    for (int how = 0; how < 16; how++) {
        struct machine m = sound();
        enum firmware_id id;

        REQUIRE_EQ(find(&m, &root), 0);
        EXPECT_EQ(root.count, 7);
        EXPECT_EQ(firmware_found()->nr_kept, 0);
        id = break_it(&m, how);
        find(&m, &root);
        ktest_note("%s", firmware_kind(id)->id);
        EXPECT_EQ(firmware_found()->count[id], 1);
        drop(&m);
    }
}

KTEST(acpi_root, nothing_usable)
{
    static struct acpi_root root;
    struct machine m = usual(2);

    m.blocks[1].t.b[20] ^= 1;
    m.blocks[2].t.b[20] ^= 1;
    EXPECT_EQ(find(&m, &root), -22);
    EXPECT_EQ(root.count, 0);
    m.blocks[0].t.b[0] = 'X';
    EXPECT_EQ(find(&m, &root), -2);
    drop(&m);
}
