/*
 * A strict reader of JSON; see json.h.
 * SPDX-License-Identifier: MIT
 */
#include "tools/layout/json.h"

#include <stdlib.h>
#include <string.h>

struct parser {
    const char *start, *pos, *end;
    const char *what; /* first error */
    const char *where;
};

static bool fail(struct parser *p, const char *what)
{
    if (!p->what) {
        p->what = what;
        p->where = p->pos;
    }
    return false;
}

static bool at(const struct parser *p, char c)
{
    return p->pos < p->end && *p->pos == c;
}

static bool at_digit(const struct parser *p)
{
    return p->pos < p->end && *p->pos >= '0' && *p->pos <= '9';
}

static bool accept(struct parser *p, char c)
{
    if (!at(p, c))
        return false;
    p->pos++;
    return true;
}

static void skip_space(struct parser *p)
{
    while (p->pos < p->end && memchr(" \t\r\n", *p->pos, 4))
        p->pos++;
}

static bool parse_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(p->end - p->pos) < len || memcmp(p->pos, word, len) != 0)
        return fail(p, "not a JSON value");
    p->pos += len;
    return true;
}

/* Digits into *value, negative so that INT64_MIN fits; false in *fits when they do not. */
static void parse_digits(struct parser *p, int64_t *value, bool *fits)
{
    for (; at_digit(p); p->pos++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_sub_overflow(*value, *p->pos - '0', value))
            *fits = false;
}

static bool parse_number(struct parser *p, struct json *out)
{
    bool negative = accept(p, '-'), fits = true;
    const char *first = p->pos;
    int64_t value = 0, unused = 0;

    if (!at_digit(p))
        return fail(p, "not a JSON value");
    parse_digits(p, &value, &fits);
    if (*first == '0' && p->pos - first > 1)
        return fail(p, "a number begins with 0");
    if (accept(p, '.')) {
        out->type = JSON_NUMBER;
        if (!at_digit(p))
            return fail(p, "no digit after the decimal point");
        parse_digits(p, &unused, &(bool){true});
    }
    if (accept(p, 'e') || accept(p, 'E')) {
        out->type = JSON_NUMBER;
        if (!accept(p, '+'))
            accept(p, '-');
        if (!at_digit(p))
            return fail(p, "no digit in the exponent");
        parse_digits(p, &unused, &(bool){true});
    }
    if (out->type == JSON_NUMBER)
        return true;
    if (!negative && (value == INT64_MIN || !fits))
        fits = false;
    out->type = fits ? JSON_INT : JSON_NUMBER;
    out->num = negative ? value : (fits ? -value : 0);
    return true;
}

static bool parse_hex4(struct parser *p, unsigned *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, p->pos++) {
        const char *digits = "0123456789abcdefABCDEF", *d;

        d = p->pos < p->end && *p->pos ? strchr(digits, *p->pos) : NULL;
        if (!d)
            return fail(p, "\\u needs four hex digits");
        *code = *code * 16 + (unsigned)(d - digits < 16 ? d - digits : d - digits - 6);
    }
    return true;
}

static char *put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    if (code >= 0x80)
        *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

