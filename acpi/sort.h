/*
 * Sorting in place, n log n in the worst case, without recursion or memory: tables with thousands
 * of entries in the worst order must not hold up the boot. Not stable.
 * Pure; may be called from any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_SORT_H
#define PERCH_ACPI_SORT_H

#include "kernel/base/types.h"

#define ACPI_SORT_MAX_SIZE 64

/* less(a, b): must a stand before b? size: of one element, at most ACPI_SORT_MAX_SIZE bytes. */
void acpi_sort(void *base, size_t n, size_t size, bool (*less)(const void *a, const void *b));

#endif
