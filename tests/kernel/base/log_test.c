/*
 * The log: whole lines from many threads, late and dying sinks, a ring that overflows, cut lines.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "kernel/base/events.h"
#include "kernel/base/ktest.h"
#include "kernel/base/log.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

#define THREADS 4
#define LINES   500

static char ring[1 << 20];
static char got[1 << 20];
static size_t got_len;
static size_t fail_after;

static int keep(void *ctx, const char *buf, size_t len)
{
    (void)ctx;
    if (fail_after && got_len + len > fail_after)
        return -1;
    memcpy(got + got_len, buf, len);
    got_len += len;
    got[got_len] = 0;
    return (int)len;
}

static void say(struct log *log, u32 level, bool stamp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_vline(log, level, stamp, fmt, ap);
    va_end(ap);
}

static u64 fixed_time(void)
{
    return 12001234;
}

static void fresh(struct log *log, u64 size)
{
    log_init(log, ring, size, fixed_time);
    got_len = 0;
    got[0] = 0;
    fail_after = 0;
}

KTEST(log, stamp_raw_and_crlf)
{
    struct log log;
    struct log_sink sink = {.name = "keep", .write = keep};

    fresh(&log, 4096);
    log_add_sink(&log, &sink);
    say(&log, LOG_INFO, true, "first %d", 1);
    say(&log, 0, false, "ok 1");
    say(&log, LOG_DEBUG, true, "not shown");
    EXPECT_STREQ(got, "[   12.001234] first 1\r\nok 1\r\n");
}

KTEST(log, late_sink_gets_the_ring)
{
    struct log log;
    struct log_sink sink = {.name = "keep", .write = keep};

    fresh(&log, 4096);
    say(&log, LOG_INFO, false, "before");
    log_add_sink(&log, &sink);
    say(&log, LOG_INFO, false, "after");
    EXPECT_STREQ(got, "before\r\nafter\r\n");
}

KTEST(log, overwritten_bytes_are_said)
{
    struct log log;
    struct log_sink sink = {.name = "keep", .write = keep};

    fresh(&log, 4096);
    for (u32 i = 0; i < 1000; i++)
        say(&log, LOG_INFO, false, "line %u", i);
    log_add_sink(&log, &sink);
    log_drain(&log);
    EXPECT_TRUE(strchr(got, 'l') != NULL);
    EXPECT_EQ(strncmp(got, "\r\nlog: ", 7), 0);
    EXPECT_EQ(log.lost, log.head - 4096);
    EXPECT_STREQ(got + got_len - 10, "line 999\r\n");
}

KTEST(log, a_dead_sink_is_left_alone)
{
    struct log log;
    struct log_sink sink = {.name = "keep", .write = keep};

    fresh(&log, 4096);
    fail_after = 12;
    log_add_sink(&log, &sink);
    say(&log, LOG_INFO, false, "fits");
    say(&log, LOG_INFO, false, "does not fit");
    fail_after = 0;
    say(&log, LOG_INFO, false, "too late");
    EXPECT_TRUE(sink.dead);
    EXPECT_STREQ(got, "fits\r\n");
}

/* ---- sinks that stall ------------------------------------------------------------------------ */

static size_t takes; /* bytes that the sink takes until it stalls */
static u32 stalls;

static int keep_some(void *ctx, const char *buf, size_t len)
{
    size_t n = MIN(len, takes);

    (void)ctx;
    memcpy(got + got_len, buf, n);
    got_len += n;
    got[got_len] = 0;
    takes -= n;
    return (int)n;
}

static void count_stall(struct log_sink *sink)
{
    EXPECT_TRUE(sink->stalled);
    stalls++;
}

/* Wherever it stalls, between CR and LF too: it goes on with the next byte, and nothing is lost. */
KTEST(log, a_stalled_sink_goes_on_where_it_stopped)
{
    static const char all[] = "one\r\n\r\ntwo\r\nthree\r\n";

    for (size_t first = 0; first < sizeof(all); first++) {
        for (size_t second = 0; first + second < sizeof(all); second++) {
            struct log log;
            struct log_sink sink = {.name = "some", .write = keep_some};
            u64 counted = event_total(EVENT_CONSOLE_STALLED);

            fresh(&log, 4096);
            log.on_stall = count_stall;
            stalls = 0;
            takes = first;
            log_add_sink(&log, &sink);
            say(&log, LOG_INFO, false, "one");
            takes += second;
            say(&log, LOG_INFO, false, "");
            say(&log, LOG_INFO, false, "two");
            EXPECT_EQ(log_behind(&log, &sink) != 0, first + second < 12);
            takes = sizeof(all);
            say(&log, LOG_INFO, false, "three");
            EXPECT_STREQ(got, all);
            EXPECT_FALSE(sink.stalled || sink.dead);
            EXPECT_EQ(log_behind(&log, &sink), 0);
            EXPECT_EQ(event_total(EVENT_CONSOLE_STALLED) - counted, stalls);
            EXPECT_EQ(stalls > 0, first < 5 || first + second < 12);
        }
    }
}

