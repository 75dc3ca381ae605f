/*
 * The CXL windows of a machine beside its topology: a line for each host bridge and window, and a
 * finding for each window that is in no SRAT entry. Linux makes a node for such a window (6.12,
 * acpi_parse_cfmws()), whether or not memory ever appears: windows in the table's order get the
 * numbers behind the last node of the SRAT. Perch only says which, and uses memory behind a window
 * only if the memory map calls it RAM.
 * Pure; boot CPU, and `perch acpi`; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_NUMA_CXL_WINDOWS_H
#define PERCH_MM_NUMA_CXL_WINDOWS_H

#include "acpi/cedt.h"
#include "mm/numa/numa.h"

/*
 * Node of the first SRAT range that the window overlaps; NODE_NONE: none, or no SRAT. srat: what
 * the topology was built from; may be NULL.
 */
s32 cxl_window_node(const struct numa_topology *t, const struct srat_records *srat,
                    const struct cedt_window *w);

void cxl_windows_report(const struct numa_topology *t, const struct srat_records *srat,
                        const struct cedt_records *c);

#endif
