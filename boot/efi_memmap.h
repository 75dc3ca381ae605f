/*
 * The EFI memory map (UEFI 2.10, 7.2.3), as a loader hands it on after ExitBootServices(), turned
 * into ranges and attributes of struct boot_info. Promises the stages behind it that nothing of a
 * descriptor is lost that the older memory map cannot say: special-purpose, persistent and
 * unaccepted memory become ranges, "more reliable" and "non-volatile" attributes of ranges. The
 * descriptor's size is the loader's: firmware may make it longer than what is known here.
 * A wrong descriptor costs that descriptor and a line.
 * Pure; boot CPU, first stage; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_EFI_MEMMAP_H
#define PERCH_BOOT_EFI_MEMMAP_H

#include "boot/boot_info.h"

/* UEFI 2.10, 7.2.3: the part of a descriptor that every version has. */
#define EFI_DESCRIPTOR_MIN 40u

/*
 * The descriptors in len bytes at map, each entry_size bytes (at least EFI_DESCRIPTOR_MIN) from the
 * last; a shorter rest is ignored, with a line. whole: there is no other memory map, so ordinary
 * ranges are taken too; else only those that another map cannot name. Attributes are always taken,
 * and those of descriptors that follow each other are joined.
 */
void efi_memmap_take(const void *map, u32 len, u32 entry_size, bool whole, struct boot_info *out);

#endif
