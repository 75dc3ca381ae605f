/*
 * The rules for physical addresses that others name; see mmio_allowed.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/mmio_allowed.h"

/* A width that no 64-bit CPU has counts as the smallest; 52 is the largest (SDM vol. 3, 4.1.4). */
static u64 first_beyond(const struct mmio_rules *r)
{
    return 1ULL << (r->phys_bits < 32 || r->phys_bits > 52 ? 36 : r->phys_bits);
}

enum mmio_verdict mmio_allowed(const struct mmio_rules *r, u64 base, u64 size)
{
    struct range want;

    if (!range_make(base, size, &want))
        return MMIO_WRAPS;
    if (want.end > first_beyond(r))
        return MMIO_BEYOND;
    if (range_overlaps(want, r->image))
        return MMIO_IMAGE;
    if (r->is_ram && r->is_ram(r->ctx, want.start, want.end))
        return MMIO_RAM;
    return range_overlaps(want, r->apic) ? MMIO_APIC : MMIO_OK;
}

const char *mmio_verdict_text(enum mmio_verdict v)
{
    static const char *const text[] = {
        [MMIO_OK] = "allowed",
        [MMIO_WRAPS] = "no room for the registers at that address",
        [MMIO_BEYOND] = "beyond the CPU's physical addresses",
        [MMIO_IMAGE] = "that is Perch itself",
        [MMIO_RAM] = "that is RAM",
        [MMIO_APIC] = "that is the local APIC",
    };

    return v < ARRAY_SIZE(text) ? text[v] : "?";
}

enum table_place table_allowed(const struct mmio_rules *r, u64 pa, u64 len)
{
    struct range want;

    if (!range_make(pa, len, &want) || want.end > first_beyond(r))
        return TABLE_NOWHERE;
    if (range_overlaps(want, r->apic))
        return TABLE_NOWHERE;
    if (want.end <= SZ_1M || !r->is_listed)
        return TABLE_LISTED;
    want.start = MAX(want.start, SZ_1M);
    if (r->is_listed(r->ctx, want.start, want.end))
        return TABLE_LISTED;
    return pa >= SZ_4G ? TABLE_NOWHERE : TABLE_UNLISTED;
}
