/*
 * CEDT: bridges and windows arrive as they are in the table; what cannot be is dropped and named.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/cedt.h"
#include "kernel/base/errno.h"
#include "kernel/base/firmware.h"
#include "kernel/base/ktest.h"
#include "mm/numa/cxl_windows.h"
#include "tests/acpi/acpi_build.h"
#include "tests/host/shim.h"

#define MIB256 0x10000000ULL

static struct cedt_bridge bridges[8];
static struct cedt_window windows[8];
static struct table t;

static void chbs(u32 uid, u32 version, u64 base)
{
    put(&t, 0, 2);
    put(&t, 32, 2);
    put(&t, uid, 4);
    put(&t, version, 4);
    put(&t, 0, 4);
    put(&t, base, 8);
    put(&t, version ? 0x10000 : 0x2000, 8);
}

/* A window with targets 7, 8, 9, ...; returns its offset. */
static size_t cfmws(u64 base, u64 size, u8 ways, u32 targets)
{
    size_t at = t.len;

    put(&t, 1, 2);
    put(&t, 36 + 4 * targets, 2);
    put(&t, 0, 4);
    put(&t, base, 8);
    put(&t, size, 8);
    put(&t, ways, 1);
    put(&t, 0, 1);
    put(&t, 0, 2);
    put(&t, 2, 4);   /* 1 KiB */
    put(&t, 0x6, 2); /* host-coherent, volatile */
    put(&t, 3, 2);
    for (u32 i = 0; i < targets; i++)
        put(&t, 7 + i, 4);
    return at;
}

static void begin(void)
{
    free(t.b);
    put_header(&t, "CEDT", 1);
    shim_log_reset();
}

/* From exactly as many bytes as there are, so that ASan sees a read beyond them. */
static int parse_len(size_t len, struct cedt_records *r)
{
    u8 *copy = malloc(len ? len : 1);
    int err;

    if (!copy)
        abort();
    memcpy(copy, t.b, len);
    cedt_count(copy, len, r);
    r->bridges = bridges;
    r->windows = windows;
    r->bridge_max = MIN(r->bridge_max, ARRAY_SIZE(bridges));
    r->window_max = MIN(r->window_max, ARRAY_SIZE(windows));
    err = cedt_parse(copy, len, r);
    free(copy);
    return err;
}

static int parse(struct cedt_records *r)
{
    seal(&t);
    return parse_len(t.len, r);
}

static u32 found(enum firmware_id id)
{
    return firmware_found()->count[id];
}

KTEST(acpi_cedt, bridges_and_windows)
{
    struct cedt_records r = {0};

    begin();
    chbs(7, 1, 0x380000000ULL);
    cfmws(SZ_4G, 16 * MIB256, 1, 2);
    put(&t, 2, 2); /* CXIMS: 9.17.1.4, not read */
    put(&t, 16, 2);
    put(&t, 0, 12);
    chbs(8, 0, 0xfe000000);
    REQUIRE_EQ(parse(&r), 0);
    EXPECT_EQ(r.entries, 4);
    EXPECT_EQ(r.unknown_types, 1);
    EXPECT_EQ(r.dropped, 0);
    REQUIRE_EQ(r.bridge_count, 2);
    EXPECT_TRUE(bridges[0].uid == 7 && bridges[0].version == 1);
    EXPECT_EQ(bridges[0].base, 0x380000000ULL);
    EXPECT_EQ(bridges[1].length, 0x2000);
    EXPECT_EQ(bridges[1].entry, 3);
    REQUIRE_EQ(r.window_count, 1);
    EXPECT_EQ(windows[0].base, SZ_4G);
    EXPECT_EQ(windows[0].size, 16 * MIB256);
    EXPECT_EQ(windows[0].ways, 2);
    EXPECT_EQ(windows[0].granularity, 1024);
    EXPECT_EQ(windows[0].restrictions, 1u << 1 | 1u << 2);
    EXPECT_EQ(windows[0].qtg, 3);
    EXPECT_FALSE(windows[0].xor);
    EXPECT_TRUE(windows[0].targets[0] == 7 && windows[0].targets[1] == 8);
    EXPECT_EQ(shim_log_count(), 0);
}