static u32 times(const char *text)
{
    u32 n = 0;

    for (const char *at = got; *at; at++)
        n += strncmp(at, text, strlen(text)) == 0;
    return n;
}

/* What is overwritten meanwhile is counted, and said once when the sink takes bytes again. */
KTEST(log, a_sink_that_stalls_too_long_says_what_it_lost)
{
    struct log log;
    struct log_sink sink = {.name = "some", .write = keep_some};
    u64 counted = event_total(EVENT_CONSOLE_LOST);
    char lost[64];

    fresh(&log, 4096);
    takes = 3;
    log_add_sink(&log, &sink);
    for (u32 i = 0; i < 1000; i++)
        say(&log, LOG_INFO, false, "line %u", i);
    EXPECT_STREQ(got, "lin");
    takes = 10; /* not enough for the line that says so: it is said again */
    say(&log, LOG_INFO, false, "more");
    takes = sizeof(got);
    say(&log, LOG_INFO, false, "last");
    EXPECT_EQ(log.lost, log.head - 4096 - 3);
    EXPECT_EQ(event_total(EVENT_CONSOLE_LOST) - counted, log.lost);
    EXPECT_EQ(strncmp(got + 3, "\r\nlog: ", 7), 0);
    ksnprintf(lost, sizeof(lost), "\r\nlog: %llu bytes lost\r\n", (unsigned long long)log.lost);
    EXPECT_EQ(times(lost), 1);
    EXPECT_EQ(times("bytes lost"), 1);
    EXPECT_STREQ(got + got_len - 12, "more\r\nlast\r\n");
}

KTEST(log, long_lines_are_cut)
{
    struct log log;
    struct log_sink sink = {.name = "keep", .write = keep};
    char text[1000];

    fresh(&log, 4096);
    log_add_sink(&log, &sink);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    say(&log, LOG_INFO, false, "%s", text);
    EXPECT_EQ(got_len, LOG_LINE_MAX);
    EXPECT_STREQ(got + got_len - 6, "x...\r\n");
}

KTEST(log, held_lines_wait)
{
    struct log log;
    struct log_sink sink = {.name = "keep", .write = keep};

    fresh(&log, 4096);
    log_add_sink(&log, &sink);
    log.hold = true;
    say(&log, LOG_INFO, false, "held");
    EXPECT_EQ(got_len, 0);
    log_drain(&log);
    EXPECT_STREQ(got, "held\r\n");
}

/* Text is counted from a position on, across the ring's end, as far as the ring goes back. */
KTEST(log, count)
{
    struct log log;
    u64 mark;

    fresh(&log, 2048);
    EXPECT_EQ(log_count(&log, 0, "a line"), 0);
    say(&log, 0, false, "a line, a line");
    mark = log.head;
    EXPECT_EQ(log_count(&log, 0, "a line"), 2);
    EXPECT_EQ(log_count(&log, mark, "a line"), 0);
    EXPECT_EQ(log_count(&log, 0, "a lines"), 0);
    say(&log, 0, false, "aa line");
    EXPECT_EQ(log_count(&log, mark, "a line"), 1);
    for (u32 i = 0; i < 300; i++) {
        mark = log.head;
        say(&log, 0, false, "b line %u.", 1000 + i);
        EXPECT_EQ(log_count(&log, mark, "b line"), 1);
    }
    EXPECT_EQ(log_count(&log, 0, "a line"), 0);
    EXPECT_EQ(log_count(&log, 0, "b line "), 2048 / 13);
}

/* A lock whose holder never lets go costs the line, not the CPU; in panic mode not even that. */
KTEST(log, stuck_lock)
{
    struct log log;
    struct log_sink sink = {.name = "keep", .write = keep};
    u64 counted = event_total(EVENT_LOG_LOST);
    u64 start;

    fresh(&log, 4096);
    log_add_sink(&log, &sink);
    spin_lock(&log.lock);
    log.holder = 8; /* CPU 7 */
    start = cpu_ticks();
    say(&log, LOG_INFO, false, "dropped");
    EXPECT_EQ(log.dropped_lines, 1);
    EXPECT_GE(cpu_ticks() - start, LOG_WAIT_TICKS); /* time counts, not turns */
    log.holder = host_cpu_number + 1;               /* as in an NMI on that CPU */
    start = cpu_ticks();
    say(&log, LOG_INFO, false, "dropped");
    EXPECT_EQ(log.dropped_lines, 2);
    EXPECT_EQ(event_total(EVENT_LOG_LOST) - counted, 2);
    EXPECT_LE(cpu_ticks() - start, LOG_WAIT_TICKS / 2); /* no wait helps there */
    spin_lock(&log.drain);
    log_panic_mode(&log);
    say(&log, LOG_INFO, false, "last words");
    EXPECT_STREQ(got, "last words\r\n");
}

