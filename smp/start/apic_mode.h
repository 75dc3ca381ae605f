/*
 * The mode of the local APICs: its choice, how a CPU enters it, and which APIC ids it can reach.
 * The choice is made once, from the boot CPU's state and the machine's APIC ids.
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

/* What the boot CPU reads about itself. */
struct apic_facts {
    u64 base;          /* IA32_APIC_BASE */
    bool cpuid_x2apic; /* CPUID 1: ECX bit 21 */
    /*
     * LEGACY_XAPIC_DISABLED: leaving x2APIC mode faults. It is IA32_XAPIC_DISABLE_STATUS (0xbd) bit
     * 0, an MSR that exists when IA32_ARCH_CAPABILITIES bit 21 is set.
     */
    bool locked;
    u32 max_apic_id; /* of the machine's enabled processors */
};

/* The reason for the mode. */
enum apic_reason {
    APIC_DEFAULT,     /* xAPIC: nothing needs x2APIC */
    APIC_LEFT_ON,     /* x2APIC: firmware left it on */
    APIC_LOCKED_ON,   /* x2APIC: firmware left it on and locked */
    APIC_IDS_NEED_IT, /* x2APIC: an id is 255 or above */
    APIC_IDS_LOST,    /* xAPIC: an id is 255 or above, but the CPU has no x2APIC */
    APIC_REASONS,
};

/*
 * x2APIC when firmware left it on (leaving it resets the APIC, and firmware may have locked it);
 * x2APIC when an id of 255 or above needs it and CPUID has it; else xAPIC. The steps into the mode
 * also enable an APIC that firmware left disabled.
 */
enum apic_mode apic_choose_mode(const struct apic_facts *facts, enum apic_reason *reason);

/* For the log, a constant string: "xAPIC", "x2APIC, left on by firmware". */
const char *apic_mode_text(enum apic_reason reason);

#define APIC_MAX_STEPS 2

/*
 * Fills in the values to write to IA32_APIC_BASE, one after the other, to enter the mode; base is
 * its value now. Returns how many. The way from disabled to x2APIC is through xAPIC, and from
 * x2APIC to xAPIC through disabled; other transitions fault.
 */
u32 apic_mode_steps(u64 base, enum apic_mode mode, u64 steps[APIC_MAX_STEPS]);

/*
 * The id of the CPU that reads all this: from its own APIC where that is on, because firmware may
 * have changed it, and an INIT goes where the APIC says. base: IA32_APIC_BASE; xapic_reg: the ID
 * register in memory (~0: not reached); x2apic_id: MSR 802h, read only in x2APIC mode; cpuid_id:
 * the initial id.
 */
u32 apic_own_id(u64 base, u32 xapic_reg, u32 x2apic_id, u32 cpuid_id);

/* xAPIC: 8-bit destinations, of which 255 means all. */
static inline bool apic_id_reachable(enum apic_mode mode, u32 apic_id)
{
    return mode == APIC_MODE_X2 || apic_id < 255;
}

#endif