KTEST(acpi_cedt, ways)
{
    static const u32 want[] = {1, 2, 4, 8, 16, 0, 0, 0, 3, 6, 12, 0, 0};
    struct cedt_records r = {0};

    for (u8 code = 0; code < ARRAY_SIZE(want); code++) {
        begin();
        cfmws(SZ_4G, MIB256, code, want[code]);
        EXPECT_EQ(parse(&r), 0);
        EXPECT_EQ(r.window_count, want[code] != 0);
        EXPECT_EQ(found(FW_CEDT_WINDOW), want[code] == 0);
        if (r.window_count)
            EXPECT_EQ(windows[0].targets[want[code] - 1], 6 + want[code]);
    }
    begin();
    cfmws(SZ_4G, MIB256, 255, 0);
    EXPECT_EQ(parse(&r), 0);
    EXPECT_EQ(r.dropped, 1);
}

KTEST(acpi_cedt, windows_that_cannot_be)
{
    struct cedt_records r = {0};

    begin();
    cfmws(SZ_4G, 0, 0, 1);
    cfmws(SZ_4G + SZ_1M, MIB256, 0, 1);
    cfmws(SZ_4G, MIB256 - 1, 0, 1);
    cfmws(~0ULL - MIB256 + 1, 2 * MIB256, 0, 1);
    cfmws(SZ_4G, MIB256, 2, 3); /* one target short of four ways */
    cfmws(SZ_4G, MIB256, 0, 1);
    REQUIRE_EQ(parse(&r), 0);
    REQUIRE_EQ(r.window_count, 1);
    EXPECT_EQ(windows[0].entry, 5);
    EXPECT_EQ(r.dropped, 5);
    EXPECT_EQ(found(FW_CEDT_WINDOW), 4);
    EXPECT_EQ(found(FW_CEDT_ENTRY_LENGTH), 1);
    EXPECT_TRUE(shim_log_contains("type 1 length 48, needs 52, dropped"));
}

KTEST(acpi_cedt, cut_anywhere)
{
    struct cedt_records r = {0};

    begin();
    chbs(7, 1, 0x380000000ULL);
    cfmws(SZ_4G, MIB256, 1, 2);
    chbs(8, 1, 0x390000000ULL);
    seal(&t);
    for (size_t len = 0; len < t.len; len++) {
        shim_log_reset();
        EXPECT_EQ(parse_len(len, &r), len < 36 ? -EINVAL : 0);
        EXPECT_EQ(r.bridge_count, len >= 68);
        EXPECT_EQ(r.window_count, len >= 112);
        EXPECT_EQ(found(FW_CEDT_SHORT), len < 36);
        /* Less than the four bytes of a head is no entry. */
        bool stray = (len > 36 && len < 40) || (len > 68 && len < 72) || (len > 112 && len < 116);

        EXPECT_EQ(found(FW_TABLE_STRAY_BYTES), stray);
        EXPECT_EQ(found(FW_CEDT_ENTRY_CUT), len > 36 && len != 68 && len != 112 && !stray);
    }
}

KTEST(acpi_cedt, short_entries_and_no_progress)
{
    struct cedt_records r = {0};

    begin();
    put(&t, 0, 2);
    put(&t, 31, 2);
    put(&t, 0, 27);
    put(&t, 1, 2);
    put(&t, 35, 2);
    put(&t, 0, 31);
    put(&t, 0, 2);
    put(&t, 0, 2); /* a length of 0 must not loop */
    put(&t, 0, 28);
    REQUIRE_EQ(parse(&r), 0);
    EXPECT_EQ(r.dropped, 2);
    EXPECT_EQ(r.bridge_count + r.window_count, 0);
    EXPECT_EQ(found(FW_CEDT_ENTRY_CUT), 1);
}

KTEST(acpi_cedt, full_arrays)
{
    struct cedt_records r = {0};

    begin();
    for (u32 i = 0; i < 10; i++) {
        chbs(i, 1, 0);
        cfmws(SZ_4G + i * MIB256, MIB256, 0, 1);
    }
    EXPECT_EQ(parse(&r), 0);
    EXPECT_EQ(r.bridge_count, 8);
    EXPECT_EQ(r.window_count, 8);
    EXPECT_EQ(r.no_room, 4);
}

