/*
 * libFuzzer: any bytes as a MADT. The records are unique and in table order.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/madt.h"
#include "tests/host/host_rules.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct madt_cpu cpus[64];
    struct madt_info info;

    if (madt_parse(data, len, cpus, ARRAY_SIZE(cpus), &info))
        return 0;
    ASSERT(info.cpu_count <= madt_count_cpus(data, len));
    for (u32 i = 0; i < info.cpu_count; i++) {
        ASSERT(!i || cpus[i - 1].entry < cpus[i].entry);
        for (u32 j = 0; j < i; j++)
            ASSERT(cpus[i].apic_id != cpus[j].apic_id);
    }
    madt_drop_ioapics(&info, &host_rules);
    for (u32 i = 0; i < info.ioapic_count; i++)
        ASSERT(host_no_harm(info.ioapics[i].address, MADT_IOAPIC_BYTES));
    return 0;
}
