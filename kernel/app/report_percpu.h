/*
 * The report's part about the first chunk: its sizes, its groups, and where each CPU's unit lies in
 * physical memory by the page tables in use.
 * Boot CPU, after the first chunk is made. Allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_REPORT_PERCPU_H
#define PERCH_APP_REPORT_PERCPU_H

#include "kernel/app/boot_state.h"
#include "kernel/app/report_json.h"

/* Objects of the types percpu, group and unit. Cannot fail. */
void report_percpu(struct report *r, struct boot_state *s);

#endif
