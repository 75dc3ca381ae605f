/*
 * What `perch acpi` says about a machine, as JSON objects: the kernel's decisions, the raw records
 * for those who check a parser, and the findings. docs/acpi-tool.md lists types and fields.
 * Hosted only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_ACPI_EMIT_H
#define PERCH_TOOLS_ACPI_EMIT_H

#include "kernel/base/firmware.h"
#include "tools/acpi/machine.h"
#include "tools/acpi/objects.h"

void emit_decisions(struct objects *all, const struct acpi_machine *m);
void emit_raw(struct objects *all, const struct acpi_machine *m, const struct dump *d);
void emit_findings(struct objects *all, const struct firmware_findings *f);

#endif
