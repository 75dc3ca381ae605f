/*
 * Finds the frequency of the TSC: from CPUID 15h and 16h or a hypervisor's frequency leaf, else by
 * measuring against HPET, ACPI PM timer or PIT, in this order. Each measurement has a deadline. The
 * first clock that counts also checks a leaf's frequency, and wins when the two contradict.
 * kernel/base/refclock.h says how good a measurement is.
 *
 * Boot CPU, once, interrupts off, before the final page tables: the HPET's registers are reached
 * through the boot tables.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CLOCK_H
#define PERCH_PLATFORM_CLOCK_H

#include "kernel/base/deadline.h"

struct clock_hardware {
    u64 hpet;      /* physical address of the HPET's registers; 0: no table names one */
    u16 pm_port;   /* I/O port of the ACPI PM timer; 0: none */
    bool pm_32bit; /* it has 32 bits, not 24 */
};

void clock_init(const struct clock_hardware *hw);

/* What the frequency comes from: a constant string, "assumed" when nothing could be found. */
const char *clock_source(void);

#endif