KTEST(acpi_cedt, words)
{
    char text[80], small[12];

    EXPECT_STREQ(cedt_restrictions_text(0, text, sizeof(text)), "unrestricted");
    EXPECT_STREQ(cedt_restrictions_text(0x1e, text, sizeof(text)),
                 "host-coherent, volatile, persistent, fixed");
    EXPECT_STREQ(cedt_restrictions_text(0xffff, small, sizeof(small)), "device-cohe");
}

KTEST(acpi_cedt, windows_without_a_node)
{
    struct numa_node nodes[4] = {{.pxm = 0}, {.pxm = 5}, {.pxm = 6}, {.pxm = 9}};
    struct srat_mem mems[] = {
        {.base = 0, .length = SZ_4G, .pxm = 0, .flags = SRAT_MEM_ENABLED},
        {.base = SZ_4G, .length = MIB256, .pxm = 9, .flags = SRAT_MEM_ENABLED},
        {.base = SZ_4G + MIB256, .length = SZ_4G, .pxm = 5}, /* disabled: it does not count */
        {.base = SZ_4G + 8 * MIB256, .length = MIB256, .pxm = 9, .flags = SRAT_MEM_ENABLED},
    };
    struct srat_records srat = {.mems = mems, .mem_count = ARRAY_SIZE(mems)};
    struct numa_topology topo = {.nodes = nodes, .node_count = 4, .from_srat = true};
    struct cedt_records r = {0};

    begin();
    chbs(7, 1, 0x380000000ULL);
    cfmws(SZ_4G, 4 * MIB256, 1, 2);          /* the SRAT knows its beginning */
    cfmws(SZ_4G + 4 * MIB256, MIB256, 0, 1); /* in a hole of node 3 */
    cfmws(SZ_4G + 9 * MIB256, 2 * MIB256, 0, 1);
    cfmws(SZ_4G + 10 * MIB256, 2 * MIB256, 0, 1); /* overlaps the one before */
    cfmws(SZ_4G + 20 * MIB256, MIB256, 0, 1);
    REQUIRE_EQ(parse(&r), 0);
    EXPECT_EQ(cxl_window_node(&topo, &srat, &windows[0]), 3);
    EXPECT_EQ(cxl_window_node(&topo, &srat, &windows[1]), NODE_NONE);
    cxl_windows_report(&topo, &srat, &r);
    EXPECT_TRUE(shim_log_contains("CEDT: CXL host bridge 7: CXL 2.0 or later"));
    EXPECT_TRUE(shim_log_contains("CEDT: window [mem 0x100000000-0x13fffffff]: 2-way, 1024 bytes, "
                                  "bridges 7,8: host-coherent, volatile"));
    EXPECT_EQ(found(FW_CEDT_NO_SRAT), 4);
    /* acpi_parse_cfmws() of Linux 6.12 counts on from the SRAT's last node. */
    EXPECT_TRUE(shim_log_contains("CEDT: entry 2: window [mem 0x140000000-0x14fffffff] is in no "
                                  "SRAT entry: Linux makes it node 4"));
    EXPECT_TRUE(shim_log_contains("CEDT: entry 3: window [mem 0x190000000-0x1afffffff] is in no "
                                  "SRAT entry: Linux makes it node 5"));
    EXPECT_TRUE(shim_log_contains("CEDT: entry 4: window [mem 0x1a0000000-0x1bfffffff] is in no "
                                  "SRAT entry: Linux gives it the node of an earlier window"));
    EXPECT_TRUE(shim_log_contains("CEDT: entry 5: window [mem 0x240000000-0x24fffffff] is in no "
                                  "SRAT entry: Linux makes it node 6"));
    /* Without an SRAT no window has a node, and Linux drops those that it made. */
    topo.from_srat = false;
    shim_log_reset();
    cxl_windows_report(&topo, NULL, &r);
    EXPECT_EQ(found(FW_CEDT_NO_SRAT), 5);
    EXPECT_TRUE(shim_log_contains("without a usable SRAT it has no node"));
    free(t.b);
    t = (struct table){0};
}
