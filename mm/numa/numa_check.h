/*
 * Checks that need more than one ACPI table, or the finished topology. They make findings
 * (kernel/base/firmware.h) and change nothing. docs/firmware-checks.md lists the findings.
 *
 * Context: boot CPU, once, after numa_build(). Pure. O(n log n) in CPUs, domains squared in HMAT.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_NUMA_NUMA_CHECK_H
#define PERCH_MM_NUMA_NUMA_CHECK_H

#include "acpi/hmat.h"
#include "acpi/msct.h"
#include "mm/numa/numa.h"

struct numa_check {
    const struct numa_input *in;
    const struct numa_topology *topo; /* of in */
    const struct hmat *hmat;          /* NULL: none, or unusable */
    const struct msct_info *msct;     /* NULL: none, or unusable */
};

/* alloc: scratch memory, freed again; without memory, processor UIDs are not compared. */
void numa_check(const struct numa_check *c, const struct numa_alloc *alloc);

/* The part about the HMAT (numa_check_hmat.c). */
void numa_check_hmat(const struct numa_check *c);

#endif
