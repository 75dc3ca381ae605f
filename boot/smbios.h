/*
 * The name of the machine by SMBIOS: maker and product of the system, maker and version of its
 * firmware. Serial numbers, UUIDs and asset tags are never read. Sizes, checksums and string ends
 * are checked; a missing or broken table costs only these texts.
 * Pure; boot CPU, while the window can be used; allocates nothing. Source: DMTF DSP0134 3.7.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_SMBIOS_H
#define PERCH_BOOT_SMBIOS_H

#include "kernel/base/phys_window.h"

#define SMBIOS_TEXT_MAX 64 /* with the NUL; more is cut */

/* Printable ASCII without quotes and backslashes; "": unknown. */
struct smbios_texts {
    char vendor[SMBIOS_TEXT_MAX], product[SMBIOS_TEXT_MAX];
    char bios_vendor[SMBIOS_TEXT_MAX], bios_version[SMBIOS_TEXT_MAX];
};

/*
 * Searches the configuration table of the EFI system table at that address (0: none), then the BIOS
 * area. 0; -ENOENT: no entry point; -EINVAL: it leads to no usable table. Always fills *out.
 */
int smbios_read(const struct phys_window *w, u64 efi_system_table,
                struct smbios_texts *out) MUST_CHECK;

#endif
