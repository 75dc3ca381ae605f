/*
 * What the fuzz targets of both boot parsers share: the input as physical memory, and what must
 * hold of a struct boot_info whatever the loader said.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_FUZZ_BOOT_FUZZ_H
#define PERCH_TESTS_FUZZ_BOOT_FUZZ_H

#include "boot/boot_info.h"
#include "boot/memmap.h"
#include "kernel/base/phys_window.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "tests/host/host_rules.h"
#include "tests/host/shim.h"

#define FUZZ_BASE 0x10000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_memory {
    const u8 *bytes;
    size_t size;
};

static inline const void *fuzz_map(void *ctx, u64 pa, size_t len)
{
    const struct fuzz_memory *m = ctx;
    u64 off = pa - FUZZ_BASE;

    if (!host_reach(pa, len))
        return NULL;
    return pa >= FUZZ_BASE && off <= m->size && len <= m->size - off ? m->bytes + off : NULL;
}

static inline void fuzz_check_boot_info(const struct boot_info *info)
{
    static struct boot_mem_range map[2 * BOOT_MAX_RANGES + 1];
    u32 count;
    u64 clipped;

    ASSERT(strnlen(info->cmdline, BOOT_CMDLINE_MAX) < BOOT_CMDLINE_MAX);
    ASSERT(strnlen(info->loader, BOOT_LOADER_NAME_MAX) < BOOT_LOADER_NAME_MAX);
    ASSERT(info->rsdp_len == 0 || info->rsdp_len == 20 || info->rsdp_len == 36);
    ASSERT(info->n_ranges <= BOOT_MAX_RANGES && info->n_reserved <= BOOT_MAX_RESERVED);
    ASSERT(info->n_modules <= BOOT_MAX_MODULES);
    for (u32 i = 0; i < info->n_ranges; i++)
        ASSERT(info->ranges[i].base < info->ranges[i].end);
    for (u32 i = 0; i < info->n_reserved; i++)
        ASSERT(info->reserved[i].base < info->reserved[i].end && info->reserved[i].name);
    for (u32 i = 0; i < info->n_modules; i++)
        ASSERT(strnlen(info->modules[i].args, BOOT_MODULE_ARGS_MAX) < BOOT_MODULE_ARGS_MAX);
    ASSERT(memmap_normalise(info->ranges, info->n_ranges, 1ULL << 46, map, ARRAY_SIZE(map), &count,
                            &clipped) == 0);
}

#endif
