/*
 * Runs the registered cases and prints KTAP version 1. Each step selects the least case above the
 * last one: cheap for a few hundred cases, without memory, and without sorting the section, which
 * may be read-only.
 *
 * Part of the kernel and of every hosted test program. The state of the running case is a static
 * variable, because EXPECT_* has no argument for it.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"

#include <stdarg.h>
#include "kernel/base/glob.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

typedef const struct ktest_case *const *ktest_iter;

/* The linker's bounds of the section "ktest"; weak, because a program may have no case. */
extern const struct ktest_case *const __start_ktest[] __attribute__((weak));
extern const struct ktest_case *const __stop_ktest[] __attribute__((weak));

/* The running case. Another CPU may fail it, so the counter is atomic. */
static struct case_state {
    u32 failures;
    const char *skip_reason;
    u64 expected_events; /* a bit for each id */
} current;

static_assert(EVENT_NR_IDS <= 64, "a bit for each id");

int ktest_strcmp(const char *a, const char *b)
{
    if (!a || !b)
        return a != b;
    return strcmp(a, b);
}

static bool selected(const struct ktest_case *c, const char *glob)
{
    char full[160];

    if (!glob || !*glob)
        return true;
    ksnprintf(full, sizeof(full), "%s.%s", c->suite, c->name);
    return glob_list_match(glob, full);
}

/* By suite, then name, then position in the section. */
static int compare_cases(ktest_iter a, ktest_iter b)
{
    int order = strcmp((*a)->suite, (*b)->suite);

    if (order == 0)
        order = strcmp((*a)->name, (*b)->name);
    if (order == 0)
        order = a < b ? -1 : a > b;
    return order;
}

/* The first selected case after `last` (NULL: the first of all); NULL at the end. */
static ktest_iter next_case(ktest_iter last, const char *glob)
{
    ktest_iter best = NULL;

    for (ktest_iter i = __start_ktest; i != __stop_ktest; i++) {
        if (last && compare_cases(i, last) <= 0)
            continue;
        if ((!best || compare_cases(i, best) < 0) && selected(*i, glob))
            best = i;
    }
    return best;
}

static bool same_suite(ktest_iter a, ktest_iter b)
{
    return a && b && strcmp((*a)->suite, (*b)->suite) == 0;
}

static u32 count_suites(const char *glob)
{
    u32 n = 0;

    for (ktest_iter c = next_case(NULL, glob), last = NULL; c; c = next_case(c, glob)) {
        n += !same_suite(c, last);
        last = c;
    }
    return n;
}

static u32 count_cases(ktest_iter first, const char *glob)
{
    u32 n = 0;

    for (ktest_iter c = first; same_suite(c, first); c = next_case(c, glob))
        n++;
    return n;
}

/* before: event_unexcused() of each id when the case began. */
static void judge_events(const u64 before[EVENT_NR_IDS], u64 allowed)
{
    for (u32 id = 0; id < EVENT_NR_IDS; id++) {
        u64 n = event_unexcused(id) - before[id];

        if (!n)
            continue;
        if (current.expected_events >> id & 1)
            event_excuse(id, n);
        else if (!(allowed >> id & 1))
            ktest_fail("event", (int)id, "%s: %llu that the case did not announce (%s)",
                       event_kind(id)->id, (ull)n, event_kind(id)->text);
    }
}

static void judge_alarms(u64 lines)
{
    if (lines)
        ktest_fail("log", 0, "%llu warnings or errors that the case did not announce", (ull)lines);
}

static void run_case(const struct ktest_case *c, u32 number, struct ktest_totals *totals)
{
    enum ktest_result result = KTEST_PASSED;
    u64 events[EVENT_NR_IDS], alarms = 0;

    __atomic_store_n(&current.failures, 0, __ATOMIC_RELAXED);
    current.skip_reason = NULL;
    current.expected_events = 0;
    for (u32 id = 0; id < EVENT_NR_IDS; id++)
        events[id] = event_unexcused(id);
    if (totals->alarms)
        alarms = totals->alarms();
    c->run();
    log_expect(false);
    if (totals->judge_events)
        judge_events(events, totals->allowed_events);
    if (totals->alarms)
        judge_alarms(totals->alarms() - alarms);
    if (__atomic_load_n(&current.failures, __ATOMIC_RELAXED)) {
        result = KTEST_FAILED;
        totals->failed++;
        log_raw("  not ok %u %s", number, c->name);
    } else if (current.skip_reason) {
        result = KTEST_SKIPPED;
        totals->skipped++;
        log_raw("  ok %u %s # SKIP %s", number, c->name, current.skip_reason);
    } else {
        totals->passed++;
        log_raw("  ok %u %s", number, c->name);
    }
    if (totals->on_result)
        totals->on_result(totals->ctx, c->suite, c->name, result);
}

/* Runs the suite that begins with `first`; returns the first case of the next one. */
static ktest_iter run_suite(ktest_iter first, u32 number, const char *glob,
                            struct ktest_totals *totals)
{
    struct ktest_totals before = *totals;
    ktest_iter c = first;
    u32 cases = count_cases(first, glob);

    log_raw("  KTAP version 1");
    log_raw("  # Subtest: %s", (*first)->suite);
    log_raw("  1..%u", cases);
    for (u32 i = 1; same_suite(c, first); c = next_case(c, glob))
        run_case(*c, i++, totals);
    if (totals->failed != before.failed)
        log_raw("not ok %u %s", number, (*first)->suite);
    else if (totals->skipped - before.skipped == cases)
        log_raw("ok %u %s # SKIP every case was skipped", number, (*first)->suite);
    else
        log_raw("ok %u %s", number, (*first)->suite);
    return c;
}

bool ktest_matches(const char *glob)
{
    return next_case(NULL, glob) != NULL;
}

void ktest_run(const char *glob, struct ktest_totals *totals)
{
    struct case_state outer = current; /* the harness' own test calls this inside a case */
    u32 number = 1;

    log_raw("KTAP version 1");
    log_raw("1..%u", count_suites(glob));
    for (ktest_iter c = next_case(NULL, glob); c; number++)
        c = run_suite(c, number, glob, totals);
    current = outer;
}

void ktest_fail(const char *file, int line, const char *fmt, ...)
{
    char text[384];
    va_list ap;

    va_start(ap, fmt);
    kvsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    __atomic_fetch_add(&current.failures, 1, __ATOMIC_RELAXED);
    log_raw("  # %s:%d: %s", file, line, text);
}

void ktest_note(const char *fmt, ...)
{
    char text[384];
    va_list ap;

    va_start(ap, fmt);
    kvsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_raw("  # %s", text);
}

void ktest_skip(const char *reason)
{
    current.skip_reason = reason;
}

void ktest_expect_event(enum event_id id)
{
    current.expected_events |= 1ULL << id;
}

void ktest_expect_lines(void)
{
    log_expect(true);
}
