/*
 * SMBIOS: entry points, and the strings of structures 0 and 1.
 * SPDX-License-Identifier: MIT
 */
#include "boot/smbios.h"
#include "kernel/base/errno.h"
#include "kernel/base/string.h"

#define AREA_BASE  0xf0000 /* 5.2: the BIOS area, on 16-byte boundaries */
#define AREA_SIZE  0x10000
#define TABLE_MAX  0x10000 /* structures 0 and 1 are first in known tables */
#define EFI_TABLES 128     /* a longer configuration table is not read */

/* 5.2.1: SMBIOS 2.1 entry point. */
struct entry_32 {
    char anchor[4]; /* "_SM_" */
    u8 checksum, length, major, minor;
    u16 max_structure;
    u8 revision, formatted[5];
    char dmi_anchor[5]; /* "_DMI_" */
    u8 dmi_checksum;
    u16 table_length;
    u32 table;
    u16 count;
    u8 bcd;
} PACKED;
static_assert(sizeof(struct entry_32) == 31, "SMBIOS 2.1 entry point");

/* 5.2.2: SMBIOS 3.0 entry point. */
struct entry_64 {
    char anchor[5]; /* "_SM3_" */
    u8 checksum, length, major, minor, docrev, revision, reserved;
    u32 table_max;
    u64 table;
} PACKED;
static_assert(sizeof(struct entry_64) == 24, "SMBIOS 3.0 entry point");

/* UEFI 2.10, 4.3: system table of a 64-bit machine. */
struct efi_system_table {
    char signature[8]; /* "IBI SYST" */
    u8 rest[96];
    u64 count, tables;
} PACKED;
static_assert(sizeof(struct efi_system_table) == 120, "EFI system table");

/* UEFI 2.10, 4.6: one entry of the configuration table. */
struct efi_configuration {
    u8 guid[16];
    u64 table;
} PACKED;
static_assert(sizeof(struct efi_configuration) == 24, "EFI configuration table");

static const u8 guid_smbios3[16] = {0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a,
                                    0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94};
static const u8 guid_smbios[16] = {0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                   0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};

struct place {
    u64 pa;
    u32 len;
};

static bool sums_to_zero(const u8 *p, u32 len)
{
    u8 sum = 0;

    while (len--)
        sum = (u8)(sum + *p++);
    return sum == 0;
}

/* False: no valid entry point at p. */
static bool read_entry(const u8 *p, size_t len, struct place *out)
{
    struct entry_64 e64;
    struct entry_32 e32;

    if (len >= sizeof(e64) && memcmp(p, "_SM3_", 5) == 0) {
        memcpy(&e64, p, sizeof(e64));
        *out = (struct place){e64.table, MIN(e64.table_max, (u32)TABLE_MAX)};
        return e64.length >= sizeof(e64) && e64.length <= len && sums_to_zero(p, e64.length);
    }
    if (len >= sizeof(e32) && memcmp(p, "_SM_", 4) == 0) {
        memcpy(&e32, p, sizeof(e32));
        *out = (struct place){e32.table, e32.table_length};
        return memcmp(e32.dmi_anchor, "_DMI_", 5) == 0 && sums_to_zero(p + 16, 15);
    }
    return false;
}

static bool in_bios_area(const struct phys_window *w, struct place *out)
{
    const u8 *p = phys_map(w, AREA_BASE, AREA_SIZE);

    for (size_t at = 0; p && at < AREA_SIZE; at += 16)
        if (p[at] == '_' && read_entry(p + at, AREA_SIZE - at, out))
            return true;
    return false;
}

/* Firmware may list both entry points; the newer one is used. */
static bool by_efi(const struct phys_window *w, u64 system, struct place *out)
{
    struct efi_system_table s;
    struct efi_configuration c;
    const void *p = system ? phys_map(w, system, sizeof(s)) : NULL;
    u64 entry = 0;

    if (!p)
        return false;
    memcpy(&s, p, sizeof(s));
    if (memcmp(s.signature, "IBI SYST", 8) != 0 || s.count > EFI_TABLES)
        return false;
    p = s.count ? phys_map(w, s.tables, s.count * sizeof(c)) : NULL;
    for (u64 i = 0; p && i < s.count; i++) {
        memcpy(&c, (const u8 *)p + i * sizeof(c), sizeof(c));
        if (memcmp(c.guid, guid_smbios3, 16) == 0 ||
            (!entry && memcmp(c.guid, guid_smbios, 16) == 0))
            entry = c.table;
    }
    p = entry ? phys_map(w, entry, sizeof(struct entry_32)) : NULL;
    return p && read_entry(p, sizeof(struct entry_32), out);
}

/* The first byte behind the string at p and its NUL. */
static const u8 *skip_string(const u8 *p, const u8 *end)
{
    while (p < end && *p)
        p++;
    return p < end ? p + 1 : end;
}

/* String number n (from 1) of a set that ends with an empty one (6.1.3); "" when there is none. */
static void copy_text(char out[SMBIOS_TEXT_MAX], const u8 *p, const u8 *end, u8 n)
{
    u32 len = 0;

    for (u8 i = 1; i < n && p < end && *p; i++)
        p = skip_string(p, end);
    for (; n && p < end && *p && len < SMBIOS_TEXT_MAX - 1; p++)
        out[len++] = (char)(*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\' ? '.' : *p);
    while (len && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
}

/* 6.1: type, length of the formatted part, handle; then strings, and an empty one. */
static const u8 *take_structure(const u8 *p, const u8 *end, struct smbios_texts *out)
{
    const u8 *strings = p + p[1];

    if (p[0] == 0 && p[1] >= 6) { /* 7.1: vendor at 4, version at 5 */
        copy_text(out->bios_vendor, strings, end, p[4]);
        copy_text(out->bios_version, strings, end, p[5]);
    }
    if (p[0] == 1 && p[1] >= 6) { /* 7.2: manufacturer at 4, product at 5 */
        copy_text(out->vendor, strings, end, p[4]);
        copy_text(out->product, strings, end, p[5]);
    }
    if (strings < end && !*strings)
        strings++; /* no strings: two NULs */
    while (strings < end && *strings)
        strings = skip_string(strings, end);
    return strings < end ? strings + 1 : end;
}

static void walk(const u8 *p, const u8 *end, struct smbios_texts *out)
{
    while (end - p >= 4 && p[0] != 127 && p[1] >= 4 && p[1] <= end - p)
        p = take_structure(p, end, out);
}

int smbios_read(const struct phys_window *w, u64 efi_system_table, struct smbios_texts *out)
{
    struct place table;
    const u8 *p;

    memset(out, 0, sizeof(*out));
    if (!by_efi(w, efi_system_table, &table) && !in_bios_area(w, &table))
        return -ENOENT;
    p = table.len ? phys_map(w, table.pa, table.len) : NULL;
    if (!p)
        return -EINVAL;
    walk(p, p + table.len, out);
    return out->vendor[0] || out->product[0] || out->bios_vendor[0] ? 0 : -EINVAL;
}
