/*
 * Checks that need more than one ACPI table, or the finished topology. They make findings
 * (kernel/base/firmware.h) and decide nothing: numa_build() has decided before.
 * docs/firmware-checks.md lists the findings.
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
    const struct hmat *hmat;          /* NULL: none, or not usable */
    const struct msct_info *msct;     /* the same */
};

/* alloc: scratch memory, given back; without memory, processor UIDs are not compared. */
void numa_check(const struct numa_check *c, const struct numa_alloc *alloc);

/* Parts of it, each in its file. */
void numa_check_hmat(const struct numa_check *c);

#endif
