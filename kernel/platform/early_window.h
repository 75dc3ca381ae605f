/*
 * Reading physical memory before the direct map stands: below 4 GiB through the boot tables, above
 * through 512 page slots of their own (docs/adr/0001), which are used again from the first when
 * they run out. So what was mapped above 4 GiB stays while no 2 MiB more are mapped; the last
 * mapping always does. When the final tables are loaded, this window is gone.
 * Boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_EARLY_WINDOW_H
#define PERCH_PLATFORM_EARLY_WINDOW_H

#include "kernel/base/phys_window.h"

/* The window for the parsers of boot/ and acpi/. NULL from it: more than 2 MiB at
   once above 4 GiB, or the range wraps. */
extern const struct phys_window early_window;

#endif
