/*
 * boot/efi_memmap: what only the EFI memory map says arrives; a wrong descriptor is dropped alone.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include "boot/boot_info_build.h"
#include "boot/efi_memmap.h"
#include "boot/memmap.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "tests/host/shim.h"

#define NV       (1ULL << 15)
#define RELIABLE (1ULL << 16)
#define SP       (1ULL << 18)

static struct boot_info info;

struct entry {
    u32 type;
    u64 base, pages, attribute;
};

/* Exactly as many bytes as there are, so that ASan sees a read beyond them. */
static void take(const struct entry *e, u32 n, u32 entry_size, u32 cut, bool whole)
{
    u32 len = n * entry_size - cut;
    u8 *bytes = malloc(len ? len : 1), *whole_bytes = calloc(n, entry_size);

    if (!bytes || !whole_bytes)
        abort();
    for (u32 i = 0; i < n; i++) {
        u64 words[5] = {e[i].type, e[i].base, 0, e[i].pages, e[i].attribute};

        memcpy(whole_bytes + i * entry_size, words, sizeof(words));
    }
    memcpy(bytes, whole_bytes, len);
    shim_log_reset();
    boot_info_init(&info, BOOT_MULTIBOOT2);
    efi_memmap_take(bytes, len, entry_size, whole, &info);
    free(bytes);
    free(whole_bytes);
}

