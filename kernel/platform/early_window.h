/*
 * Reading physical memory before the direct map stands: below 4 GiB through the boot tables, above
 * through 512 page slots of their own (docs/adr/0001). What was mapped stays until the final tables
 * are loaded; then this window is gone.
 * Boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_EARLY_WINDOW_H
#define PERCH_PLATFORM_EARLY_WINDOW_H

#include "kernel/base/phys_window.h"

/* The window for the parsers of boot/ and acpi/. NULL from it: no slot left, or the range wraps. */
extern const struct phys_window early_window;

#endif
