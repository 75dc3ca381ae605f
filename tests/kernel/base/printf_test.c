/*
 * What libc leaves open or does otherwise: null strings, unknown conversions, huge fields. The
 * rest is compared with libc in tests/kernel/base/printf_model.c.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "kernel/base/printf.h"
#include "kernel/base/range.h"

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-security"

KTEST(printf, null_and_unknown)
{
    char buf[64];
    const char *volatile none = NULL; /* volatile: the compiler may not look inside */
    const char *volatile odd = "%s %5.2f %k %";

    ksnprintf(buf, sizeof(buf), odd, none);
    EXPECT_STREQ(buf, "(null) %5.2f %k %");
    ksnprintf(buf, sizeof(buf), "%.3s|%p", none, (void *)0);
    EXPECT_STREQ(buf, "(nu|0x0");
}

KTEST(printf, bounds)
{
    char buf[8] = "unused";

    EXPECT_EQ(ksnprintf(buf, 0, "%d", 12345), 5);
    EXPECT_STREQ(buf, "unused");
    EXPECT_EQ(ksnprintf(NULL, 0, "%s", "abc"), 3);
    EXPECT_EQ(ksnprintf(buf, 1, "%d", 12345), 5);
    EXPECT_STREQ(buf, "");
    EXPECT_EQ(kscnprintf(buf, 4, "%d", 12345), 3);
    EXPECT_STREQ(buf, "123");
    EXPECT_EQ(kscnprintf(buf, sizeof(buf), "%d", 12), 2);
    EXPECT_EQ(kscnprintf(buf, 0, "%d", 12), 0);
}

KTEST(printf, fields_are_limited)
{
    char buf[16];
    const char *volatile huge = "%99999999999999999999d";

    EXPECT_EQ(ksnprintf(buf, sizeof(buf), huge, 1), 1000000);
    EXPECT_STREQ(buf, "               ");
}

KTEST(printf, ranges)
{
    char buf[64];
    struct range r = {0x20000000, 0x40000000};

    ksnprintf(buf, sizeof(buf), RANGE_FMT, RANGE_ARG(r));
    EXPECT_STREQ(buf, "[mem 0x20000000-0x3fffffff]");
}
