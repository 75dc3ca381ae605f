/*
 * Words and values of the command line. The keys are in options.c.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cmdline.h"

#include "kernel/base/errno.h"
#include "kernel/base/events.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void add_word(struct cmdline *c, char *key, char *value)
{
    if (c->count == CMDLINE_MAX_WORDS) {
        event_count(EVENT_OPTION_IGNORED);
        pr_warn("command line: more than %u words, \"%s\" ignored", CMDLINE_MAX_WORDS, key);
        return;
    }
    c->words[c->count].key = key;
    c->words[c->count++].value = value;
}

void cmdline_parse(struct cmdline *c, const char *text)
{
    char *out = c->text, *last = c->text + CMDLINE_MAX - 1;
    bool cut = false;

    c->count = 0;
    while (!cut) {
        char *key = out, *value = NULL;
        bool quoted = false;

        while (is_blank(*text))
            text++;
        if (!*text)
            break;
        for (; *text && (quoted || !is_blank(*text)); text++) {
            if (out == last) {
                cut = true;
                break;
            }
            if (*text == '"') {
                quoted = !quoted;
            } else if (*text == '=' && !value) {
                *out++ = '\0';
                value = out;
            } else {
                *out++ = *text;
            }
        }
        *out = '\0';
        cut |= out == last;
        out += !cut;
        add_word(c, key, value);
    }
    while (is_blank(*text))
        text++;
    if (*text) {
        event_count(EVENT_OPTION_IGNORED);
        pr_warn("command line: longer than %u bytes, the rest is ignored", CMDLINE_MAX - 1);
    }
}

static unsigned int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned int)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned int)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned int)(c - 'A') + 10;
    return 99;
}

/* The number at the start of text; *end: the text behind it. */
static int parse_number(const char *text, const char **end, u64 *out)
{
    unsigned int base = 10;
    u64 v = 0;

    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    if (digit_value(*text) >= base)
        return -EINVAL;
    for (; digit_value(*text) < base; text++)
        if (__builtin_mul_overflow(v, (u64)base, &v) ||
            __builtin_add_overflow(v, (u64)digit_value(*text), &v))
            return -ERANGE;
    *end = text;
    *out = v;
    return 0;
}

int parse_u64(const char *text, u64 *out)
{
    const char *end;
    u64 v;
    int err = parse_number(text, &end, &v);

    if (err)
        return err;
    if (*end)
        return -EINVAL;
    *out = v;
    return 0;
}

int parse_size(const char *text, u64 *out)
{
    static const char units[] = "kmgtKMGT";
    const char *end, *unit;
    u64 v;
    int err = parse_number(text, &end, &v);

    if (err)
        return err;
    if (*end) {
        unit = strchr(units, *end);
        if (!unit || end[1])
            return -EINVAL;
        if (__builtin_mul_overflow(v, 1024ULL << (unit - units) % 4 * 10, &v))
            return -ERANGE;
    }
    *out = v;
    return 0;
}

bool list_next(const char **list, char *item, size_t size)
{
    const char *p = *list;
    size_t n = 0;

    if (!p || !*p)
        return false;
    for (; *p && *p != ','; p++)
        if (n + 1 < size)
            item[n++] = *p;
    item[n] = '\0';
    *list = *p ? p + 1 : p;
    return true;
}

bool list_contains(const char *list, const char *item)
{
    char one[OPT_TEXT_MAX];

    while (list_next(&list, one, sizeof(one)))
        if (strcmp(one, item) == 0)
            return true;
    return false;
}
