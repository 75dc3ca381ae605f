/*
 * boot/memmap: the printed form, the limit, wraps and the edges of the address space.
 * SPDX-License-Identifier: MIT
 */
#include "boot/boot_info_build.h"
#include "boot/memmap.h"
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "tests/host/shim.h"

#define LIMIT 0x400000000000ULL /* 64 TiB */

static struct boot_mem_range out[8];
static u32 count;
static u64 clipped;

KTEST(memmap, prints_as_linux)
{
    static const struct boot_mem_range map[] = {
        {0, 0x9fc00, BOOT_MEM_RAM},
        {0x9fc00, 0xa0000, BOOT_MEM_RESERVED},
        {0xbffe0000, 0xc0000000, BOOT_MEM_ACPI},
        {0xc0000000, 0xc0001000, BOOT_MEM_NVS},
        {0xc0001000, 0xc0002000, BOOT_MEM_UNUSABLE},
        {0x100000000, 0x140000000, BOOT_MEM_PMEM},
        {0x140000000, 0x180000000, BOOT_MEM_SPECIAL},
    };

    shim_log_reset();
    memmap_print(map, ARRAY_SIZE(map));
    EXPECT_EQ(shim_log_count(), ARRAY_SIZE(map));
    EXPECT_STREQ(shim_log_line(0), "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable");
    EXPECT_STREQ(shim_log_line(1),
                 "BIOS-e820: [mem 0x000000000009fc00-0x000000000009ffff] reserved");
    EXPECT_STREQ(shim_log_line(2),
                 "BIOS-e820: [mem 0x00000000bffe0000-0x00000000bfffffff] ACPI data");
    EXPECT_TRUE(shim_log_contains("ACPI NVS"));
    EXPECT_TRUE(shim_log_contains("unusable"));
    EXPECT_TRUE(shim_log_contains("persistent (type 7)"));
    EXPECT_TRUE(shim_log_contains("soft reserved"));
}

KTEST(memmap, reserved_splits_ram)
{
    static const struct boot_mem_range map[] = {
        {0x6000, 0x9000, BOOT_MEM_RAM},
        {0x0000, 0x8000, BOOT_MEM_RAM},
        {0x3000, 0x4000, BOOT_MEM_RESERVED},
    };

    REQUIRE_EQ(memmap_normalise(map, 3, LIMIT, out, 8, &count, &clipped), 0);
    REQUIRE_EQ(count, 3);
    EXPECT_TRUE(out[0].base == 0 && out[0].end == 0x3000 && out[0].type == BOOT_MEM_RAM);
    EXPECT_TRUE(out[1].base == 0x3000 && out[1].end == 0x4000 && out[1].type == BOOT_MEM_RESERVED);
    EXPECT_TRUE(out[2].base == 0x4000 && out[2].end == 0x9000 && out[2].type == BOOT_MEM_RAM);
    EXPECT_EQ(clipped, 0);
}

KTEST(memmap, where_a_range_stops_being_ram)
{
    static const struct boot_mem_range map[] = {
        {0x300000, 0x400000, BOOT_MEM_RAM},
        {0x100000, 0x300000, BOOT_MEM_RAM},
        {0x280000, 0x281000, BOOT_MEM_NVS},
    };
    enum boot_mem_type type = BOOT_MEM_RAM;

    EXPECT_EQ(memmap_first_not_ram(map, 3, 0x281000, 0x400000, &type), 0x400000);
    EXPECT_EQ(memmap_first_not_ram(map, 3, 0x200000, 0x400000, &type), 0x280000);
    EXPECT_EQ(type, BOOT_MEM_NVS);
    EXPECT_EQ(memmap_first_not_ram(map, 3, 0x300000, 0x400001, &type), 0x400000);
    EXPECT_EQ(type, BOOT_MEM_TYPES);
}

