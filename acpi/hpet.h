/*
 * HPET table: the address of the High Precision Event Timer's registers. Promises a memory address
 * with room for a register block; the caller tests whether the timer counts. The fields of the
 * first register are decoded here too.
 *
 * Context: any; never allocates. Pure. Source: IA-PC HPET 1.0a.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_HPET_H
#define PERCH_ACPI_HPET_H

#include "kernel/base/mmio_allowed.h"
#include "kernel/base/types.h"

/* Offsets of the registers that Perch uses, and the size of the block (2.3). */
#define HPET_REG_CAP     0x00u
#define HPET_REG_CONFIG  0x10u
#define HPET_REG_COUNTER 0xf0u
#define HPET_REG_SIZE    0x100u

#define HPET_CONFIG_ENABLE (1u << 0) /* the main counter runs */

struct hpet_info {
    u64 address;  /* physical, of the registers */
    u32 block_id; /* low half of the capabilities register, as the table states it */
    u8 number;
    u16 min_tick;
};

/*
 * 0; -EINVAL: too short, not in memory, address 0, not aligned to 8 or wrapping: then a line says
 * which, and *out is zeroed.
 */
int hpet_parse(const void *table, size_t len, struct hpet_info *out);

/* Drops it (address 0), with a finding, where mmio_allowed() forbids its registers. */
void hpet_drop(struct hpet_info *h, const struct mmio_rules *rules);

/*
 * Frequency of the main counter by the capabilities register (2.3.4), rounded to Hz; 0: the period
 * is 0 or longer than the specification's 100 ns, so the HPET cannot be used.
 */
u64 hpet_hz(u64 cap);

/* True: the main counter has 64 bits. False: 32. */
bool hpet_is_64bit(u64 cap);

#endif
