/*
 * The table parsers on made-up bytes: MADT's rules, SRAT's revisions and lengths, FADT, _S5_, and
 * every table cut off at every length.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/fadt.h"
#include "acpi/madt.h"
#include "acpi/msct.h"
#include "acpi/s5.h"
#include "acpi/slit.h"
#include "acpi/srat.h"
#include "kernel/base/ktest.h"
#include "tests/acpi/acpi_build.h"
#include "tests/host/host_rules.h"
#include "tests/host/shim.h"

static struct madt_cpu cpus[8192];
static struct madt_info info;

static int parse(struct table *t)
{
    int err;

    shim_log_reset();
    tighten(t);
    err = madt_parse(t->b, t->len, cpus, ARRAY_SIZE(cpus), &info);
    free(t->b);
    return err;
}

KTEST(acpi_tables, madt_order_ids_and_duplicates)
{
    struct table t;

    madt_begin(&t, 5);
    madt_lapic(&t, 4, 0);        /* disabled; the enabled one below stays */
    madt_x2apic(&t, 0x10000, 1); /* table order, not type order */
    madt_lapic(&t, 4, 1);
    madt_lapic(&t, 0xff, 0), madt_x2apic(&t, 0xffffffff, 0);
    madt_x2apic(&t, 4, 1); /* the same CPU as type 9: quiet */
    madt_lapic(&t, 4, 1);  /* twice: a bug */
    madt_x2apic(&t, 7, 1); /* below 255 beside type 0: kept, reported */
    madt_x2apic(&t, 8, 0); /* the same, disabled: dropped */
    madt_lapic(&t, 9, 2);  /* online capable */
    REQUIRE_EQ(parse(&t), 0);
    REQUIRE_EQ(info.cpu_count, 4);
    EXPECT_TRUE(cpus[0].apic_id == 0x10000 && cpus[0].x2apic && cpus[0].entry == 1);
    EXPECT_TRUE(cpus[1].apic_id == 4 && cpus[1].enabled && cpus[1].entry == 2);
    EXPECT_EQ(cpus[2].apic_id, 7);
    EXPECT_TRUE(cpus[3].apic_id == 9 && cpus[3].online_capable && !cpus[3].enabled);
    EXPECT_EQ(info.duplicates, 1);
    EXPECT_EQ(info.quiet_duplicates, 3);
    EXPECT_EQ(info.no_ids, 2);
    EXPECT_EQ(firmware_found()->count[FW_MADT_CPU_DUPLICATE], 1);
    EXPECT_EQ(firmware_found()->count[FW_MADT_X2APIC_LOW], 1);
    EXPECT_TRUE(shim_log_contains("entry 6 repeats APIC id 0x4 of entry 2, ignored"));
}

KTEST(acpi_tables, madt_other_entries)
{
    struct table t;

    madt_begin(&t, 4);
    madt_lapic(&t, 0, 1);
    madt_lapic(&t, 1, 2); /* revision 4 knows no online-capable bit */
    put(&t, 0x0c01, 2), put(&t, 3, 2), put(&t, 0xfec00000, 4), put(&t, 24, 4);
    put(&t, 0x0c05, 2), put(&t, 0, 2), put(&t, 0x1fee00000, 8);
    put(&t, 0x0477, 2), put(&t, 0, 2); /* unknown type */
    put(&t, 0x0400, 2), put(&t, 0, 2); /* type 0, too short */
    put(&t, 0x0000, 2);                /* length 0 ends the walk */
    madt_lapic(&t, 2, 1);
    REQUIRE_EQ(parse(&t), 0);
    EXPECT_EQ(info.cpu_count, 2);
    EXPECT_FALSE(cpus[1].online_capable);
    EXPECT_TRUE(info.pcat_compat);
    EXPECT_EQ(info.lapic_address, 0x1fee00000);
    EXPECT_EQ(info.ioapic_count, 1);
    EXPECT_TRUE(info.ioapics[0].address == 0xfec00000 && info.ioapics[0].gsi_base == 24 &&
                info.ioapics[0].id == 3);
    EXPECT_EQ(firmware_found()->count[FW_MADT_ENTRY_LENGTH], 1);
    EXPECT_EQ(firmware_found()->count[FW_MADT_ENTRY_CUT], 1);
}

