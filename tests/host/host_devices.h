/*
 * What must hold of registers that a table names, after the kernel's checks on the machine of
 * host_rules.h: they may be mapped and written to, and are nobody's memory.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_HOST_HOST_DEVICES_H
#define PERCH_TESTS_HOST_HOST_DEVICES_H

#include "acpi/fadt.h"
#include "acpi/hpet.h"
#include "acpi/uart.h"
#include "tests/host/host_rules.h"

static inline void host_check_fadt(const struct fadt_info *f)
{
    const struct acpi_gas all[] = {f->pm1a_cnt,      f->pm1b_cnt,     f->pm1a_sts,  f->pm1b_sts,
                                   f->sleep_control, f->sleep_status, f->reset_reg, f->pm_timer};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        ASSERT(!all[i].address || all[i].space != ACPI_SPACE_MEMORY ||
               host_no_harm(all[i].address, FADT_REGISTER_BYTES));
}

static inline void host_check_uart(struct acpi_uart *u)
{
    u->verdict = acpi_uart_here(u, &host_rules);
    ASSERT(u->verdict != ACPI_UART_OK || !u->mmio || host_no_harm(u->base, acpi_uart_span(u)));
}

#endif
