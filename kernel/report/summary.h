/*
 * The summary of the run: a block at the end of the log, in the report's form (docs/report.md),
 * which a user can send to us. It has no serial number, no UUID and no MAC address. Also, with
 * lava=on, a line for LAVA after each case. Boot CPU; the collector is filled by ktest_run()
 * through summary_case().
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_SUMMARY_H
#define PERCH_REPORT_SUMMARY_H

#include "kernel/base/ktest.h"
#include "kernel/report/outcome.h"
#include "kernel/stages/boot_state.h"

#define SUMMARY_MAX_FAILED 32 /* names of failed cases; all failures are counted */
#define SUMMARY_NAME_MAX   96 /* "suite.case", with the NUL; longer names are cut */

/* Zeroed: empty, and without lines for LAVA. */
struct summary {
    bool lava;
    struct ktest_totals tests;
    u32 nr_failed; /* names in failed[] */
    char failed[SUMMARY_MAX_FAILED][SUMMARY_NAME_MAX];
};

/* Adds a result: the on_result of a struct ktest_totals whose ctx is a struct summary. */
void summary_case(void *summary, const char *suite, const char *name, enum ktest_result result);

/* With lava=on, prints the verdict as a case named "perch": pass, unknown (held, but) or fail. */
void summary_lava_verdict(const struct summary *s, enum outcome_verdict verdict);

/* Writes this CPU's name by CPUID to text; returns its first character there. */
const char *summary_cpu_name(char text[49]);

/* Prints the block. */
void summary_print(const struct summary *s, const struct boot_state *b, const struct outcome *o);

#endif