static bool parse_unicode(struct parser *p, char **to)
{
    unsigned code, low;

    if (!parse_hex4(p, &code))
        return false;
    if (code >= 0xdc00 && code < 0xe000)
        return fail(p, "half a surrogate pair");
    if (code >= 0xd800 && code < 0xdc00) {
        if (!accept(p, '\\') || !accept(p, 'u'))
            return fail(p, "half a surrogate pair");
        if (!parse_hex4(p, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return fail(p, "half a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = put_utf8(*to, code);
    return true;
}

static bool parse_escape(struct parser *p, char **to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (accept(p, 'u'))
        return parse_unicode(p, to);
    found = p->pos < p->end && *p->pos ? strchr(names, *p->pos) : NULL;
    if (!found)
        return fail(p, "unknown escape in a string");
    p->pos++;
    *(*to)++ = values[found - names];
    return true;
}

/* An unescaped string is never longer than its source. */
static bool parse_string(struct parser *p, char **out)
{
    const char *close = p->pos + 1;
    char *to;

    if (!accept(p, '"'))
        return fail(p, "expected a string");
    while (close < p->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= p->end)
        return fail(p, "the string does not end");
    to = *out = malloc((size_t)(close - p->pos) + 1);
    if (!to)
        return fail(p, "out of memory");
    while (!at(p, '"')) {
        if ((unsigned char)*p->pos < 0x20)
            return *to = '\0', fail(p, "control character in a string");
        if (!accept(p, '\\'))
            *to++ = *p->pos++;
        else if (!parse_escape(p, &to))
            return *to = '\0', false;
    }
    *to = '\0';
    p->pos++;
    return true;
}

/* One more zeroed item; arrays double. */
static struct json *add_item(struct json *out)
{
    size_t n = out->count;

    if ((n & (n - 1)) == 0) {
        size_t room = n ? 2 * n : 1;
        struct json *items = realloc(out->items, room * sizeof(*items));
        char **keys;

        if (!items)
            return NULL;
        out->items = items;
        if (out->type == JSON_OBJECT) {
            keys = realloc(out->keys, room * sizeof(*keys));
            if (!keys)
                return NULL;
            out->keys = keys;
        }
    }
    memset(&out->items[n], 0, sizeof(out->items[n]));
    if (out->type == JSON_OBJECT)
        out->keys[n] = NULL;
    out->count++;
    return &out->items[n];
}

static bool parse_value(struct parser *p, struct json *out, int depth);

static bool parse_key(struct parser *p, struct json *object)
{
    char **key = &object->keys[object->count - 1];

    if (!parse_string(p, key))
        return false;
    if (object->count > JSON_MAX_KEYS)
        return fail(p, "too many keys");
    for (size_t i = 0; i + 1 < object->count; i++)
        if (strcmp(object->keys[i], *key) == 0)
            return fail(p, "the key is there twice");
    skip_space(p);
    if (!accept(p, ':'))
        return fail(p, "expected ':'");
    skip_space(p);
    return true;
}

/* An array or object, after its bracket. */
static bool parse_items(struct parser *p, struct json *out, char close, int depth)
{
    if (depth == JSON_MAX_DEPTH)
        return fail(p, "too many levels");
    skip_space(p);
    if (accept(p, close))
        return true;
    for (;;) {
        struct json *item = add_item(out);

        if (!item)
            return fail(p, "out of memory");
        if (out->type == JSON_OBJECT && !parse_key(p, out))
            return false;
        if (!parse_value(p, item, depth + 1))
            return false;
        skip_space(p);
        if (accept(p, close))
            return true;
        if (!accept(p, ','))
            return fail(p, close == ']' ? "expected ',' or ']'" : "expected ',' or '}'");
        skip_space(p);
    }
}

static bool parse_value(struct parser *p, struct json *out, int depth)
{
    if (p->pos == p->end)
        return fail(p, "the text ends too early");
    switch (*p->pos) {
    case '{':
        p->pos++;
        out->type = JSON_OBJECT;
        return parse_items(p, out, '}', depth);
    case '[':
        p->pos++;
        out->type = JSON_ARRAY;
        return parse_items(p, out, ']', depth);
    case '"':
        out->type = JSON_STRING;
        return parse_string(p, &out->text);
    case 't':
    case 'f':
        out->type = JSON_BOOL;
        out->num = *p->pos == 't';
        return parse_word(p, out->num ? "true" : "false");
    case 'n':
        return parse_word(p, "null");
    default:
        return parse_number(p, out);
    }
}

bool json_parse(const char *text, size_t size, struct json *out, struct json_error *err)
{
    struct parser p = {.start = text, .pos = text, .end = text + size};
    bool ok;

    memset(out, 0, sizeof(*out));
    skip_space(&p);
    ok = parse_value(&p, out, 0);
    if (ok) {
        skip_space(&p);
        if (p.pos != p.end)
            ok = fail(&p, "something follows the value");
    }
    if (ok)
        return true;
    *err = (struct json_error){1, 1, p.what};
    for (const char *c = text; c < p.where; c++) {
        err->column++;
        if (*c == '\n') {
            err->line++;
            err->column = 1;
        }
    }
    return false;
}

void json_free(struct json *value)
{
    for (size_t i = 0; i < value->count; i++) {
        json_free(&value->items[i]);
        if (value->keys)
            free(value->keys[i]);
    }
    free(value->items);
    free(value->keys);
    free(value->text);
    memset(value, 0, sizeof(*value));
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (object->type == JSON_OBJECT)
        for (size_t i = 0; i < object->count; i++)
            if (strcmp(object->keys[i], key) == 0)
                return &object->items[i];
    return NULL;
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",        [JSON_BOOL] = "true or false",
        [JSON_INT] = "an integer",   [JSON_NUMBER] = "a number that is not a 64-bit integer",
        [JSON_STRING] = "a string",  [JSON_ARRAY] = "an array",
        [JSON_OBJECT] = "an object",
    };

    return names[type];
}