static void madt_wakeup(struct table *t, u16 version, u64 mailbox)
{
    put(t, 16, 1), put(t, 16, 1), put(t, version, 2), put(t, 0, 4), put(t, mailbox, 8);
}

KTEST(acpi_tables, madt_wakeup_mailbox)
{
    struct table t;

    madt_begin(&t, 6);
    madt_x2apic(&t, 0, 1);
    madt_wakeup(&t, 1, 0x123456789000);
    REQUIRE_EQ(parse(&t), 0);
    EXPECT_EQ(info.wakeups, 1);
    EXPECT_EQ(info.mailbox, 0x123456789000);
    EXPECT_EQ(info.mailbox_version, 1);
    EXPECT_EQ(firmware_found()->count[FW_MADT_WAKEUP], 1);
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
    EXPECT_TRUE(shim_log_contains("by the mailbox at 0x123456789000, version 1"));

    madt_begin(&t, 6);
    madt_wakeup(&t, 0, 0x123456789800); /* not a page of its own */
    madt_wakeup(&t, 0, 0x1000);         /* a second one */
    put(&t, 0x0810, 2), put(&t, 0, 6);  /* too short */
    madt_x2apic(&t, 3, 1);
    REQUIRE_EQ(parse(&t), 0);
    EXPECT_EQ(info.wakeups, 2);
    EXPECT_EQ(info.mailbox, 0);
    EXPECT_EQ(info.cpu_count, 1);
    EXPECT_EQ(firmware_found()->count[FW_MADT_WAKEUP_MAILBOX], 2);
    EXPECT_EQ(firmware_found()->count[FW_MADT_ENTRY_LENGTH], 1);
}

KTEST(acpi_tables, madt_4096_cpus_all_repeated)
{
    struct table t;

    madt_begin(&t, 5);
    for (u32 i = 0; i < 8192; i++)
        madt_x2apic(&t, 1000000 - i % 4096, 1);
    REQUIRE_EQ(parse(&t), 0);
    EXPECT_EQ(info.cpu_count, 4096);
    EXPECT_EQ(info.duplicates, 4096);
    EXPECT_EQ(cpus[0].apic_id, 1000000);
    EXPECT_EQ(shim_log_count(), 17);
}

KTEST(acpi_tables, srat_revisions)
{
    for (u8 revision = 1; revision <= 3; revision++) {
        struct srat_cpu c[2];
        struct srat_mem m[1];
        struct srat_records r = {.cpus = c, .mems = m, .cpu_max = 2, .mem_max = 1};
        struct table t;

        shim_log_reset();
        srat_begin(&t, revision);
        srat_cpu(&t, 1, 0xabcdef12, 1);
        srat_mem(&t, 0, 4096, 0xabcdef12, 1);
        srat_x2apic(&t, 2, 0xabcdef12, 1);
        put(&t, 0x0477, 2), put(&t, 0, 2);
        EXPECT_EQ(srat_parse(t.b, t.len, &r), 0);
        EXPECT_EQ(c[0].pxm, revision == 1 ? 0x12 : 0xabcdef12);
        EXPECT_EQ(m[0].pxm, revision == 1 ? 0x12 : 0xabcdef12);
        EXPECT_EQ(c[1].pxm, 0xabcdef12);
        EXPECT_EQ(r.unknown_types, 1);
        EXPECT_EQ(shim_found(FIRMWARE_FAIL), 0);
        free(t.b);
    }
}

