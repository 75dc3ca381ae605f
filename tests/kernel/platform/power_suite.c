/*
 * The registers by which a run ends, read only: ports and PCI configuration space.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/power.h"
#include "kernel/base/ktest.h"
#include "kernel/base/cpu.h"
#include "tests/suite/kutil.h"

/* The host bridge's identity, as a register of the ACPI kind and straight from the ports. */
KTEST(power, pci_configuration_space)
{
    struct acpi_gas vendor = {.space = ACPI_SPACE_PCI_CONFIG, .address = 0};
    struct acpi_gas device = {.space = ACPI_SPACE_PCI_CONFIG, .address = 2};
    u32 got = 0;

    outl(0xcf8, 1u << 31);
    u32 identity = inl(0xcfc);
    if (identity == ~0u) {
        ktest_skip("no PCI host bridge answers");
        return;
    }
    REQUIRE_TRUE(power_hardware.read(NULL, &vendor, 2, &got));
    EXPECT_EQ(got, identity & 0xffff);
    REQUIRE_TRUE(power_hardware.read(NULL, &device, 2, &got));
    EXPECT_EQ(got, identity >> 16);
    vendor.address = 32ULL << 32; /* no such device number */
    EXPECT_FALSE(power_hardware.read(NULL, &vendor, 2, &got));
}

KTEST(power, pm1_control)
{
    struct boot_state *s = boot_state_get();
    u32 got = 0;

    if (!s->has_fadt || s->fadt.hw_reduced || s->fadt.pm1a_cnt.space != ACPI_SPACE_IO) {
        ktest_skip("no PM1a control register behind a port");
        return;
    }
    REQUIRE_TRUE(power_hardware.read(NULL, &s->fadt.pm1a_cnt, 2, &got));
    EXPECT_EQ(got, inw((u16)s->fadt.pm1a_cnt.address));
}

/* A register in memory that nobody mapped is refused, not touched. */
KTEST(power, memory_not_mapped)
{
    struct acpi_gas nowhere = {.space = ACPI_SPACE_MEMORY, .address = 0xdeadbeef000};
    u32 got = 0;

    EXPECT_FALSE(power_hardware.read(NULL, &nowhere, 1, &got));
}
