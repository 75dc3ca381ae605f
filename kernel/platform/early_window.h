/*
 * Reading physical memory before the direct map stands: below 4 GiB through the boot tables, above
 * through 512 page slots (docs/adr/0001). When they run out, they are used again from the first.
 * So a mapping above 4 GiB stays until 2 MiB more are mapped, and the last one always stays. When
 * the final tables are loaded, this window is gone.
 * Boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_EARLY_WINDOW_H
#define PERCH_PLATFORM_EARLY_WINDOW_H

#include "kernel/base/phys_window.h"

/*
 * The window for the parsers of boot/ and acpi/. It maps to NULL what wraps, and more than 2 MiB at
 * once above 4 GiB.
 */
extern const struct phys_window early_window;

#endif