KTEST(acpi_tables, slit_count_that_would_wrap)
{
    static const u64 counts[] = {0, 1ULL << 32, ~0ULL, 0x10000, 0xffff, 3, 0xffffffff};
    static const char *const said[] = {
        "SLIT: 0 localities at offset 0x24",
        "4294967296 localities at offset 0x24 need more than 2^64 bytes",
        "18446744073709551615 localities at offset 0x24 need more than 2^64 bytes",
        "65536 localities need 4294967340",
        "65535 localities need 4294836269",
        "3 localities need 53",
        "4294967295 localities need 18446744065119617069",
    };

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        struct slit_view v;
        struct table t;

        slit_begin(&t, counts[i]);
        put(&t, 10, 8);
        tighten(&t);
        EXPECT_EQ(slit_parse(t.b, t.len, &v), -22);
        EXPECT_TRUE(v.n == 0 && !v.matrix);
        EXPECT_EQ(v.verdict, counts[i] ? SLIT_TOO_SHORT : SLIT_EMPTY);
        EXPECT_TRUE(shim_log_contains(said[i]));
        free(t.b);
    }
}

static int s5_of(const char *bytes, size_t n, u8 *a, u8 *b)
{
    struct table t;
    int err;

    put_header(&t, "DSDT", 2);
    for (size_t i = 0; i < n; i++)
        put(&t, (u8)bytes[i], 1);
    tighten(&t);
    err = acpi_find_s5(t.b, t.len, a, b);
    free(t.b);
    return err;
}

#define S5(s) s5_of(s, sizeof(s) - 1, &a, &b)

KTEST(acpi_tables, s5_forms)
{
    u8 a = 9, b = 9;

    EXPECT_EQ(S5("\x08_S5_\x12\x06\x04\x00\x00\x00\x00"), 0);
    EXPECT_TRUE(a == 0 && b == 0);
    EXPECT_EQ(S5("xx\x08\\_S5_\x12\x0a\x04\x0a\x05\x0a\x06\x00\x00"), -2); /* length too long */
    EXPECT_EQ(S5("xx\x08\\_S5_\x12\x08\x04\x0a\x05\x0a\x06\x00\x00"), 0);
    EXPECT_TRUE(a == 5 && b == 6);
    EXPECT_EQ(S5("\x08_S5_\x12\x47\x00\x02\x01\x0b\x07\x00"), 0); /* two length bytes, word */
    EXPECT_TRUE(a == 1 && b == 7);
    EXPECT_EQ(S5("\x08_S5_\x12\x03\x01\x01"), 0);
    EXPECT_TRUE(a == 1 && b == 1);
    EXPECT_EQ(S5("_S5_\x12\x06\x04\x00\x00\x00\x00"), -2); /* a reference, not a name */
    EXPECT_EQ(S5("\x08_S5_\x12\x06\x04\x0a"), -2);
    EXPECT_EQ(S5("\x08_S5_"), -2);
    EXPECT_EQ(acpi_find_s5((const u8 *)"", 0, &a, &b), -2);
}

KTEST(acpi_tables, fadt_old_and_new)
{
    struct fadt_info f;
    struct table t;

    put_header(&t, "FACP", 1);
    put(&t, 0x1000, 4), put(&t, 0x2000, 4);
    put(&t, 0, 116 - 44);
    t.b[48] = 0xb2, t.b[52] = 0xf1, t.b[53] = 0xf0; /* SMI_CMD, enable, disable */
    t.b[57] = 0x06, t.b[88] = 4;                    /* PM1a_EVT 0x600: status, then enable */
    t.b[65] = 0x06, t.b[64] = 0x04;                 /* PM1a_CNT 0x604 */
    t.b[77] = 0x06, t.b[76] = 0x08;                 /* PM_TMR 0x608 */
    t.b[89] = 2, t.b[91] = 4;
    t.b[113] = 0x05; /* 32-bit timer, reset register supported, but beyond this table */
    REQUIRE_EQ(fadt_parse(t.b, t.len, &f), 0);
    EXPECT_TRUE(f.facs == 0x1000 && f.dsdt == 0x2000);
    EXPECT_TRUE(f.smi_cmd == 0xb2 && f.acpi_enable == 0xf1 && f.acpi_disable == 0xf0);
    EXPECT_TRUE(f.pm1a_cnt.address == 0x604 && f.pm1a_cnt.space == ACPI_SPACE_IO);
    EXPECT_TRUE(f.pm1a_sts.address == 0x600 && f.pm1a_sts.bit_width == 16 && !f.pm1b_sts.address);
    EXPECT_TRUE(f.pm_timer_port == 0x608 && f.pm_timer_32bit && !f.has_reset);
    put(&t, 0x00000801, 4), put(&t, 0xcf9, 8), put(&t, 6, 1); /* reset: I/O 0xcf9, value 6 */
    put(&t, 0, 11), put(&t, 0x123456789000, 8), put(&t, 0, 276 - 148);
    shim_log_reset();
    REQUIRE_EQ(fadt_parse(t.b, t.len, &f), 0);
    EXPECT_TRUE(f.has_reset && f.reset_reg.address == 0xcf9 && f.reset_value == 6);
    EXPECT_EQ(f.dsdt, 0x123456789000);
    EXPECT_EQ(fadt_parse(t.b, 115, &f), -22);
    free(t.b);
}

