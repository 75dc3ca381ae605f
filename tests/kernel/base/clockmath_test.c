/*
 * The clock's arithmetic at its edges, and against 128-bit division where the host has one.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/clockmath.h"
#include "kernel/base/ktest.h"
#include "tests/host/random.h"

__extension__ typedef unsigned __int128 u128;

static u64 seed = 1;

static u64 rnd(void)
{
    return random_lcg(&seed) >> 20;
}

KTEST(clockmath, conversions_match_wide_division)
{
    for (u32 i = 0; i < 20000; i++) {
        u64 khz = 1 + rnd() % 20000000, ticks = rnd() << (rnd() % 20), us = rnd();

        if ((u128)ticks * 1000 / khz <= ~0ULL)
            EXPECT_EQ(clock_ticks_to_us(ticks, khz), (u64)((u128)ticks * 1000 / khz));
        if ((u128)ticks * 1000000 / khz <= ~0ULL)
            EXPECT_EQ(clock_ticks_to_ns(ticks, khz), (u64)((u128)ticks * 1000000 / khz));
        if ((u128)us * khz / 1000 <= ~0ULL)
            EXPECT_EQ(clock_us_to_ticks(us, khz), (u64)((u128)us * khz / 1000));
    }
}

KTEST(clockmath, a_year_at_ten_ghz)
{
    u64 year_us = 365ULL * 86400 * 1000000;

    EXPECT_EQ(clock_us_to_ticks(year_us, 10000000), year_us * 10000);
    EXPECT_EQ(clock_ticks_to_us(year_us * 10000, 10000000), year_us);
    EXPECT_EQ(clock_ticks_to_us(9999, 10000000), 0);
    EXPECT_EQ(clock_ticks_to_us(0, 1), 0);
}

KTEST(clockmath, measured_frequency)
{
    /* 3580 ticks of the PM timer while a 1 GHz TSC ran: 1000127 ticks. */
    EXPECT_EQ(clock_khz(1000127, 3580, 3579545), 999999);
    EXPECT_EQ(clock_khz(2000000000, 3579545, 3579545), 2000000);
    EXPECT_EQ(clock_khz(5966000, 2386, 1193182), 2983455);
    EXPECT_EQ(clock_khz(1000, 0, 3579545), 0);
}

KTEST(clockmath, cpuid_15h_and_16h)
{
    EXPECT_EQ(clock_khz_cpuid(2, 216, 24000000, 2600), 2592000);
    EXPECT_EQ(clock_khz_cpuid(1, 0xffffffff, 0xffffffff, 0), 18446744065119617ULL);
    EXPECT_EQ(clock_khz_cpuid(0, 216, 24000000, 2600), 0);
    EXPECT_EQ(clock_khz_cpuid(2, 0, 24000000, 2600), 0);
    EXPECT_EQ(clock_khz_cpuid(2, 216, 0, 2600), 2600000);
    EXPECT_EQ(clock_khz_cpuid(2, 216, 0, 0), 0);
}

KTEST(clockmath, span_is_middle_to_middle_or_refused)
{
    struct clock_bracket first = {100, 110}, last = {1099, 1111}, same = {1000, 1000};

    EXPECT_EQ(clock_span(first, last, 90), 1000); /* wrong by 5 and 6 at most: 11 of 1000 */
    EXPECT_EQ(clock_span(first, last, 91), 0);
    EXPECT_EQ(clock_span(same, same, 32), 0);
    /* The same wait of 12 M ticks inside of one bracket: too much of 1 ms, little of 512 ms. */
    first = (struct clock_bracket){0, 12000000};
    last = (struct clock_bracket){15000000, 15000100};
    EXPECT_EQ(clock_span(first, last, 32), 0);
    last = (struct clock_bracket){1536000000, 1536000100};
    EXPECT_EQ(clock_span(first, last, 32), 1530000050);
}

/* Where in the brackets the clock was really read: never further off than the part asked for. */
KTEST(clockmath, span_holds_for_every_moment_of_reading)
{
    struct clock_bracket first = {50, 61}, last = {0, 0};

    for (u64 end = 100; end < 1000; end += 7) {
        last = (struct clock_bracket){end, end + 20};
        u64 span = clock_span(first, last, 32);

        for (u64 a = first.before; span && a <= first.after; a++) {
            for (u64 b = last.before; b <= last.after; b++) {
                u64 real = b - a, off = real > span ? real - span : span - real;

                EXPECT_LE(off * 32, span);
            }
        }
    }
    EXPECT_NE(clock_span(first, last, 32), 0);
}

/* A CPU whose TSC is behind the boot CPU's. */
KTEST(clockmath, before_the_start_is_zero)
{
    EXPECT_EQ(clock_since(1000, 1000), 0);
    EXPECT_EQ(clock_since(1001, 1000), 1);
    EXPECT_EQ(clock_since(999, 1000), 0);
    EXPECT_EQ(clock_since(0, 3000000000ULL), 0);
    EXPECT_EQ(clock_since(5, ~0ULL - 4), 10); /* the TSC has wrapped */
}
