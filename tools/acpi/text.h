/*
 * The machine for a person to read, as `perch acpi --text` prints it: nodes with their CPUs and
 * memory, distances, CXL windows, serial ports, and the findings, failures first. No program should
 * read it: its form may change. Hosted only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_ACPI_TEXT_H
#define PERCH_TOOLS_ACPI_TEXT_H

#include <stdio.h>

#include "kernel/base/firmware.h"
#include "tools/acpi/machine.h"

void text_print(FILE *to, const struct acpi_machine *m, const struct dump *d,
                const struct firmware_findings *found);

#endif
