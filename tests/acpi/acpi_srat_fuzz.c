/*
 * libFuzzer: any bytes as an SRAT. The counts promised for an allocation suffice, entries ascend.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/srat.h"
#include "kernel/base/print.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct srat_cpu cpus[4096];
    static struct srat_mem mems[4096];
    static struct srat_initiator initiators[4096];
    struct srat_records r = {.cpus = cpus, .mems = mems, .initiators = initiators};

    if (len > 8192)
        return 0;
    srat_count(data, len, &r);
    ASSERT(r.cpu_max <= 4096 && r.mem_max <= 4096 && r.initiator_max <= 4096);
    srat_parse(data, len, &r);
    ASSERT(r.no_room == 0);
    for (u32 i = 1; i < r.cpu_count; i++)
        ASSERT(cpus[i - 1].entry < cpus[i].entry);
    return 0;
}
