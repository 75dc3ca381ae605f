/*
 * Finds the two SLP_TYP values of \_S5 (soft off) in a DSDT or SSDT. Searches the byte stream for
 * the package "Name (_S5, Package () { a, b, ... })", without an AML interpreter. Firmware has this
 * form; a computed _S5 is not found.
 *
 * Context: any; never allocates. Pure. Source: ACPI 6.5, 7.4.2 (_Sx), 20.2 (AML grammar).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_S5_H
#define PERCH_ACPI_S5_H

#include "kernel/base/types.h"

/*
 * dsdt: the whole table, header included. 0 with the low 3 bits of the values; -ENOENT: no such
 * package. slp_typb is slp_typa when the package has one element only.
 */
int acpi_find_s5(const u8 *dsdt, size_t len, u8 *slp_typa, u8 *slp_typb);

#endif