KTEST(efi_memmap, every_type)
{
    static const struct {
        u32 type;
        u64 attribute;
        enum boot_mem_type want;
    } cases[] = {
        {0, 0, BOOT_MEM_RESERVED},
        {1, 0, BOOT_MEM_RAM},
        {2, 0, BOOT_MEM_RAM},
        {3, 0, BOOT_MEM_RAM},
        {4, 0, BOOT_MEM_RAM},
        {5, 0, BOOT_MEM_RESERVED},
        {6, 0, BOOT_MEM_RESERVED},
        {7, 0, BOOT_MEM_RAM},
        {7, SP, BOOT_MEM_SPECIAL},
        {7, SP | RELIABLE, BOOT_MEM_SPECIAL},
        {6, SP, BOOT_MEM_RESERVED},
        {8, 0, BOOT_MEM_UNUSABLE},
        {9, 0, BOOT_MEM_ACPI},
        {10, 0, BOOT_MEM_NVS},
        {11, 0, BOOT_MEM_RESERVED},
        {12, 0, BOOT_MEM_RESERVED},
        {13, 0, BOOT_MEM_RESERVED},
        {14, NV, BOOT_MEM_PMEM},
        {15, 0, BOOT_MEM_UNACCEPTED},
        {15, RELIABLE, BOOT_MEM_UNACCEPTED},
        {16, 0, BOOT_MEM_RESERVED},
        {0x70000001, 0, BOOT_MEM_RESERVED},
        {0x80000000, 0, BOOT_MEM_RESERVED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct entry e = {cases[i].type, 0x100000, 16, cases[i].attribute};

        take(&e, 1, 48, 0, true);
        REQUIRE_EQ(info.n_ranges, 1);
        EXPECT_EQ(info.ranges[0].type, cases[i].want);
        EXPECT_EQ(info.ranges[0].base, 0x100000);
        EXPECT_EQ(info.ranges[0].end, 0x110000);
    }
}

KTEST(efi_memmap, beside_another_map_only_what_that_cannot_say)
{
    static const struct entry map[] = {
        {7, 0x100000, 256, 0},  {7, 0x200000, 256, SP}, {14, 0x300000, 256, NV},
        {15, 0x400000, 256, 0}, {9, 0x500000, 256, 0},  {0, 0x600000, 256, 0},
    };

    take(map, ARRAY_SIZE(map), 48, 0, false);
    REQUIRE_EQ(info.n_ranges, 3);
    EXPECT_EQ(info.ranges[0].type, BOOT_MEM_SPECIAL);
    EXPECT_EQ(info.ranges[1].type, BOOT_MEM_PMEM);
    EXPECT_EQ(info.ranges[2].type, BOOT_MEM_UNACCEPTED);
    EXPECT_EQ(info.efi.entries, 6);
    EXPECT_EQ(info.efi.entry_size, 48);
}

/* Whatever the other map calls it, RAM or reserved, the EFI map's word stands. */
KTEST(efi_memmap, wins_in_the_normalised_map)
{
    static const struct entry map[] = {
        {7, 0x200000, 16, SP}, {14, 0x300000, 16, NV}, {15, 0x400000, 16, 0}};
    struct boot_mem_range out[16];
    u64 clipped;
    u32 n;

    take(map, ARRAY_SIZE(map), 48, 0, false);
    boot_info_add_range(&info, 0x100000, 0x200000, BOOT_MEM_RAM, "t", 0, 0);
    boot_info_add_range(&info, 0x300000, 0x200000, BOOT_MEM_RESERVED, "t", 1, 0);
    REQUIRE_EQ(memmap_normalise(info.ranges, info.n_ranges, SZ_4G, out, 16, &n, &clipped), 0);
    REQUIRE_EQ(n, 7);
    EXPECT_TRUE(out[1].type == BOOT_MEM_SPECIAL && out[1].base == 0x200000);
    EXPECT_TRUE(out[3].type == BOOT_MEM_PMEM && out[3].base == 0x300000);
    EXPECT_TRUE(out[5].type == BOOT_MEM_UNACCEPTED && out[5].base == 0x400000);
    EXPECT_STREQ(memmap_type_name(out[5].type), "unaccepted");
}

KTEST(efi_memmap, attributes_of_neighbours_are_joined)
{
    static const struct entry map[] = {
        {7, 0x100000, 16, RELIABLE}, {4, 0x110000, 16, RELIABLE | 0xf},
        {7, 0x120000, 16, 0},        {7, 0x130000, 16, RELIABLE},
        {7, 0x140000, 16, NV},       {7, 0x150000, 16, NV | RELIABLE},
        {5, 0x160000, 16, RELIABLE}, {14, 0x170000, 16, NV},
    };

    take(map, ARRAY_SIZE(map), 40, 0, false);
    REQUIRE_EQ(info.n_attrs, 4);
    EXPECT_TRUE(info.attrs[0].base == 0x100000 && info.attrs[0].end == 0x120000);
    EXPECT_EQ(info.attrs[0].attr, BOOT_ATTR_RELIABLE);
    EXPECT_EQ(info.attrs[1].base, 0x130000);
    EXPECT_EQ(info.attrs[2].attr, BOOT_ATTR_NONVOLATILE);
    EXPECT_EQ(info.attrs[3].attr, BOOT_ATTR_NONVOLATILE | BOOT_ATTR_RELIABLE);
    EXPECT_EQ(info.efi.ram_pages, 6 * 16);
    EXPECT_EQ(info.efi.reliable_pages, 4 * 16);
}

KTEST(efi_memmap, longer_descriptors_are_stepped_over)
{
    static const struct entry map[] = {{7, 0x100000, 16, 0}, {7, 0x200000, 16, SP}};

    for (u32 size = 40; size <= 128; size += 8) {
        take(map, 2, size, 0, true);
        REQUIRE_EQ(info.n_ranges, 2);
        EXPECT_EQ(info.ranges[1].type, BOOT_MEM_SPECIAL);
        EXPECT_EQ(shim_log_count(), 0);
    }
}

/* Every length, so every place where a descriptor can be cut. */
KTEST(efi_memmap, cut_anywhere)
{
    static const struct entry map[] = {{7, 0x100000, 16, 0}, {7, 0x200000, 16, SP}};

    for (u32 cut = 0; cut <= 96; cut++) {
        take(map, 2, 48, cut, true);
        EXPECT_EQ(info.n_ranges, (96 - cut) / 48);
        EXPECT_EQ(shim_log_matches("are ignored"), (96 - cut) % 48 != 0);
    }
}

KTEST(efi_memmap, ranges_that_cannot_be)
{
    static const struct entry map[] = {
        {7, 0, 1ULL << 52, RELIABLE},
        {15, ~0ULL - 0xfff, 2, 0},
        {7, 0x1000, 0, RELIABLE},
        {14, 0x1000, ~0ULL, NV},
    };

    take(map, ARRAY_SIZE(map), 48, 0, true);
    EXPECT_EQ(info.n_ranges, 0);
    EXPECT_EQ(info.dropped_ranges, 3);
    EXPECT_EQ(info.n_attrs, 0);
    EXPECT_EQ(shim_log_matches("firmware bug: EFI memory map: entry "), 3);
}

KTEST(efi_memmap, more_attributes_than_fit)
{
    static struct entry map[BOOT_MAX_ATTRS + 5];

    for (u32 i = 0; i < ARRAY_SIZE(map); i++)
        map[i] = (struct entry){7, i * 0x10000ULL, 1, RELIABLE};
    take(map, ARRAY_SIZE(map), 48, 0, false);
    EXPECT_EQ(info.n_attrs, BOOT_MAX_ATTRS);
    EXPECT_EQ(info.dropped_attrs, 5);
    EXPECT_EQ(shim_log_matches("attributes of"), 1);
}
