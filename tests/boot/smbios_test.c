/*
 * SMBIOS tables built byte by byte, by both entry points and by EFI; then cut and damaged anywhere.
 * SPDX-License-Identifier: MIT
 */
#include "boot/smbios.h"

#include <stdlib.h>
#include <string.h>
#include "kernel/base/ktest.h"
#include "tests/host/shim.h"

#define AREA  0xf0000
#define TABLE 0x7000000
#define EFI   0x7fe0000

/* Three pieces of physical memory, each in a block of its own size, so that ASan sees its end. */
static struct piece {
    u64 pa;
    size_t len;
    u8 *bytes;
} pieces[3];

static const void *map(void *ctx, u64 pa, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
        if (pieces[i].bytes && pa >= pieces[i].pa && pa + len <= pieces[i].pa + pieces[i].len)
            return pieces[i].bytes + (pa - pieces[i].pa);
    return NULL;
}

static const struct phys_window window = {map, NULL, NULL};
static struct smbios_texts got;

/* Type 0 with two strings; type 1 whose serial number must stay unread; the end. */
static const char table[] = "\x00\x18\x00\x00\x01\x02" /* then 18 bytes of no interest */
                            "..................Maker of BIOS\0"
                            "1.2 \0\0"
                            "\x02\x04\x02\x00\0\0" /* no strings */
                            "\x01\x1b\x01\x00\x01\x02\x03\x04.................xx"
                            "Vendor\0Pro\"duct\0V1\0SERIAL-4711\0\0"
                            "\x7f\x04\x03\x00\0";

static void piece(u32 i, u64 pa, size_t len, const void *bytes)
{
    free(pieces[i].bytes);
    pieces[i] = (struct piece){pa, len, len ? calloc(1, len) : NULL};
    if (bytes && len)
        memcpy(pieces[i].bytes, bytes, len);
}

static void fix_sum(u8 *p, u32 len, u32 at)
{
    u8 sum = 0;

    p[at] = 0;
    for (u32 i = 0; i < len; i++)
        sum = (u8)(sum + p[i]);
    p[at] = (u8)-sum;
}

static void entry_32(u8 *p, u32 pa, u16 len)
{
    memcpy(p, "_SM_\0\x1f\x02\x08", 8);
    memcpy(p + 16, "_DMI_", 5);
    memcpy(p + 22, &len, 2), memcpy(p + 24, &pa, 4);
    fix_sum(p + 16, 15, 5);
    fix_sum(p, 31, 4);
}

static void entry_64(u8 *p, u64 pa, u32 len)
{
    memcpy(p, "_SM3_\0\x18\x03\x03", 9);
    memcpy(p + 12, &len, 4), memcpy(p + 16, &pa, 8);
    fix_sum(p, 24, 5);
}

static void expect_all(void)
{
    EXPECT_STREQ(got.bios_vendor, "Maker of BIOS");
    EXPECT_STREQ(got.bios_version, "1.2");
    EXPECT_STREQ(got.vendor, "Vendor");
    EXPECT_STREQ(got.product, "Pro.duct");
}

static void set_up(void)
{
    piece(0, AREA, 0x10000, NULL);
    piece(1, TABLE, sizeof(table), table);
    piece(2, 0, 0, NULL);
}

KTEST(smbios, both_entry_points)
{
    set_up();
    EXPECT_EQ(smbios_read(&window, 0, &got), -2);
    EXPECT_STREQ(got.vendor, "");
    entry_32(pieces[0].bytes + 0x1230, TABLE, sizeof(table));
    EXPECT_EQ(smbios_read(&window, 0, &got), 0);
    expect_all();
    pieces[0].bytes[0x1230 + 16 + 8]++; /* its checksum is wrong now */
    EXPECT_EQ(smbios_read(&window, 0, &got), -2);
    entry_64(pieces[0].bytes + 0xffe0, TABLE, sizeof(table));
    EXPECT_EQ(smbios_read(&window, 0, &got), 0);
    expect_all();
    entry_64(pieces[0].bytes + 0xffe0, TABLE + 1, sizeof(table));
    EXPECT_EQ(smbios_read(&window, 0, &got), -22);
}

KTEST(smbios, by_efi)
{
    static const u8 guids[2][16] = {{0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11, 0x9a, 0x16,
                                     0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d},
                                    {0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a, 0x99, 0x2e,
                                     0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}};

    set_up();
    for (u32 i = 0; i < 2; i++) {
        u64 count = 1, at = EFI + 120, entry = EFI + 144;

        piece(2, EFI, 144 + 31, NULL);
        memcpy(pieces[2].bytes, "IBI SYST", 8);
        memcpy(pieces[2].bytes + 104, &count, 8), memcpy(pieces[2].bytes + 112, &at, 8);
        memcpy(pieces[2].bytes + 120, guids[i], 16), memcpy(pieces[2].bytes + 136, &entry, 8);
        if (i)
            entry_64(pieces[2].bytes + 144, TABLE, sizeof(table));
        else
            entry_32(pieces[2].bytes + 144, TABLE, sizeof(table));
        EXPECT_EQ(smbios_read(&window, EFI, &got), 0);
        expect_all();
        count = ~0ULL;
        memcpy(pieces[2].bytes + 104, &count, 8);
        EXPECT_EQ(smbios_read(&window, EFI, &got), -2);
    }
    EXPECT_EQ(smbios_read(&window, 0x1000, &got), -2);
}

/* ASan watches the ends; every text stays whole, and nobody reads the serial number. */
KTEST(smbios, cut_and_damaged_anywhere)
{
    for (size_t len = 0; len < sizeof(table); len++) {
        set_up();
        piece(1, TABLE, len, table);
        entry_64(pieces[0].bytes, TABLE, (u32)len);
        (void)!smbios_read(&window, 0, &got);
    }
    for (size_t at = 0; at < sizeof(table); at++) {
        for (u32 value = 0; value < 256; value++) {
            if (at == 0 && value == 0)
                set_up();
            entry_64(pieces[0].bytes, TABLE, sizeof(table));
            pieces[1].bytes[at] = (u8)value;
            (void)!smbios_read(&window, 0, &got);
            REQUIRE_TRUE(memchr(got.vendor, 0, sizeof(got.vendor)) &&
                         memchr(got.product, 0, sizeof(got.product)));
        }
        pieces[1].bytes[at] = (u8)table[at];
    }
    EXPECT_EQ(smbios_read(&window, 0, &got), 0);
    expect_all();
    for (u32 i = 0; i < 3; i++)
        piece(i, 0, 0, NULL);
}
