/*
 * Finds the RSDP for root.c: the loader's copy, the loader's address, then the BIOS areas.
 * Context: as acpi_root_find(). Pure. Source: ACPI 6.5, 5.2.5.1 (where), 5.2.5.3 (what).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_RSDP_H
#define PERCH_ACPI_RSDP_H

#include "acpi/reader.h"
#include "acpi/root.h"

struct acpi_rsdp_found {
    u64 pa;   /* 0: only a copy is known */
    u64 xsdt; /* 0: none, or it cannot be trusted */
    u32 rsdt; /* 0: none */
    u32 len;
    u8 revision;
    char oem_id[6];
};

/* True and *out filled when one with a right checksum was found. */
bool acpi_rsdp_find(const struct phys_window *w, const struct acpi_rsdp_hint *hint,
                    struct acpi_rsdp_found *out);

#endif
