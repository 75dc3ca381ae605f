/*
 * The HPET table: those of real machines, made-up bad ones, and the capabilities register.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "acpi/hpet.h"
#include "kernel/base/ktest.h"
#include "tests/acpi/acpi_build.h"
#include "tests/host/host_rules.h"
#include "tests/host/shim.h"

static int parse(struct table *t, struct hpet_info *info)
{
    int err;

    shim_log_reset();
    seal(t);
    tighten(t);
    err = hpet_parse(t->b, t->len, info);
    free(t->b);
    return err;
}

static void build(struct table *t, u8 space, u64 address)
{
    put_header(t, "HPET", 1);
    put(t, 0x8086a201, 4);
    put(t, space, 1), put(t, 64, 1), put(t, 0, 1), put(t, 0, 1), put(t, address, 8);
    put(t, 3, 1), put(t, 0x37ee, 2), put(t, 0, 1);
}

KTEST(hpet, fields)
{
    struct hpet_info info;
    struct table t;

    build(&t, 0, 0xfed00000);
    REQUIRE_EQ(parse(&t, &info), 0);
    EXPECT_EQ(info.address, 0xfed00000);
    EXPECT_EQ(info.block_id, 0x8086a201);
    EXPECT_EQ(info.number, 3);
    EXPECT_EQ(info.min_tick, 0x37ee);
    EXPECT_EQ(shim_log_count(), 0);
}

KTEST(hpet, what_is_refused)
{
    static const struct {
        u8 space;
        u64 address;
        const char *line;
    } bad[] = {
        {1, 0xfed00000, "space 1, not memory"},
        {0, 0, "base address at offset 40 is 0x0"},
        {0, 0xfed00004, "is 0xfed00004"},
        {0, ~0ULL - 0x87, "base address"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct hpet_info info = {.address = 1};
        struct table t;

        build(&t, bad[i].space, bad[i].address);
        EXPECT_EQ(parse(&t, &info), -22);
        EXPECT_EQ(info.address, 0);
        EXPECT_TRUE(shim_log_contains(bad[i].line));
        EXPECT_TRUE(shim_log_contains("firmware bug: HPET"));
    }
}

KTEST(hpet, dropped_where_no_device_is)
{
    static const struct {
        u64 address;
        const char *why; /* NULL: it stays */
    } places[] = {
        {0xfed00000, NULL},
        {0x1fffff08, "base address 0x1fffff08: that is RAM: not used"},
        {0x20000000000, "beyond the CPU's physical addresses"},
        {0xfee00000 - 8, "that is the local APIC"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct hpet_info info;
        struct table t;

        build(&t, 0, places[i].address);
        REQUIRE_EQ(parse(&t, &info), 0);
        hpet_drop(&info, &host_rules);
        EXPECT_EQ(info.address, places[i].why ? 0 : places[i].address);
        EXPECT_EQ(shim_found(FIRMWARE_FAIL), places[i].why != NULL);
        EXPECT_TRUE(!places[i].why || shim_log_contains(places[i].why));
    }
}

/* ASan watches the end of each cut. */
KTEST(hpet, cut_off_at_every_length)
{
    for (size_t len = 0; len <= 56; len++) {
        struct hpet_info info;
        struct table t;
        u8 *cut = malloc(len + 1);

        build(&t, 0, 0xfed00000);
        memcpy(cut + 1, t.b, len);
        EXPECT_EQ(hpet_parse(cut + 1, len, &info), len < 56 ? -22 : 0);
        free(cut);
        free(t.b);
    }
}

KTEST(hpet, real_machines)
{
    static const char *const names[] = {"dell-poweredge-r820-e598", "supermicro-h8qg6-58e8",
                                        "evga-x299-micro-4b64", "huanan-x99-qd4-v1-0-734c"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct hpet_info info;
        char path[128];
        u8 bytes[256];
        FILE *f;
        size_t n;

        snprintf(path, sizeof(path), "tests/data/acpi/%s/HPET.bin", names[i]);
        f = fopen(path, "rb");
        REQUIRE_TRUE(f);
        n = fread(bytes, 1, sizeof(bytes), f);
        fclose(f);
        shim_log_reset();
        EXPECT_EQ(hpet_parse(bytes, n, &info), 0);
        EXPECT_EQ(info.address, 0xfed00000);
        EXPECT_EQ(shim_log_count(), 0);
    }
}

KTEST(hpet, capabilities)
{
    EXPECT_EQ(hpet_hz(0x0429b17f8086a201ULL), 14318180);  /* Intel: 69.841279 ns */
    EXPECT_EQ(hpet_hz(0x009896808086a201ULL), 100000000); /* QEMU: 10 ns */
    EXPECT_EQ(hpet_hz(0x05f5e10000000000ULL), 10000000);
    EXPECT_EQ(hpet_hz(0x05f5e10100000000ULL), 0); /* longer than 100 ns */
    EXPECT_EQ(hpet_hz(0x000000008086a201ULL), 0);
    EXPECT_EQ(hpet_hz(~0ULL), 0); /* nothing answers there */
    EXPECT_TRUE(hpet_is_64bit(0x8086a201));
    EXPECT_FALSE(hpet_is_64bit(0x80868201));
}