/* Where ranges overlap the stricter type wins here too, in whatever order they are. */
KTEST(memmap, questions_to_a_raw_map)
{
    static const struct boot_mem_range map[] = {
        {0x100000, 0x200000, BOOT_MEM_RAM},      {0x0, 0x9000, BOOT_MEM_RAM},
        {0x180000, 0x190000, BOOT_MEM_RESERVED}, {0x200000, 0x210000, BOOT_MEM_ACPI},
        {0x210000, 0x220000, BOOT_MEM_NVS},      {0x300000, 0x310000, BOOT_MEM_UNUSABLE},
    };
    static const struct {
        u64 base, end;
        bool ram, listed;
    } asked[] = {
        {0x100000, 0x100001, true, true},  {0x180000, 0x190000, false, true},
        {0x180000, 0x190001, true, true},  {0x200000, 0x200001, true, true},
        {0x210000, 0x220000, false, true}, {0x210000, 0x220001, false, false},
        {0x9000, 0x100000, false, false},  {0x8fff, 0x9001, true, false},
        {0x300000, 0x300001, true, true},  {0x400000, ~0ULL, false, false},
        {0x20ffff, 0x210001, true, true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        EXPECT_EQ(memmap_is_ram(map, ARRAY_SIZE(map), asked[i].base, asked[i].end), asked[i].ram);
        EXPECT_EQ(memmap_lists(map, ARRAY_SIZE(map), asked[i].base, asked[i].end), asked[i].listed);
    }
}

KTEST(memmap, limit_is_reported_once_per_byte)
{
    static const struct boot_mem_range map[] = {
        {LIMIT - 0x100000, LIMIT + 0x200000, BOOT_MEM_RAM},
        {LIMIT + 0x100000, LIMIT + 0x400000, BOOT_MEM_RAM},
        {LIMIT + 0x400000, LIMIT + 0x500000, BOOT_MEM_RESERVED},
    };

    shim_log_reset();
    REQUIRE_EQ(memmap_normalise(map, 3, LIMIT, out, 8, &count, &clipped), 0);
    REQUIRE_EQ(count, 1);
    EXPECT_EQ(out[0].end, LIMIT);
    EXPECT_EQ(clipped, 0x400000);
    EXPECT_TRUE(shim_log_contains("boot: 4 MiB of RAM above 0x400000000000 are left unused"));
}

KTEST(memmap, top_of_the_address_space)
{
    static const struct boot_mem_range map[] = {
        {0, ~0ULL, BOOT_MEM_RAM},
        {5, 3, BOOT_MEM_UNUSABLE},
        {7, 7, BOOT_MEM_UNUSABLE},
    };

    shim_log_reset();
    REQUIRE_EQ(memmap_normalise(map, 3, ~0ULL, out, 8, &count, &clipped), 0);
    REQUIRE_EQ(count, 1);
    EXPECT_EQ(out[0].end, ~0ULL);
    EXPECT_TRUE(shim_log_contains("firmware bug: memory map: entry 1: begins at 0x5, ends at 0x3"));
    EXPECT_EQ(firmware_found()->count[FW_MEMMAP_WRAPS], 1);
    EXPECT_EQ(shim_log_count(), 1);
    REQUIRE_EQ(memmap_normalise(map, 0, LIMIT, out, 8, &count, &clipped), 0);
    EXPECT_EQ(count, 0);
}

/* Memory that holds somebody's data is never taken for RAM that is used last. */
KTEST(memmap, types_of_the_bios_map)
{
    static const struct {
        u32 type;
        enum boot_mem_type want;
    } cases[] = {
        {1, BOOT_MEM_RAM},      {2, BOOT_MEM_RESERVED},  {3, BOOT_MEM_ACPI},
        {4, BOOT_MEM_NVS},      {5, BOOT_MEM_UNUSABLE},  {6, BOOT_MEM_RESERVED},
        {7, BOOT_MEM_PMEM},     {12, BOOT_MEM_PMEM},     {0xefffffff, BOOT_MEM_SPECIAL},
        {0, BOOT_MEM_RESERVED}, {99, BOOT_MEM_RESERVED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        EXPECT_EQ(boot_mem_type_of_e820(cases[i].type), cases[i].want);
}
