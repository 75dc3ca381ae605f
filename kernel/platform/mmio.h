/*
 * This machine's rules for mmio_allowed() and table_allowed(): the width from CPUID, the local APIC
 * from its MSR, the image from the linker, the memory map from the loader.
 * Boot CPU, before the others run; later read-only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_MMIO_H
#define PERCH_PLATFORM_MMIO_H

#include "boot/boot_info.h"
#include "kernel/base/mmio_allowed.h"

/* The rules as far as they are known: before mmio_rules_learn() without a memory map. */
const struct mmio_rules *mmio_rules(void);

/* From now on the rules know the memory map. *info stays. */
void mmio_rules_learn(const struct boot_info *info);

#endif
