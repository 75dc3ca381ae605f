/*
 * The rules of the verdict (docs/adr/0019): what makes a run FAILED, what only doubtful, and that
 * the line names each reason with its count.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "kernel/report/outcome.h"

static const struct outcome_counts good = {
    .cpus_wanted = 8, .cpus_online = 8, .tests_asked = true, .passed = 9, .first_glob = "test:no*"};

static const char *line(struct outcome_counts c)
{
    static char text[448];
    struct outcome o;

    outcome_decide(&o, &c);
    return outcome_text(&o, text, sizeof(text));
}

/* The line when one field of a good run has another value. */
#define WITH(field, value)                                                                         \
    ({                                                                                             \
        struct outcome_counts c_ = good;                                                           \
        c_.field = (value);                                                                        \
        line(c_);                                                                                  \
    })

KTEST(outcome, held)
{
    EXPECT_STREQ(line(good), "all held");
    EXPECT_STREQ(line((struct outcome_counts){0}), "all held");
    EXPECT_STREQ(WITH(cpus_online, 9), "all held"); /* woken after maxcpus= */
    EXPECT_STREQ(WITH(events[EVENT_AP_RETRY], 3), "all held");
    EXPECT_STREQ(WITH(strict_firmware, true), "all held");
}

KTEST(outcome, failed)
{
    EXPECT_STREQ(WITH(cpus_online, 7), "FAILED: 1 of 8 CPUs did not start");
    EXPECT_STREQ(WITH(units_wrong, 1), "FAILED: 1 unit in the wrong place");
    EXPECT_STREQ(WITH(failed, 2), "FAILED: 2 test cases failed");
    EXPECT_STREQ(WITH(globs_empty, 1), "FAILED: 1 glob of run= matched nothing: test:no*");
    EXPECT_STREQ(WITH(globs_empty, 3),
                 "FAILED: 3 globs of run= matched nothing, the first: test:no*");
    EXPECT_STREQ(WITH(words_refused, 2), "FAILED: 2 words of fail= did nothing");
    EXPECT_STREQ(WITH(passed, 0), "FAILED: no test case ran");
    EXPECT_STREQ(WITH(damaged, 3), "FAILED: 3 damaged per-CPU objects");
    EXPECT_STREQ(WITH(ubsan_reports, 2), "FAILED: 2 reports of undefined behaviour");
    EXPECT_STREQ(WITH(on_purpose, 1), "FAILED: fail=test asked for it");
}

KTEST(outcome, doubtful)
{
    EXPECT_STREQ(WITH(firmware_fail, 2), "held, but: 2 firmware failures");
    EXPECT_STREQ(WITH(no_acpi, true), "held, but: no ACPI tables");
    EXPECT_STREQ(WITH(no_madt, true), "held, but: no ACPI table lists the CPUs");
    EXPECT_STREQ(WITH(uncovered, 2 * SZ_1M), "held, but: 2048 KiB of memory in no node");
    EXPECT_STREQ(WITH(events[EVENT_OPTION_IGNORED], 1), "held, but: 1 option-ignored event");
    EXPECT_STREQ(WITH(events[EVENT_MCE_CORRECTED], 1), "held, but: 1 mce-corrected event");
}

KTEST(outcome, strict_firmware_fails)
{
    struct outcome_counts c = good;

    c.strict_firmware = true;
    c.firmware_fail = 1;
    EXPECT_STREQ(line(c), "FAILED: 1 firmware failure");
}

/* A failure outweighs a doubt; the line has the reasons of its own weight, the list has all. */
KTEST(outcome, several)
{
    struct outcome_counts c = good;
    struct outcome o;

    c.no_acpi = true;
    c.firmware_fail = 1;
    EXPECT_STREQ(line(c), "held, but: 1 firmware failure, no ACPI tables");
    c.failed = 1;
    c.cpus_online = 3;
    EXPECT_STREQ(line(c), "FAILED: 5 of 8 CPUs did not start, 1 test case failed");
    outcome_decide(&o, &c);
    EXPECT_EQ(o.verdict, OUTCOME_FAILED);
    EXPECT_EQ(o.nr_reasons, 4);
    EXPECT_STREQ(o.reasons[0].id, "cpus");
    EXPECT_EQ(o.reasons[0].count, 5);
    EXPECT_STREQ(o.reasons[3].id, "no-acpi");
    EXPECT_EQ(o.reasons[3].weight, OUTCOME_HELD_BUT);
}

/* Everything at once: no reason is lost from the list, and the line is cut, not overrun. */
KTEST(outcome, everything)
{
    struct outcome_counts c = {.cpus_wanted = ~0u,
                               .tests_asked = true,
                               .failed = ~0u,
                               .globs_empty = ~0u,
                               .units_wrong = ~0u,
                               .ubsan_reports = ~0u,
                               .damaged = ~0ull,
                               .on_purpose = 1,
                               .firmware_fail = ~0u,
                               .no_acpi = true,
                               .no_madt = true,
                               .uncovered = ~0ull};
    char text[40];
    struct outcome o;

    for (u32 i = 0; i < EVENT_NR_IDS; i++)
        c.events[i] = ~0ull;
    outcome_decide(&o, &c);
    EXPECT_EQ(o.verdict, OUTCOME_FAILED);
    EXPECT_LE(o.nr_reasons, OUTCOME_MAX_REASONS);
    EXPECT_STREQ(outcome_text(&o, text, sizeof(text)), "FAILED: 4294967295 of 4294967295 CPUs d");
    EXPECT_STREQ(outcome_word(OUTCOME_HELD), "passed");
    EXPECT_STREQ(outcome_word(OUTCOME_HELD_BUT), "passed-but");
    EXPECT_STREQ(outcome_word(OUTCOME_FAILED), "failed");
}
