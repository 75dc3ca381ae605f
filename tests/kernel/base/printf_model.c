/*
 * Random formats and values against libc's vsnprintf. Where C11 leaves a combination undefined
 * (flags that a conversion does not take) none is made.
 * SPDX-License-Identifier: MIT
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/base/ktest.h"
#include "kernel/base/printf.h"
#include "tests/host/random.h"

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static u64 seed = 1;

static u32 rnd(u32 n)
{
    return (u32)(random_lcg(&seed) >> 33) % n;
}

static u64 value(void)
{
    static const u64 edge[] = {
        0,         1,          7,     8,   9,   10,  INT_MAX, UINT_MAX, 0x80000000ULL,
        LLONG_MAX, 1ULL << 63, ~0ULL, 127, 128, 255, 256,     65535};

    if (rnd(3) == 0)
        return edge[rnd(ARRAY_SIZE(edge))];
    return ((u64)rnd(1u << 31) << 33 ^ rnd(1u << 31)) >> rnd(64);
}

PRINTF(3, 0) static void compare(size_t size, const char *what, const char *fmt, va_list ap)
{
    char ours[128], theirs[128];
    va_list again;
    int n, m;

    memset(ours, 'x', sizeof(ours));
    memset(theirs, 'x', sizeof(theirs));
    va_copy(again, ap);
    n = kvsnprintf(ours, size, fmt, ap);
    m = vsnprintf(theirs, size, fmt, again);
    va_end(again);
    if (n != m || memcmp(ours, theirs, sizeof(ours)) != 0)
        ktest_fail(__FILE__, __LINE__, "%s \"%s\": %d \"%.100s\" is not %d \"%.100s\"", what, fmt,
                   n, size ? ours : "", m, size ? theirs : "");
}

PRINTF(2, 3) static void both(size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    compare(size, "format", fmt, ap);
    va_end(ap);
}

static size_t some_size(void)
{
    return rnd(4) ? 128 : rnd(12);
}

/* "[flags][width][.precision]" with literal numbers. */
static void make_field(char *out, const char *flags, bool precision)
{
    for (const char *f = flags; *f; f++)
        if (rnd(3) == 0)
            *out++ = *f;
    if (rnd(2))
        out += sprintf(out, "%u", 1 + rnd(30));
    if (precision && rnd(2))
        out += rnd(4) ? sprintf(out, ".%u", rnd(25)) : sprintf(out, ".");
    *out = '\0';
}

static void one_integer(void)
{
    static const char conversions[] = "diuxXo";
    static const char *const sizes[] = {"hh", "h", "", "l", "ll", "z", "t", "j"};
    char c = conversions[rnd(6)], field[32], fmt[64];
    const char *size = sizes[rnd(ARRAY_SIZE(sizes))];
    bool is_signed = c == 'd' || c == 'i';
    u64 v = value();

    make_field(field, is_signed ? "-+ 0" : c == 'u' ? "-0" : "-#0", true);
    snprintf(fmt, sizeof(fmt), "<%%%s%s%c>", field, size, c);
    if (size[0] == 'h' || size[0] == '\0')
        both(some_size(), fmt, (int)v);
    else
        both(some_size(), fmt, v);
}

static void one_text(void)
{
    static const char *const texts[] = {"", "a", "hello", "a longer text, with %d in it"};
    char field[32], fmt[64];

    make_field(field, "-", true);
    snprintf(fmt, sizeof(fmt), "%%%ss%%%%|%%d", field);
    both(some_size(), fmt, texts[rnd(ARRAY_SIZE(texts))], 42);
    make_field(field, "-", false);
    snprintf(fmt, sizeof(fmt), "%%%sc|%%s", field);
    both(some_size(), fmt, 'a' + (int)rnd(26), "after");
}

KTEST(printf_model, integers)
{
    for (int i = 0; i < 200000; i++)
        one_integer();
}

KTEST(printf_model, text)
{
    for (int i = 0; i < 50000; i++)
        one_text();
}

KTEST(printf_model, stars)
{
    const char *fmt = "%0*.*ld %*.*s";

    for (int i = 0; i < 50000; i++) {
        both(some_size(), "%*d|%-*u|%.*llx", (int)rnd(40) - 20, (int)value(), (int)rnd(20),
             (unsigned int)value(), (int)rnd(30) - 10, (unsigned long long)value());
        both(some_size(), fmt, (int)rnd(30) - 15, (int)rnd(20) - 5, (long)value(),
             (int)rnd(30) - 15, (int)rnd(20) - 5, "some text");
    }
}

KTEST(printf_model, many_arguments)
{
    both(128, "%d %d %d %d %d %d %d %d %s %llu", 1, -2, 3, -4, 5, -6, 7, -8, "nine", 10ULL);
    both(128, "%p %20p %-20p|", (void *)0x1234, (void *)&seed, (void *)&seed);
}
