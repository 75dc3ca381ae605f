/*
 * The verdict on a run, from counts: held; held, but something makes the result doubtful; FAILED.
 * Promises that a verdict other than held names each of its reasons with its count, and that the
 * line is decided here alone (docs/adr/0019). Any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_OUTCOME_H
#define PERCH_REPORT_OUTCOME_H

#include "kernel/base/events.h"
#include "kernel/base/types.h"

enum outcome_verdict { OUTCOME_HELD, OUTCOME_HELD_BUT, OUTCOME_FAILED };

/* What happened in the run. Zeroed: a run of which nothing is known to be wrong. */
struct outcome_counts {
    u32 cpus_wanted, cpus_online; /* possible CPUs, as far as maxcpus= lets them start */
    bool tests_asked;             /* test in run= */
    u32 passed, failed;           /* test cases */
    u32 globs_empty;              /* globs of run= that match nothing */
    const char *first_glob;       /* the first of them, "test:GLOB"; NULL: there is none */
    u32 words_refused;            /* of fail=: they did nothing */
    u32 units_wrong;              /* struct placement_totals */
    u32 ubsan_reports;
    u64 damaged; /* dynamic per-CPU objects: percpu_damage() */
    u32 on_purpose;
    bool strict_firmware;
    u32 firmware_fail;        /* findings of class FAIL */
    bool no_acpi;             /* the loader gave no tables, and a search found none */
    bool no_madt;             /* there are tables, but none that lists CPUs */
    u64 uncovered;            /* bytes of RAM in no node, above the slack of NUMA_UNCOVERED_SLACK */
    u64 events[EVENT_NR_IDS]; /* those that no test caused on purpose */
};

/* One reason. */
struct outcome_reason {
    const char *id; /* stable, for programs */
    enum outcome_verdict weight;
    u64 count;
    char text[112]; /* with the count; cut */
};

#define OUTCOME_MAX_REASONS (12 + EVENT_NR_IDS)

struct outcome {
    enum outcome_verdict verdict;
    u32 nr_reasons; /* failures first */
    struct outcome_reason reasons[OUTCOME_MAX_REASONS];
};

void outcome_decide(struct outcome *o, const struct outcome_counts *c);

/*
 * "all held", "held, but: REASONS" or "FAILED: REASONS", with the reasons of the verdict's own
 * weight, separated by commas. Cut to size - 1 bytes. Returns text.
 */
char *outcome_text(const struct outcome *o, char *text, size_t size);

/* For programs: "passed", "passed-but", "failed". */
const char *outcome_word(enum outcome_verdict verdict);

#endif
