/*
 * This machine's rules for physical addresses; see mmio.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/mmio.h"

#include "boot/memmap.h"
#include "kernel/base/cpu.h"
#include "mm/map/address_map.h"
#include "smp/start/apic_mode.h"

extern char __image_start_phys[], __image_end_phys[]; /* linker.ld; absolute numbers, as linked */

static struct mmio_rules rules; /* phys_bits 0: nothing is known yet */

/* CPUID 80000008h (SDM vol. 2); 36 where the leaf is missing. */
static u32 phys_bits(void)
{
    u32 a, b, c, d;

    cpuid(0x80000000, 0, &a, &b, &c, &d);
    if (a < 0x80000008)
        return 36;
    cpuid(0x80000008, 0, &a, &b, &c, &d);
    return a & 0xff;
}

/* In x2APIC mode the registers are MSRs, and the page may belong to anything. */
static struct range apic_page(u32 bits)
{
    u64 msr = rdmsr(MSR_APIC_BASE), base = msr & ((1ULL << bits) - 1) & ~(PAGE_SIZE - 1);

    if (!(msr & APIC_BASE_ENABLE) || (msr & APIC_BASE_X2APIC))
        return (struct range){0};
    return (struct range){base, base + PAGE_SIZE};
}

const struct mmio_rules *mmio_rules(void)
{
    if (rules.phys_bits)
        return &rules;
    rules.phys_bits = phys_bits();
    rules.image = (struct range){(u64)(uintptr_t)__image_start_phys + image_delta,
                                 (u64)(uintptr_t)__image_end_phys + image_delta};
    rules.apic = apic_page(rules.phys_bits);
    return &rules;
}

static bool is_ram(void *ctx, u64 base, u64 end)
{
    const struct boot_info *info = ctx;

    return memmap_is_ram(info->ranges, info->n_ranges, base, end);
}

static bool is_listed(void *ctx, u64 base, u64 end)
{
    const struct boot_info *info = ctx;

    return memmap_lists(info->ranges, info->n_ranges, base, end);
}

void mmio_rules_learn(const struct boot_info *info)
{
    (void)mmio_rules();
    rules.is_ram = is_ram;
    rules.is_listed = is_listed;
    rules.ctx = (void *)(uintptr_t)info;
}
