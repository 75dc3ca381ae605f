/*
 * The EFI memory map (UEFI 2.10, 7.2.3), as a loader hands it on after ExitBootServices(), turned
 * into ranges and attributes of struct boot_info. Promises later stages what the older memory map
 * cannot express: special-purpose, persistent and unaccepted memory as ranges, "more reliable" and
 * "non-volatile" as attributes. The loader states the size of a descriptor, which may be longer
 * than the fields known here. A wrong descriptor costs that descriptor and a line.
 * Pure; boot CPU, first stage; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_EFI_MEMMAP_H
#define PERCH_BOOT_EFI_MEMMAP_H

#include "boot/boot_info.h"

/* UEFI 2.10, 7.2.3: the part of a descriptor that every version has. */
#define EFI_DESCRIPTOR_MIN 40u

/*
 * Takes the descriptors in len bytes at map, entry_size bytes each (at least EFI_DESCRIPTOR_MIN); a
 * shorter rest is ignored, with a line. whole: there is no other memory map, so all ranges are
 * taken; else only those that the other map cannot express. Attributes are always taken.
 */
void efi_memmap_take(const void *map, u32 len, u32 entry_size, bool whole, struct boot_info *out);

#endif
