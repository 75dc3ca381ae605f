/*
 * What the undefined behaviour sanitizer found. In a kernel built with -fsanitize=undefined, the
 * handlers in ubsan.c print one line for each place in the source and count every report. In other
 * builds the count stays 0.
 * Context: any CPU, any context; no locks, no allocation.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_UBSAN_H
#define PERCH_BASE_UBSAN_H

#include "kernel/base/types.h"

/* Reports since boot, repeated ones included. A test run fails when this is not 0. */
u32 ubsan_report_count(void);

#endif
