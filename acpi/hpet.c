/*
 * HPET table; see hpet.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/hpet.h"

#include "acpi/fadt.h"
#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"

#define FS_PER_S      1000000000000000ULL
#define MAX_PERIOD_FS 100000000ULL /* 2.3.4, COUNTER_CLK_PERIOD: 100 ns */

int hpet_parse(const void *table, size_t len, struct hpet_info *out)
{
    struct acpi_hpet h;

    *out = (struct hpet_info){0};
    if (!acpi_read((struct acpi_bytes){table, len}, 0, &h, sizeof(h))) {
        firmware_finding(FW_HPET_SHORT, "length %zu, needs %zu", len, sizeof(h));
        return -EINVAL;
    }
    if (h.address.space != ACPI_SPACE_MEMORY) {
        firmware_finding(FW_HPET_ADDRESS, "base address at offset %zu is in space %u, not memory",
                         offsetof(struct acpi_hpet, address), h.address.space);
        return -EINVAL;
    }
    if (h.address.address == 0 || h.address.address % 8 ||
        h.address.address > ~0ULL - HPET_REG_SIZE) {
        firmware_finding(FW_HPET_ADDRESS, "base address at offset %zu is 0x%llx",
                         offsetof(struct acpi_hpet, address), (ull)h.address.address);
        return -EINVAL;
    }
    *out = (struct hpet_info){
        .address = h.address.address,
        .block_id = h.block_id,
        .number = h.number,
        .min_tick = h.min_tick,
    };
    return 0;
}

void hpet_drop(struct hpet_info *h, const struct mmio_rules *rules)
{
    enum mmio_verdict v;

    if (!h->address)
        return;
    v = mmio_allowed(rules, h->address, HPET_REG_SIZE);
    if (v == MMIO_OK)
        return;
    firmware_finding(FW_HPET_ADDRESS, "base address 0x%llx: %s: not used", (ull)h->address,
                     mmio_verdict_text(v));
    *h = (struct hpet_info){0};
}

u64 hpet_hz(u64 cap)
{
    u64 period = cap >> 32;

    if (period == 0 || period > MAX_PERIOD_FS)
        return 0;
    return (FS_PER_S + period / 2) / period;
}

bool hpet_is_64bit(u64 cap)
{
    return cap >> 13 & 1;
}
