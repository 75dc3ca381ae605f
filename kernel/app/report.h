/*
 * The report: what this boot found and did, one JSON object a line between two marker lines, each
 * with a checksum, for programs that read serial logs. docs/report.md lists every type and field.
 * Boot CPU, after the placement proof, while nothing else logs; other CPUs may only be idle.
 * Allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_REPORT_H
#define PERCH_APP_REPORT_H

#include "kernel/app/boot_state.h"

/* Prints all of it, by log_raw(). Cannot fail; a long loader name is cut. */
void report_print(struct boot_state *s);

#endif