static struct log shared;

static void *writer(void *arg)
{
    host_cpu_number = (u32)(uintptr_t)arg + 1;
    for (u32 i = 0; i < LINES; i++)
        say(&shared, LOG_INFO, false, "<%u:%u>", (u32)(uintptr_t)arg, i);
    return NULL;
}

/* Every line is whole, in its thread's order, and none is missing. */
KTEST(log, threads)
{
    struct log_sink sink = {.name = "keep", .write = keep};
    pthread_t threads[THREADS];
    u32 next[THREADS] = {0}, lines = 0;

    fresh(&shared, sizeof(ring));
    log_add_sink(&shared, &sink);
    for (uintptr_t i = 0; i < THREADS; i++)
        REQUIRE_EQ(pthread_create(&threads[i], NULL, writer, (void *)i), 0);
    for (u32 i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_drain(&shared);

    for (char *at = got; *at; lines++) {
        char want[32];
        u32 thread = (u32)(at[1] - '0');

        REQUIRE_TRUE(at[0] == '<' && thread < THREADS);
        ksnprintf(want, sizeof(want), "<%u:%u>\r\n", thread, next[thread]++);
        REQUIRE_EQ(strncmp(at, want, strlen(want)), 0);
        at += strlen(want);
    }
    EXPECT_EQ(lines, THREADS * LINES);
}

KTEST(log, copies_for_a_page)
{
    struct log log;
    char text[16];
    u64 mark;

    fresh(&log, 4 * LOG_LINE_MAX);
    say(&log, LOG_INFO, false, "before");
    mark = log.head;
    say(&log, LOG_INFO, false, "one");
    say(&log, LOG_INFO, false, "two");
    EXPECT_EQ(log_copy(&log, mark, text, sizeof(text)), 8);
    EXPECT_STREQ(text, "one\ntwo\n");
    EXPECT_EQ(log_copy(&log, mark, text, 6), 5); /* cut, with its NUL */
    EXPECT_STREQ(text, "one\nt");
    EXPECT_EQ(log_copy(&log, log.head, text, sizeof(text)), 0);
    for (u32 i = 0; i < 1000; i++)
        say(&log, LOG_INFO, false, "%04u more", i); /* the mark's line is gone from the ring */
    EXPECT_EQ(log_copy(&log, mark, text, sizeof(text)), sizeof(text) - 1);
}

/* ---- nothing is left of a line that another CPU sends ---------------------------------------- */

static atomic_bool sending, send_on;

static int slow(void *ctx, const char *buf, size_t len)
{
    atomic_store(&sending, true);
    while (!atomic_load(&send_on))
        sched_yield();
    return keep(ctx, buf, len);
}

static void *say_one(void *log)
{
    host_cpu_number = 1;
    say(log, LOG_INFO, false, "from another CPU");
    return NULL;
}

/* stalled: it was, and takes bytes again just now. Such a sink alone is not waited for. */
static void drained_after(bool stalled)
{
    struct log log;
    struct log_sink sink = {.name = "slow", .write = slow};
    pthread_t other;

    fresh(&log, 4096);
    log_add_sink(&log, &sink);
    EXPECT_TRUE(log_drained(&log));
    sink.stalled = stalled;
    atomic_store(&sending, false);
    atomic_store(&send_on, false);
    pthread_create(&other, NULL, say_one, &log);
    while (!atomic_load(&sending))
        sched_yield();
    log_drain(&log); /* returns at once: the other CPU is at it */
    EXPECT_FALSE(log_drained(&log));
    atomic_store(&send_on, true);
    pthread_join(other, NULL);
    EXPECT_TRUE(log_drained(&log));
    EXPECT_STREQ(got, "from another CPU\r\n");
}

KTEST(log, not_drained_while_another_cpu_sends)
{
    drained_after(false);
    drained_after(true);
}

KTEST(log, not_drained_while_lines_are_held)
{
    struct log log;
    struct log_sink sink = {.name = "keep", .write = keep}, dead = {.name = "dead", .write = keep};

    fresh(&log, 4096);
    log_add_sink(&log, &sink);
    log_add_sink(&log, &dead);
    dead.dead = true;
    log.hold = true;
    say(&log, LOG_INFO, false, "held");
    EXPECT_FALSE(log_drained(&log));
    log_drain(&log);
    EXPECT_TRUE(log_drained(&log)); /* a dead sink is not waited for */
    say(&log, LOG_INFO, false, "held too");
    EXPECT_FALSE(log_drained(&log));
    sink.stalled = true;
    EXPECT_TRUE(log_drained(&log)); /* nor is a stalled one */
}