static struct acpi_gas in_memory(u64 address)
{
    return (struct acpi_gas){.address = address, .space = ACPI_SPACE_MEMORY, .bit_width = 16};
}

KTEST(acpi_tables, fadt_registers_where_no_device_is)
{
    struct fadt_info f = {.has_reset = true};

    shim_log_reset();
    f.pm1a_cnt = in_memory(HOST_IMAGE);
    f.pm1b_cnt = in_memory(HOST_APIC + 0x300);
    f.pm1a_sts = in_memory(0xfed80800);
    f.pm1b_sts = (struct acpi_gas){.address = 0x600, .space = ACPI_SPACE_IO};
    f.sleep_control = in_memory(HOST_RAM_END - 1);
    f.sleep_status = in_memory(HOST_BEYOND - 1);
    f.reset_reg = in_memory(0x8000000);
    fadt_drop_registers(&f, &host_rules);
    EXPECT_TRUE(!f.pm1a_cnt.address && !f.pm1b_cnt.address && !f.has_reset);
    EXPECT_TRUE(!f.sleep_control.address && !f.sleep_status.address && !f.reset_reg.address);
    EXPECT_EQ(f.pm1a_sts.address, 0xfed80800);
    EXPECT_EQ(f.pm1b_sts.address, 0x600);
    EXPECT_EQ(firmware_found()->count[FW_FADT_REGISTER], 5);
    EXPECT_TRUE(shim_log_contains("FACP: reset register at 0x8000000: that is RAM: not used"));
    EXPECT_TRUE(shim_log_contains("PM1a control at 0x200000: that is Perch itself: not used"));
}

KTEST(acpi_tables, madt_io_apics_where_no_device_is)
{
    struct madt_info m = {
        .ioapic_count = 4,
        .ioapics = {{.address = HOST_IMAGE},
                    {.address = 0xfec00000, .id = 7},
                    {.address = 0},
                    {.address = HOST_APIC}},
    };

    shim_log_reset();
    madt_drop_ioapics(&m, &host_rules);
    REQUIRE_EQ(m.ioapic_count, 1);
    EXPECT_EQ(m.ioapics[0].id, 7);
    EXPECT_EQ(firmware_found()->count[FW_MADT_IOAPIC_ADDRESS], 3);
}

