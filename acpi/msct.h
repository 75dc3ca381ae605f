/*
 * MSCT: how many proximity domains a machine can ever have. Perch only compares it with the SRAT.
 * Context: any; never allocates; O(length). Pure. Source: ACPI 6.5, 5.2.19.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_MSCT_H
#define PERCH_ACPI_MSCT_H

#include "kernel/base/types.h"

struct msct_info {
    u32 max_domains; /* possible domains; 2^32 is given as 2^32 - 1 */
    u32 structures;  /* with the capacities of ranges of domains */
};

/* Fills *out and makes the findings msct-*. 0; -EINVAL: shorter than its fixed part. */
int msct_check(const void *table, size_t len, struct msct_info *out);

#endif
