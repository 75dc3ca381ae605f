/*
 * The formatter of every log line: C11 7.21.6.1 without floating point, locale and %n. A null
 * string prints as "(null)" and an unknown conversion as itself: a log line with a mistake is worth
 * more than a fault.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/printf.h"

#include "kernel/base/string.h"

struct out {
    char *buf;
    size_t size;
    size_t len; /* of the whole text, stored or not */
};

struct spec {
    bool left, zero, plus, space, alt;
    bool has_precision;
    size_t width;
    size_t precision;
    int size; /* of the integer argument, in bytes */
};

/* Far above any field a log line needs, far below the range of int. */
#define FIELD_MAX 1000000U

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void put_many(struct out *o, char c, size_t n)
{
    while (n--)
        put(o, c);
}

static void put_text(struct out *o, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(o, text[i]);
}

/* Pads n characters to the field's width: before them (left false) or behind them (left true). */
static void pad(struct out *o, const struct spec *s, bool left, size_t n)
{
    if (s->left == left && s->width > n)
        put_many(o, ' ', s->width - n);
}

static void put_padded(struct out *o, const struct spec *s, const char *text, size_t n)
{
    pad(o, s, false, n);
    put_text(o, text, n);
    pad(o, s, true, n);
}

/* Writes the digits of v before end; returns the first one. */
static char *digits(char *end, u64 v, unsigned int base, bool upper)
{
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    while (v) {
        *--end = set[v % base];
        v /= base;
    }
    return end;
}

/* One number: [spaces] prefix [zeros] digits [spaces], with the rules of 7.21.6.1p6. */
static void put_number(struct out *o, const struct spec *s, u64 v, unsigned int base, bool upper,
                       const char *prefix)
{
    char tmp[24];
    char *end = tmp + sizeof(tmp), *first = digits(end, v, base, upper);
    size_t ndigits = (size_t)(end - first), nprefix = strlen(prefix), zeros = 0, total;

    if (s->has_precision)
        zeros = s->precision > ndigits ? s->precision - ndigits : 0;
    else if (ndigits == 0)
        zeros = 1;
    if (base == 8 && s->alt && zeros == 0)
        zeros = 1;
    total = nprefix + zeros + ndigits;
    if (s->zero && !s->left && !s->has_precision && s->width > total) {
        zeros += s->width - total;
        total = s->width;
    }
    pad(o, s, false, total);
    put_text(o, prefix, nprefix);
    put_many(o, '0', zeros);
    put_text(o, first, ndigits);
    pad(o, s, true, total);
}

static const char *parse_flags(const char *f, struct spec *s)
{
    for (;; f++) {
        if (*f == '-')
            s->left = true;
        else if (*f == '0')
            s->zero = true;
        else if (*f == '+')
            s->plus = true;
        else if (*f == ' ')
            s->space = true;
        else if (*f == '#')
            s->alt = true;
        else
            return f;
    }
}

static const char *parse_count(const char *f, size_t *out)
{
    size_t n = 0;

    for (; *f >= '0' && *f <= '9'; f++)
        n = MIN(n * 10 + (size_t)(*f - '0'), (size_t)FIELD_MAX);
    *out = n;
    return f;
}

static const char *parse_length(const char *f, struct spec *s)
{
    s->size = sizeof(int);
    if (f[0] == 'h' && f[1] == 'h') {
        s->size = sizeof(char);
        return f + 2;
    }
    if (f[0] == 'l' && f[1] == 'l') {
        s->size = sizeof(long long);
        return f + 2;
    }
    if (*f == 'h')
        s->size = sizeof(short);
    else if (*f == 'l')
        s->size = sizeof(long);
    else if (*f == 'z' || *f == 't' || *f == 'j')
        s->size = sizeof(u64);
    else
        return f;
    return f + 1;
}

/*
 * In a structure, because a va_list may be an array, and as a parameter an array is a pointer. A
 * pointer to this structure keeps the position in any case.
 */