/* Revisions with the length of an older one: what is missing, and does it matter? */
KTEST(acpi_tables, fadt_length_of_an_older_revision)
{
    static const struct {
        u16 len;
        u8 revision;
        bool reduced;
        enum firmware_id id;
    } c[] = {
        {244, 3, 0, FIRMWARE_NR_IDS},
        {244, 4, 0, FIRMWARE_NR_IDS},
        {268, 5, 0, FIRMWARE_NR_IDS},
        {276, 6, 0, FIRMWARE_NR_IDS},
        {132, 2, 0, FIRMWARE_NR_IDS},
        {244, 5, 0, FW_FADT_LENGTH_HARMLESS},
        {244, 6, 0, FW_FADT_LENGTH_HARMLESS},
        {268, 6, 0, FW_FADT_LENGTH_HARMLESS},
        {268, 6, 1, FW_FADT_LENGTH_HARMLESS},
        {244, 5, 1, FW_FADT_LENGTH}, /* the sleep registers are missing */
        {245, 5, 0, FW_FADT_LENGTH},
        {275, 6, 0, FW_FADT_LENGTH},
        {132, 3, 0, FW_FADT_LENGTH},
        {243, 6, 0, FW_FADT_LENGTH},
    };

    for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
        struct fadt_info f;
        struct table t;

        shim_log_reset();
        put_header(&t, "FACP", c[i].revision);
        put(&t, 0, c[i].len - 36);
        t.b[114] = c[i].reduced << 4;
        tighten(&t);
        REQUIRE_EQ(fadt_parse(t.b, t.len, &f), 0);
        for (u32 id = 0; id < FIRMWARE_NR_IDS; id++)
            EXPECT_EQ(firmware_found()->count[id], id == c[i].id);
        free(t.b);
    }
}

/* One byte is no entry: there is no length in it, and nothing is lost. Two are. */
KTEST(acpi_tables, a_stray_byte_at_the_end)
{
    for (u32 tail = 0; tail < 3; tail++) {
        struct srat_cpu c[1];
        struct srat_records r = {.cpus = c, .cpu_max = 1};
        struct msct_info domains;
        struct table m, s, d;

        shim_log_reset();
        madt_begin(&m, 3), madt_lapic(&m, 0, 1), put(&m, 0, tail), tighten(&m);
        srat_begin(&s, 3), srat_cpu(&s, 0, 0, 1), put(&s, 0, tail), tighten(&s);
        put_header(&d, "MSCT", 1), put(&d, 56, 4), put(&d, 0, 16), put(&d, 0, tail), tighten(&d);
        EXPECT_EQ(madt_parse(m.b, m.len, cpus, 2, &info), 0);
        EXPECT_EQ(srat_parse(s.b, s.len, &r), 0);
        EXPECT_EQ(msct_check(d.b, d.len, &domains), 0);
        EXPECT_TRUE(info.cpu_count == 1 && r.cpu_count == 1);
        EXPECT_EQ(firmware_found()->count[FW_TABLE_STRAY_BYTES], tail == 1 ? 3 : 0);
        EXPECT_EQ(shim_found(FIRMWARE_FAIL), tail == 2 ? 3 : 0);
        if (tail == 1) {
            EXPECT_TRUE(shim_log_contains("MADT: one stray byte at the end, at offset 0x34"));
            EXPECT_TRUE(shim_log_contains("SRAT: one stray byte at the end, at offset 0x40"));
        }
        free(m.b), free(s.b), free(d.b);
    }
}

/* ASan watches the end of each cut. */
KTEST(acpi_tables, cut_off_at_every_length)
{
    struct table t;

    srat_begin(&t, 3);
    madt_lapic(&t, 0, 1), srat_cpu(&t, 1, 1, 1), srat_mem(&t, 0, 4096, 1, 1);
    srat_initiator(&t, 1, 1), srat_x2apic(&t, 5, 1, 1), madt_x2apic(&t, 5, 1);
    put(&t, 0xff, 100);
    for (size_t len = 0; len <= t.len; len++) {
        struct srat_cpu c[8];
        struct srat_mem m[8];
        struct srat_initiator g[8];
        struct srat_records r = {.cpus = c, .mems = m, .initiators = g};
        u8 *cut = malloc(len + 1), a, b;
        struct slit_view v;
        struct fadt_info f;

        memcpy(cut + 1, t.b, len);
        srat_count(cut + 1, len, &r);
        REQUIRE_TRUE(r.cpu_max <= 8 && r.mem_max <= 8 && r.initiator_max <= 8);
        srat_parse(cut + 1, len, &r);
        madt_parse(cut + 1, len, cpus, 2, &info);
        slit_parse(cut + 1, len, &v);
        fadt_parse(cut + 1, len, &f);
        EXPECT_EQ(acpi_find_s5(cut + 1, len, &a, &b), -2);
        free(cut);
    }
    free(t.b);
}
