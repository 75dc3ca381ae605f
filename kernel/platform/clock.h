/*
 * Finds the frequency of the TSC: by what CPU or hypervisor say of it, and by measuring against
 * HPET, ACPI PM timer or PIT, in this order. Each measurement has a deadline. Which of the two is
 * used is decided in kernel/base/tsc_source.h. The accuracy of a measurement is in
 * kernel/base/refclock.h.
 *
 * Context: boot CPU, once, interrupts off, before the final page tables, because the HPET is
 * accessed through the boot tables.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CLOCK_H
#define PERCH_PLATFORM_CLOCK_H

#include "kernel/base/deadline.h"

struct clock_hardware {
    u64 hpet;      /* physical address of the HPET's registers; 0: none */
    u16 pm_port;   /* I/O port of the ACPI PM timer; 0: none */
    bool pm_32bit; /* the PM timer has 32 bits, not 24 */
};

/* Finds and sets the frequency, and logs it. */
void clock_init(const struct clock_hardware *hw);

/* The source of the frequency: a constant string, "assumed" when none was found. */
const char *clock_source(void);

#endif
