/*
 * libFuzzer: one byte splits the input into SRAT and SLIT; the topology made of them must hold all
 * its promises, with RAM below and above 4 GiB.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "tests/unit/numa_host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static struct table copy_of(const u8 *data, size_t len)
{
    struct table t = {0};

    for (size_t i = 0; i < len; i++)
        put(&t, data[i], 1);
    if (len)
        tighten(&t);
    return t;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static const struct range ram[] = {{0, 0x9f000}, {SZ_1M, SZ_2M}, {SZ_4G, 2 * SZ_4G}};
    struct machine m = {.ram = ram, .ram_count = ARRAY_SIZE(ram)};
    size_t split;

    if (len < 1)
        return 0;
    split = MIN((size_t)data[0] * 8, len - 1);
    m.srat = copy_of(data + 1, split);
    m.slit = copy_of(data + 1 + split, len - 1 - split);
    madt_begin(&m.madt, 5);
    for (u32 i = 0; i < 8; i++)
        madt_x2apic(&m.madt, i, 1);
    ASSERT(machine_build(&m) == 0);
    ASSERT(numa_verify(&m.t, ram, ARRAY_SIZE(ram)) == 0);
    machine_free(&m);
    return 0;
}
