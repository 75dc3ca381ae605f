/*
 * In which mode the local APICs run, and which processors can be reached in it: decided once, from
 * what the boot CPU finds and the APIC ids of the machine.
 * Pure; any context. SDM vol. 3, 11.12.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_APIC_MODE_H
#define PERCH_SMP_APIC_MODE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

#define APIC_BASE_BSP    (1ULL << 8)
#define APIC_BASE_X2APIC (1ULL << 10)
#define APIC_BASE_ENABLE (1ULL << 11)

enum apic_mode { APIC_MODE_X, APIC_MODE_X2 };

/*
 * Stays in x2APIC mode when firmware left it on (leaving it needs a reset of the APIC, and firmware
 * may have locked it); switches to it when an id of 255 or above needs it and CPUID has it; else
 * xAPIC. base is IA32_APIC_BASE. -ENODEV: the APIC is disabled by firmware.
 */
int apic_choose_mode(u64 base, bool cpuid_x2apic, u32 max_apic_id, enum apic_mode *mode);

/* xAPIC: 8-bit destinations, of which 255 means all. */
static inline bool apic_id_reachable(enum apic_mode mode, u32 apic_id)
{
    return mode == APIC_MODE_X2 || apic_id < 255;
}

#endif
