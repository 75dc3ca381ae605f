/*
 * Reads physical memory before the direct map exists: below 4 GiB through the boot tables, above
 * through 512 page slots (docs/adr/0001), which are reused in turn. So a mapping above 4 GiB is
 * valid until 2 MiB more have been mapped, and the latest one is always valid. When the final
 * tables are loaded, the window is gone.
 * Boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_EARLY_WINDOW_H
#define PERCH_PLATFORM_EARLY_WINDOW_H

#include "kernel/base/phys_window.h"

/*
 * The window for the parsers of boot/ and acpi/. It returns NULL for what table_allowed() forbids,
 * and for more than 2 MiB at once above 4 GiB.
 */
extern const struct phys_window early_window;

/*
 * Makes a frame buffer below 4 GiB write-combining in the boot tables, by whole leaves of 2 MiB.
 * An uncached screen takes one bus cycle for each store: 68 million of them for the first 650 lines
 * at 1920x1080. False, and nothing is changed: a leaf has something else in it, RAM for example.
 */
bool early_window_combine(u64 base, u64 end);

/* The memory type by PAT at an address below 4 GiB, read back from the tables and the MSR. */
u32 early_window_type(u64 pa);

#endif
