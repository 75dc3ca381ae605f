/*
 * The test harness of the kernel and of the hosted tests. KTEST() registers a case in a linker
 * section, so that the plan is printed before the first case runs, and a reader sees when the log
 * was cut. Output is KTAP: version line, plan, one nested plan per suite.
 *
 *     KTEST(range, wraps) { EXPECT_EQ(range_size(r), 0); }
 *
 * Context: one CPU runs the cases, in the order of suite and case name. A case may print "# ..."
 * diagnostics by ktest_note(). EXPECT_* goes on after a failure, REQUIRE_* leaves the case.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_KTEST_H
#define PERCH_BASE_KTEST_H

#include "kernel/base/events.h"
#include "kernel/base/types.h"

struct ktest_case {
    const char *suite;
    const char *name;
    void (*run)(void);
};

#define KTEST(suite_, name_)                                                                       \
    static void ktest_##suite_##_##name_(void);                                                    \
    static const struct ktest_case ktest_case_##suite_##_##name_ = {#suite_, #name_,               \
                                                                    ktest_##suite_##_##name_};     \
    static const struct ktest_case *const ktest_ptr_##suite_##_##name_ SECTION("ktest") =          \
        &ktest_case_##suite_##_##name_;                                                            \
    static void ktest_##suite_##_##name_(void)

enum ktest_result { KTEST_PASSED, KTEST_FAILED, KTEST_SKIPPED };

struct ktest_totals {
    u32 passed, failed, skipped;
    /*
     * In: an event (events.h) that a case did not announce makes it fail; allowed_events has a bit
     * for each id that never does.
     */
    bool judge_events;
    u64 allowed_events;
    /* Called after each case's line. May be NULL. */
    void (*on_result)(void *ctx, const char *suite, const char *name, enum ktest_result result);
    void *ctx;
};

/*
 * Runs every case whose "suite.name" matches glob (NULL: all; '*' and '?' as in a shell), prints
 * KTAP by log_raw() and adds the results to *totals.
 */
void ktest_run(const char *glob, struct ktest_totals *totals);

void ktest_fail(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);
void ktest_note(const char *fmt, ...) PRINTF(1, 2);
void ktest_skip(const char *reason); /* the case returns after it */

/*
 * This case causes events of this id on purpose, now or later: they do not fail it, and at its end
 * they are excused.
 */
void ktest_expect_event(enum event_id id);

#define EXPECT_TRUE(cond)  ((cond) ? (void)0 : ktest_fail(__FILE__, __LINE__, "expected %s", #cond))
#define EXPECT_FALSE(cond) EXPECT_TRUE(!(cond))

#define KTEST_CMP_(a, op, b)                                                                       \
    do {                                                                                           \
        ull a_ = (ull)(a), b_ = (ull)(b);                                                          \
        if (!(a_ op b_))                                                                           \
            ktest_fail(__FILE__, __LINE__, "%s " #op " %s: 0x%llx and 0x%llx", #a, #b, a_, b_);    \
    } while (0)
#define EXPECT_EQ(a, b) KTEST_CMP_(a, ==, b)
#define EXPECT_NE(a, b) KTEST_CMP_(a, !=, b)
#define EXPECT_LE(a, b) KTEST_CMP_(a, <=, b)
#define EXPECT_LT(a, b) KTEST_CMP_(a, <, b)
#define EXPECT_GE(a, b) KTEST_CMP_(a, >=, b)

#define EXPECT_STREQ(a, b)                                                                         \
    do {                                                                                           \
        const char *a_ = (a), *b_ = (b);                                                           \
        if (ktest_strcmp(a_, b_) != 0)                                                             \
            ktest_fail(__FILE__, __LINE__, "%s: \"%s\" is not \"%s\"", #a, a_, b_);                \
    } while (0)
int ktest_strcmp(const char *a, const char *b);

#define REQUIRE_TRUE(cond)                                                                         \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            ktest_fail(__FILE__, __LINE__, "required %s", #cond);                                  \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define REQUIRE_EQ(a, b) REQUIRE_TRUE((a) == (b))

#endif
