/*
 * Which machine this is, by SMBIOS: maker and product of the system, maker and version of its
 * firmware, and nothing else. Serial numbers, UUIDs and asset tags are never read. Sizes, checksums
 * and string ends are checked; a table that is not there or broken costs nothing but its texts.
 * Pure; boot CPU, while the window can be used; allocates nothing. Source: DMTF DSP0134 3.7.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_SMBIOS_H
#define PERCH_BOOT_SMBIOS_H

#include "kernel/base/phys_window.h"

#define SMBIOS_TEXT_MAX 64 /* with the NUL; more is cut */

/* Printable ASCII without quotes and backslashes, "" when it is not said. */
struct smbios_texts {
    char vendor[SMBIOS_TEXT_MAX], product[SMBIOS_TEXT_MAX];
    char bios_vendor[SMBIOS_TEXT_MAX], bios_version[SMBIOS_TEXT_MAX];
};

/*
 * Looks at the configuration table of the EFI system table at that address (0: none), then into
 * the BIOS area. 0; -ENOENT: no entry point; -EINVAL: one that leads to nothing. Fills *out always.
 */
int smbios_read(const struct phys_window *w, u64 efi_system_table,
                struct smbios_texts *out) MUST_CHECK;

#endif
