/*
 * HPET table: where the High Precision Event Timer's registers are. Promises an address of memory
 * that a register block fits behind, and decides nothing about the timer itself: whether it counts
 * is found out by who reads it. Also what its first register says, kept here with the rest of the
 * specification: IA-PC HPET 1.0a.
 *
 * Context: any; never allocates. Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_HPET_H
#define PERCH_ACPI_HPET_H

#include "kernel/base/types.h"

/* Registers Perch uses (2.3): offsets, and how far they reach. */
#define HPET_REG_CAP     0x00u
#define HPET_REG_CONFIG  0x10u
#define HPET_REG_COUNTER 0xf0u
#define HPET_REG_SIZE    0x100u

#define HPET_CONFIG_ENABLE (1u << 0) /* the main counter runs */

struct hpet_info {
    u64 address;  /* physical, of the registers */
    u32 block_id; /* the low half of the capabilities, as firmware wrote it down */
    u8 number;
    u16 min_tick;
};

/*
 * 0; -EINVAL: too short, not in memory, address 0, not aligned to 8 or wrapping: then a line says
 * which, and *out is zeroed.
 */
int hpet_parse(const void *table, size_t len, struct hpet_info *out);

/*
 * Frequency of the main counter by the capabilities register (2.3.4), rounded to Hz; 0: the period
 * is 0 or longer than the specification's 100 ns, so there is no HPET, or none to believe.
 */
u64 hpet_hz(u64 cap);

/* Does the main counter have 64 bits? Its low 32 count in any case. */
bool hpet_is_64bit(u64 cap);

#endif