struct args {
    va_list ap;
};

/* The next integer argument, cut to the size in the spec. */
static u64 next_unsigned(struct args *a, const struct spec *s)
{
    u64 v = s->size == 8 ? va_arg(a->ap, u64) : va_arg(a->ap, unsigned int);

    return s->size == 8 ? v : v & ((1ULL << s->size * 8) - 1);
}

static s64 next_signed(struct args *a, const struct spec *s)
{
    s64 v = s->size == 8 ? va_arg(a->ap, s64) : va_arg(a->ap, int);

    if (s->size == 1)
        return (s8)v;
    return s->size == 2 ? (s16)v : v;
}

static void put_signed(struct out *o, struct spec *s, struct args *a)
{
    s64 v = next_signed(a, s);
    const char *sign = v < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";

    put_number(o, s, v < 0 ? 0 - (u64)v : (u64)v, 10, false, sign);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
    if (!text)
        text = "(null)";
    put_padded(o, s, text, s->has_precision ? strnlen(text, s->precision) : strlen(text));
}

/* One conversion. False: unknown, and no argument was read. */
static bool convert(struct out *o, char conversion, struct spec *s, struct args *a)
{
    char c;
    u64 v;

    switch (conversion) {
    case 'd':
    case 'i':
        put_signed(o, s, a);
        return true;
    case 'u':
        put_number(o, s, next_unsigned(a, s), 10, false, "");
        return true;
    case 'o':
        put_number(o, s, next_unsigned(a, s), 8, false, "");
        return true;
    case 'x':
    case 'X':
        v = next_unsigned(a, s);
        put_number(o, s, v, 16, conversion == 'X',
                   !s->alt || !v       ? ""
                   : conversion == 'X' ? "0X"
                                       : "0x");
        return true;
    case 'p':
        put_number(o, s, (u64)(uintptr_t)va_arg(a->ap, void *), 16, false, "0x");
        return true;
    case 'c':
        c = (char)va_arg(a->ap, int);
        put_padded(o, s, &c, 1);
        return true;
    case 's':
        put_string(o, s, va_arg(a->ap, const char *));
        return true;
    case '%':
        put(o, '%');
        return true;
    default:
        return false;
    }
}

/* One specification; f points behind its '%'. Returns the text behind it. */
static const char *format_one(struct out *o, const char *f, struct args *a)
{
    const char *start = f;
    struct spec s = {0};
    int star;

    f = parse_flags(f, &s);
    if (*f == '*') {
        star = va_arg(a->ap, int);
        s.left |= star < 0;
        s.width = MIN(star < 0 ? 0U - (unsigned int)star : (unsigned int)star, FIELD_MAX);
        f++;
    } else {
        f = parse_count(f, &s.width);
    }
    if (*f == '.') {
        s.has_precision = true;
        if (*++f == '*') {
            star = va_arg(a->ap, int);
            s.has_precision = star >= 0;
            s.precision = star < 0 ? 0 : MIN((unsigned int)star, FIELD_MAX);
            f++;
        } else {
            f = parse_count(f, &s.precision);
        }
    }
    f = parse_length(f, &s);
    if (*f && convert(o, *f, &s, a))
        return f + 1;
    put(o, '%');
    return start;
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct out o = {buf, size, 0};
    struct args a;

    va_copy(a.ap, ap);
    while (*fmt) {
        if (*fmt == '%')
            fmt = format_one(&o, fmt + 1, &a);
        else
            put(&o, *fmt++);
    }
    va_end(a.ap);
    if (size)
        buf[MIN(o.len, size - 1)] = '\0';
    return (int)o.len;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = kvsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

int kscnprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = kvsnprintf(buf, size, fmt, ap);
    va_end(ap);
    if (size == 0)
        return 0;
    return MIN(n, (int)size - 1);
}
