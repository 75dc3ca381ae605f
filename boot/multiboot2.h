/*
 * The Multiboot2 information (specification 2.0, section 3.6), as GRUB leaves it in memory, turned
 * into a struct boot_info. Sizes, alignment, string ends and ranges are checked; a bad tag costs
 * that tag and a line; unknown tags are skipped.
 * Pure; boot CPU, first stage; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_MULTIBOOT2_H
#define PERCH_BOOT_MULTIBOOT2_H

#include "boot/boot_info.h"
#include "kernel/base/phys_window.h"

/*
 * mbi_phys: what the loader left in EBX. Used: command line (1), loader name (2), modules (3),
 * memory map (6), framebuffer (8), ACPI RSDP copies (14, 15). The EFI memory map (17) gives all
 * ranges when there is no tag 6, else those that tag 6 cannot express (boot/efi_memmap.h).
 * -EINVAL: misaligned, or a wrong total size; -EFAULT: cannot be mapped; -ENOENT: no RAM in it.
 * *out is valid, with what was found, in each case.
 */
int multiboot2_parse(const struct phys_window *w, u64 mbi_phys, struct boot_info *out) MUST_CHECK;

#endif
