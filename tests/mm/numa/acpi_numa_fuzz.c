/*
 * libFuzzer: SRAT, SLIT and MADT, the first two after their lengths (2 bytes each, little-endian);
 * the topology made of them must hold all its promises, with RAM below and above 4 GiB.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "tests/host/shim.h"
#include "tests/mm/numa/numa_host.h"

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

/* The next table: as long as the two bytes of its length say, or as there are bytes. */
static struct table take(const u8 *data, size_t len, u32 which, size_t *at)
{
    size_t said = data[2 * which] | (size_t)data[2 * which + 1] << 8;
    size_t size = MIN(said, len - *at);
    struct table t = copy_of(data + *at, size);

    *at += size;
    return t;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static const struct range ram[] = {{0, 0x9f000}, {SZ_1M, SZ_2M}, {SZ_4G, 2 * SZ_4G}};
    struct machine m = {.ram = ram, .ram_count = ARRAY_SIZE(ram)};
    size_t at = 4;

    if (len < at)
        return 0;
    shim_log_reset();
    m.srat = take(data, len, 0, &at);
    m.slit = take(data, len, 1, &at);
    m.madt = copy_of(data + at, len - at);
    ASSERT(machine_build(&m) == 0);
    ASSERT(numa_verify(&m.t, ram, ARRAY_SIZE(ram)) == 0);
    machine_free(&m);
    return 0;
}
