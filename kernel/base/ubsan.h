/*
 * What the undefined behaviour sanitizer found: a kernel built with -fsanitize=undefined calls the
 * handlers in ubsan.c, which print one line per place in the source and count every report. In
 * other builds nothing calls them and the count stays 0.
 * Context: any CPU, any context; no locks, no allocation.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_UBSAN_H
#define PERCH_BASE_UBSAN_H

#include "kernel/base/types.h"

/* Reports since boot, repeated ones included. A test run fails when this is not 0. */
u32 ubsan_report_count(void);

#endif
