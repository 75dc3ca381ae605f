/*
 * The memory that a BIOS keeps for itself at the end of the first 640 KiB: the extended BIOS data
 * area (EBDA), and what else lies behind the end of base memory. Some memory maps call it usable.
 * Pure; boot CPU; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_BIOS_AREA_H
#define PERCH_BOOT_BIOS_AREA_H

#include "kernel/base/phys_window.h"

#define BIOS_AREA_END 0xa0000ULL /* base memory ends here at the latest */

/*
 * The first byte of it, from the BIOS data area: the EBDA's segment at 40:0E, the size of base
 * memory in KiB at 40:13. Values that no BIOS has count as absent. BIOS_AREA_END: there is none.
 * Only for a machine that was not started by UEFI, where those words may be anything.
 */
u64 bios_area_start(const struct phys_window *w);

#endif
