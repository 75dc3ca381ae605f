/*
 * In which mode the local APICs run, how a CPU gets there, and which processors can be reached:
 * decided once, from what the boot CPU finds and the APIC ids of the machine.
 * Pure; any context. SDM vol. 3, 11.12 and figure 11-27.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_APIC_MODE_H
#define PERCH_SMP_START_APIC_MODE_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"

#define APIC_BASE_BSP    (1ULL << 8)
#define APIC_BASE_X2APIC (1ULL << 10)
#define APIC_BASE_ENABLE (1ULL << 11)

enum apic_mode { APIC_MODE_X, APIC_MODE_X2 };

/* What the boot CPU says about itself. */
struct apic_facts {
    u64 base;          /* IA32_APIC_BASE */
    bool cpuid_x2apic; /* CPUID 1: ECX bit 21 */
    /*
     * LEGACY_XAPIC_DISABLED, IA32_XAPIC_DISABLE_STATUS (0xbd) bit 0, which is there when
     * IA32_ARCH_CAPABILITIES bit 21 says so: leaving x2APIC mode faults.
     */
    bool locked;
    u32 max_apic_id; /* of the machine's enabled processors */
};

/* Why it is this mode. */
enum apic_reason {
    APIC_DEFAULT,     /* xAPIC: nothing asks for more */
    APIC_LEFT_ON,     /* firmware left x2APIC on */
    APIC_LOCKED_ON,   /* the same, and it cannot be left */
    APIC_IDS_NEED_IT, /* x2APIC switched on for an id of 255 or above */
    APIC_IDS_LOST,    /* xAPIC, though ids of 255 and above are there: the CPU has no x2APIC */
    APIC_REASONS,
};

/*
 * Stays in x2APIC mode when firmware left it on (leaving it needs a reset of the APIC, and firmware
 * may have locked it); switches to it when an id of 255 or above needs it and CPUID has it; else
 * xAPIC. An APIC that firmware left disabled is enabled on the way.
 */
enum apic_mode apic_choose_mode(const struct apic_facts *facts, enum apic_reason *reason);

/* For the log: "xAPIC", "x2APIC, left on by firmware"; a constant string. */
const char *apic_mode_text(enum apic_reason reason);

#define APIC_MAX_STEPS 2

/*
 * The values to be written to IA32_APIC_BASE, which holds base now, one after the other, to get
 * into the mode; how many. Disabled to x2APIC goes by xAPIC, x2APIC to xAPIC by disabled: other
 * ways fault.
 */
u32 apic_mode_steps(u64 base, enum apic_mode mode, u64 steps[APIC_MAX_STEPS]);

/* xAPIC: 8-bit destinations, of which 255 means all. */
static inline bool apic_id_reachable(enum apic_mode mode, u32 apic_id)
{
    return mode == APIC_MODE_X2 || apic_id < 255;
}

#endif
