/*
 * Finds the frequency of the TSC: CPUID 15h, a hypervisor's frequency leaf, the ACPI PM timer, the
 * PIT, in this order, each with an end to its wait. Measurements are repeated and compared, because
 * one that was interrupted (by SMM, or by the host of a virtual machine) can be wrong by any
 * factor. Boot CPU, once, interrupts off.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CLOCK_H
#define PERCH_PLATFORM_CLOCK_H

#include "kernel/base/deadline.h"

/* pm_port: I/O port of the ACPI PM timer, 0 without one; pm_32bit: it has 32 bits, not 24. */
void clock_init(u16 pm_port, bool pm_32bit);

#endif
