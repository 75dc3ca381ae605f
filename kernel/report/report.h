/*
 * The report: what this boot found and did, one JSON object a line between two marker lines, each
 * with a checksum, for programs that read serial logs. docs/report.md lists every type and field.
 * Boot CPU, after the placement proof, while nothing else logs; other CPUs may only be idle.
 * Allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_REPORT_H
#define PERCH_REPORT_REPORT_H

#include "acpi/hmat.h"
#include "kernel/report/report_json.h"
#include "kernel/stages/boot_state.h"

/* Prints all of it, by log_raw(). Cannot fail; a long loader name is cut. */
void report_print(struct boot_state *s);

/* Its part about the HMAT: latencies, bandwidths, attached initiators, caches. */
void report_hmat(struct report *r, const struct hmat *h);

/*
 * Its part about the first chunk: sizes, groups, and where each CPU's unit lies in physical memory
 * by the page tables in use.
 */
void report_percpu(struct report *r, struct boot_state *s);

#endif
