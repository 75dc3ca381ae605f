/*
 * A made-up machine's physical addresses for hosted tests: 40 bits, 512 MiB of RAM from 0 on, the
 * kernel at 2 MiB, the local APIC in its usual place. A hosted window of physical memory asks
 * host_reach() first, so that an address is refused there, or is fatal, as in the kernel.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_HOST_HOST_RULES_H
#define PERCH_TESTS_HOST_HOST_RULES_H

#include "kernel/base/mmio_allowed.h"
#include "kernel/base/print.h"

#define HOST_PHYS_BITS 40
#define HOST_BEYOND    (1ULL << HOST_PHYS_BITS)
#define HOST_IMAGE     0x200000ULL
#define HOST_IMAGE_END 0x600000ULL
#define HOST_RAM_END   0x20000000ULL
#define HOST_APIC      0xfee00000ULL

static inline bool host_is_ram(void *ctx UNUSED, u64 base, u64 end UNUSED)
{
    return base < HOST_RAM_END;
}

static inline bool host_is_listed(void *ctx UNUSED, u64 base UNUSED, u64 end)
{
    return end <= HOST_RAM_END;
}

static const struct mmio_rules host_rules UNUSED = {
    .phys_bits = HOST_PHYS_BITS,
    .image = {HOST_IMAGE, HOST_IMAGE_END},
    .apic = {HOST_APIC, HOST_APIC + PAGE_SIZE},
    .is_ram = host_is_ram,
    .is_listed = host_is_listed,
};

/*
 * Would the kernel's early window map it? What it maps beyond the width is a page fault there, and
 * fatal here.
 */
static inline bool host_reach(u64 pa, u64 len)
{
    if (table_allowed(&host_rules, pa, len) == TABLE_NOWHERE)
        return false;
    ASSERT(pa < HOST_BEYOND && len <= HOST_BEYOND - pa);
    ASSERT(pa + len <= HOST_APIC || pa >= HOST_APIC + PAGE_SIZE);
    return true;
}

/* The same as mmio_allowed(&host_rules, base, size) == MMIO_OK, said another way. */
static inline bool host_no_harm(u64 base, u64 size)
{
    return base >= HOST_RAM_END && base < HOST_BEYOND && size <= HOST_BEYOND - base &&
           (base + size <= HOST_APIC || base >= HOST_APIC + PAGE_SIZE);
}

#endif
