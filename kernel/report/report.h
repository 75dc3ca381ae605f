/*
 * The report: the results of this boot, for programs that read serial logs. One JSON object per
 * line, with a checksum, between two marker lines. docs/report.md lists every type and field. Boot
 * CPU, after the placement proof, while nothing else logs; other CPUs may only be idle. Allocates
 * nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_REPORT_H
#define PERCH_REPORT_REPORT_H

#include "acpi/hmat.h"
#include "kernel/report/report_json.h"
#include "kernel/stages/boot_state.h"

/* Prints the report by log_raw(). Cannot fail; a long loader name is cut. */
void report_print(struct boot_state *s);

/* The HMAT's part: latencies, bandwidths, attached initiators, caches. */
void report_hmat(struct report *r, const struct hmat *h);

/*
 * The first chunk's part: sizes, groups, and the physical memory of each CPU's unit, by the page
 * tables in use.
 */
void report_percpu(struct report *r, struct boot_state *s);

#endif
