/*
 * The harness tests itself: the suite ktest_demo passes in an ordinary run, and fails or skips
 * while the form of the KTAP is looked at.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/glob.h"
#include "kernel/base/ktest.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "tests/host/shim.h"

static bool armed, eventful, announced;
static int ran;

KTEST(ktest_demo, c_skips)
{
    if (armed)
        ktest_skip("no such device");
}

KTEST(ktest_demo, b_fails)
{
    EXPECT_EQ(armed, 0);
    REQUIRE_TRUE(!armed);
    ran++;
}

KTEST(ktest_demo, a_passes)
{
    EXPECT_STREQ("x", "x");
}

KTEST(ktest_demo2, only)
{
    ktest_note("value %d", 7);
    if (announced)
        ktest_expect_event(EVENT_CALL_NMI);
    if (eventful)
        event_add(EVENT_CALL_NMI, 2);
}

KTEST(ktest, form)
{
    static const char *const want[] = {
        "KTAP version 1",
        "1..2",
        "  KTAP version 1",
        "  # Subtest: ktest_demo",
        "  1..3",
        "  ok 1 a_passes",
        "  # FILE:",
        "  # FILE:",
        "  not ok 2 b_fails",
        "  ok 3 c_skips # SKIP no such device",
        "not ok 1 ktest_demo",
        "  KTAP version 1",
        "  # Subtest: ktest_demo2",
        "  1..1",
        "  # value 7",
        "  ok 1 only",
        "ok 2 ktest_demo2",
    };
    struct ktest_totals t = {0};

    armed = true;
    shim_raw_capture(true);
    ktest_run("ktest_demo*", &t);
    shim_raw_capture(false);
    armed = false;
    EXPECT_EQ(t.passed, 2);
    EXPECT_EQ(t.failed, 1);
    EXPECT_EQ(t.skipped, 1);
    REQUIRE_EQ(shim_raw_count(), ARRAY_SIZE(want));
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        if (i == 6 || i == 7)
            EXPECT_TRUE(glob_match("  # tests/kernel/base/ktest_test.c:*: *", shim_raw_line(i)));
        else
            EXPECT_STREQ(shim_raw_line(i), want[i]);
    }
}

static void note_result(void *ctx, const char *suite, const char *name, enum ktest_result result)
{
    char *text = ctx;
    size_t len = strlen(text);

    ksnprintf(text + len, 128 - len, "%s.%s=%d ", suite, name, result);
}

KTEST(ktest, results_are_told)
{
    char text[128] = "";
    struct ktest_totals t = {.on_result = note_result, .ctx = text};

    armed = true;
    shim_raw_capture(true);
    ktest_run("ktest_demo*", &t);
    shim_raw_capture(false);
    armed = false;
    EXPECT_STREQ(text, "ktest_demo.a_passes=0 ktest_demo.b_fails=1 ktest_demo.c_skips=2 "
                       "ktest_demo2.only=0 ");
}

KTEST(ktest, nothing_selected)
{
    struct ktest_totals t = {0};

    shim_raw_capture(true);
    ktest_run("nosuch.*", &t);
    shim_raw_capture(false);
    EXPECT_EQ(t.passed + t.failed + t.skipped, 0);
    EXPECT_STREQ(shim_raw_line(1), "1..0");
}

KTEST(ktest, suite_of_skips_is_skipped)
{
    struct ktest_totals t = {0};

    armed = true;
    shim_raw_capture(true);
    ktest_run("ktest_demo.c_*", &t);
    shim_raw_capture(false);
    armed = false;
    EXPECT_EQ(t.skipped, 1);
    EXPECT_STREQ(shim_raw_line(shim_raw_count() - 1),
                 "ok 1 ktest_demo # SKIP every case was skipped");
}

KTEST(shim, panic_comes_back)
{
    EXPECT_TRUE(SHIM_PANICS(panic("number %d", 3)));
    EXPECT_STREQ(shim_panic_text(), "number 3");
    EXPECT_FALSE(SHIM_PANICS(ASSERT(true)));
    EXPECT_TRUE(SHIM_PANICS(ASSERT(ran < 0)));
}

KTEST(shim, keeps_lines)
{
    shim_log_reset();
    pr_warn("firmware bug: SRAT: entry %d", 4);
    pr_info("two");
    EXPECT_EQ(shim_log_count(), 2);
    EXPECT_EQ(shim_log_level(0), LOG_WARN);
    EXPECT_STREQ(shim_log_line(1), "two");
    EXPECT_TRUE(shim_log_contains("entry 4"));
    EXPECT_FALSE(shim_log_contains_prefix("entry"));
    EXPECT_TRUE(shim_log_contains_prefix("firmware bug: "));
    EXPECT_STREQ(shim_log_line(9), "");
}

static u32 failures_of(bool announce, u64 allowed)
{
    struct ktest_totals t = {.judge_events = true, .allowed_events = allowed};

    eventful = true;
    announced = announce;
    shim_raw_capture(true);
    ktest_run("ktest_demo2.*", &t);
    shim_raw_capture(false);
    eventful = announced = false;
    return t.failed;
}

/* A net that caught something nobody asked for fails the case; an announced one is excused. */
KTEST(ktest, an_event_must_be_announced)
{
    u64 excused = event_excused(EVENT_CALL_NMI);

    EXPECT_EQ(failures_of(false, 0), 1);
    EXPECT_TRUE(glob_match("*call-nmi: 2 that the case did not announce*", shim_raw_line(6)));
    EXPECT_EQ(event_excused(EVENT_CALL_NMI), excused);
    EXPECT_EQ(failures_of(false, 1ULL << EVENT_TLB_NMI), 1);
    EXPECT_EQ(failures_of(false, 1ULL << EVENT_CALL_NMI), 0);
    EXPECT_EQ(event_excused(EVENT_CALL_NMI), excused);
    EXPECT_EQ(failures_of(true, 0), 0);
    EXPECT_EQ(event_excused(EVENT_CALL_NMI), excused + 2);
    EXPECT_EQ(event_find("call-nmi"), EVENT_CALL_NMI);
    EXPECT_EQ(event_find("no-such"), EVENT_NR_IDS);
}
