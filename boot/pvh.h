/*
 * The PVH start information (struct hvm_start_info of Xen's public headers, which QEMU also writes
 * for -kernel), turned into a struct boot_info. Every pointer and count is checked; a wrong part is
 * dropped with a line.
 * Pure; boot CPU, first stage; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_PVH_H
#define PERCH_BOOT_PVH_H

#include "boot/boot_info.h"
#include "kernel/base/phys_window.h"

/*
 * start_info_phys: what the loader left in EBX. A memory map exists from version 1 on.
 * -EINVAL: wrong magic; -EFAULT: cannot be mapped; -ENOENT: no RAM in the memory map, or none.
 * *out is valid, with what was found, in each case.
 */
int pvh_parse(const struct phys_window *w, u64 start_info_phys, struct boot_info *out) MUST_CHECK;

#endif
