/*
 * A generic address as it lies in a table, to the record that parsers hand out. For the parsers of
 * this folder only. Pure. Source: ACPI 6.5, 5.2.3.2.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_GAS_H
#define PERCH_ACPI_GAS_H

#include "acpi/fadt.h"
#include "acpi/tables.h"

static inline struct acpi_gas acpi_gas_of(const struct acpi_gas_wire *g)
{
    return (struct acpi_gas){
        .address = g->address,
        .space = g->space,
        .bit_width = g->bit_width,
        .bit_offset = g->bit_offset,
        .access = g->access,
    };
}

#endif
