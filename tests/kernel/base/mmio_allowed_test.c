/*
 * Which physical addresses may be registers or tables: the edges of each rule, and every verdict
 * beside the rule said another way (tests/host/host_rules.h).
 * SPDX-License-Identifier: MIT
 */
#include "boot/memmap.h"
#include "kernel/base/ktest.h"
#include "kernel/base/mmio_allowed.h"
#include "tests/host/host_rules.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"

static enum mmio_verdict ask(u64 base, u64 size)
{
    return mmio_allowed(&host_rules, base, size);
}

KTEST(mmio_allowed, edges)
{
    EXPECT_EQ(ask(0xfec00000, 0x20), MMIO_OK);
    EXPECT_EQ(ask(HOST_RAM_END, 1), MMIO_OK);
    EXPECT_EQ(ask(HOST_RAM_END - 1, 2), MMIO_RAM);
    EXPECT_EQ(ask(0, 8), MMIO_RAM);
    EXPECT_EQ(ask(HOST_IMAGE - 8, 8), MMIO_RAM);
    EXPECT_EQ(ask(HOST_IMAGE - 8, 9), MMIO_IMAGE);
    EXPECT_EQ(ask(HOST_IMAGE_END - 1, 1), MMIO_IMAGE);
    EXPECT_EQ(ask(HOST_IMAGE_END, 1), MMIO_RAM);
    EXPECT_EQ(ask(HOST_APIC - 8, 8), MMIO_OK);
    EXPECT_EQ(ask(HOST_APIC - 8, 9), MMIO_APIC);
    EXPECT_EQ(ask(HOST_APIC + 0xfff, 1), MMIO_APIC);
    EXPECT_EQ(ask(HOST_APIC + 0x1000, 1), MMIO_OK);
    EXPECT_EQ(ask(HOST_BEYOND - 8, 8), MMIO_OK);
    EXPECT_EQ(ask(HOST_BEYOND - 8, 9), MMIO_BEYOND);
    EXPECT_EQ(ask(0x20000000000, 8), MMIO_BEYOND);
    EXPECT_EQ(ask(~0ULL, 1), MMIO_WRAPS); /* its end is 2^64 */
    EXPECT_EQ(ask(~0ULL - 7, 9), MMIO_WRAPS);
    EXPECT_EQ(ask(0xfec00000, 0), MMIO_WRAPS);
}

KTEST(mmio_allowed, widths_that_no_cpu_has)
{
    static const u32 widths[] = {0, 1, 31, 53, 64, 255};
    struct mmio_rules r = {.phys_bits = 52};

    EXPECT_EQ(mmio_allowed(&r, (1ULL << 52) - 1, 1), MMIO_OK);
    EXPECT_EQ(mmio_allowed(&r, (1ULL << 52) - 1, 2), MMIO_BEYOND);
    for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
        r.phys_bits = widths[i];
        EXPECT_EQ(mmio_allowed(&r, (1ULL << 36) - 1, 1), MMIO_OK);
        EXPECT_EQ(mmio_allowed(&r, 1ULL << 36, 1), MMIO_BEYOND);
    }
}

KTEST(mmio_allowed, before_the_map_is_known)
{
    struct mmio_rules r = {.phys_bits = 40, .image = {HOST_IMAGE, HOST_IMAGE_END}};

    EXPECT_EQ(mmio_allowed(&r, 0x1000, 8), MMIO_OK);
    EXPECT_EQ(mmio_allowed(&r, HOST_IMAGE, 8), MMIO_IMAGE);
    EXPECT_EQ(table_allowed(&r, 0x200000000, 8), TABLE_LISTED);
    EXPECT_EQ(table_allowed(&r, HOST_BEYOND, 8), TABLE_NOWHERE);
}

KTEST(mmio_allowed, beside_the_rule_said_another_way)
{
    static const u64 around[] = {0,          HOST_IMAGE, HOST_IMAGE_END, HOST_RAM_END,
                                 0xfec00000, HOST_APIC,  SZ_4G,          HOST_BEYOND};
    u64 seed = 1;

    for (u32 i = 0; i < 200000; i++) {
        u64 base = around[random_xorshift(&seed) % ARRAY_SIZE(around)] +
                   random_xorshift(&seed) % 8192 - 4096;
        u64 size = 1 + random_xorshift(&seed) % 4096;

        REQUIRE_EQ(ask(base, size) == MMIO_OK, host_no_harm(base, size));
    }
}

KTEST(mmio_allowed, tables)
{
    const struct mmio_rules *r = &host_rules;

    EXPECT_EQ(table_allowed(r, 0x1ff00000, 0x100000), TABLE_LISTED);
    EXPECT_EQ(table_allowed(r, 0x1ff00000, 0x100001), TABLE_UNLISTED);
    EXPECT_EQ(table_allowed(r, 0x80000000, 36), TABLE_UNLISTED);
    EXPECT_EQ(table_allowed(r, 0xfffffff0, 36), TABLE_UNLISTED);
    EXPECT_EQ(table_allowed(r, SZ_4G, 36), TABLE_NOWHERE); /* may be a PCI device */
    EXPECT_EQ(table_allowed(r, HOST_APIC + 0xff0, 36), TABLE_NOWHERE);
    EXPECT_EQ(table_allowed(r, HOST_BEYOND - 35, 36), TABLE_NOWHERE);
    EXPECT_EQ(table_allowed(r, ~0ULL - 8, 36), TABLE_NOWHERE);
    EXPECT_EQ(table_allowed(r, 0x1000, 0), TABLE_NOWHERE);
}

/* The BIOS area is in few memory maps, and the RSDP of a BIOS machine is there. */
KTEST(mmio_allowed, the_first_mib_is_read_always)
{
    static const struct boot_mem_range map[] = {{0, 0x9fc00, BOOT_MEM_RAM},
                                                {0x100000, 0x200000, BOOT_MEM_RAM}};

    EXPECT_FALSE(memmap_lists(map, ARRAY_SIZE(map), 0xe0000, 0xe0010));
    EXPECT_EQ(table_allowed(&host_rules, 0xe0000, 0x20000), TABLE_LISTED);
    EXPECT_EQ(table_allowed(&host_rules, 0xf0000, 0x20000), TABLE_LISTED);
}
