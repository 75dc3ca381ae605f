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

#endif
