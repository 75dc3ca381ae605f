/*
 * What the run came to, for somebody who is not at the machine: the block to send, at the end of
 * the log, in the report's form (docs/report.md). It holds no serial number, no UUID and no MAC
 * address. And, with lava=on, a line for LAVA after each case.
 * Boot CPU; the collector is filled by ktest_run() through summary_case().
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_SUMMARY_H
#define PERCH_REPORT_SUMMARY_H

#include "kernel/base/ktest.h"
#include "kernel/stages/boot_state.h"

#define SUMMARY_MAX_FAILED 32 /* failed cases that are named; all are counted */
#define SUMMARY_NAME_MAX   96 /* "suite.case", with the NUL; more is cut */

/* A zeroed one is empty, and prints nothing for LAVA. */
struct summary {
    bool lava;
    struct ktest_totals tests;
    u32 nr_failed; /* names in failed[] */
    char failed[SUMMARY_MAX_FAILED][SUMMARY_NAME_MAX];
};

/* Takes one result: the on_result of a struct ktest_totals whose ctx is a struct summary. */
void summary_case(void *summary, const char *suite, const char *name, enum ktest_result result);

/* The verdict as a case named "perch", with lava=on. */
void summary_lava_verdict(const struct summary *s, bool passed);

/* The name CPUID gives this CPU, into text; returns where it begins there. */
const char *summary_cpu_name(char text[49]);

/* Prints the block. */
void summary_print(const struct summary *s, const struct boot_state *b, bool passed);

#endif
