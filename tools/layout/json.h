/*
 * A strict reader of JSON (RFC 8259) for the host tools written in C: the whole text becomes a tree
 * of values; what the RFC does not allow, a repeated key, and more than JSON_MAX_DEPTH levels are
 * errors with line and column. Integers are exact in 64 bits; other numbers are told apart.
 * Hosted only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_LAYOUT_JSON_H
#define PERCH_TOOLS_LAYOUT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 32
#define JSON_MAX_KEYS  1000 /* of one object */

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,    /* an integer that fits int64_t */
    JSON_NUMBER, /* any other number; its value is not kept */
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json {
    enum json_type type;
    int64_t num;  /* JSON_INT; JSON_BOOL: 0 or 1 */
    char *text;   /* JSON_STRING: UTF-8 without escapes; "\0" in it ends it early */
    size_t count; /* items of an array or object */
    struct json *items;
    char **keys; /* JSON_OBJECT: the key of each item */
};

struct json_error {
    unsigned line, column; /* from 1 */
    const char *what;
};

/*
 * Parses size bytes. False and *err on an error. Free *out by json_free in either case.
 */
bool json_parse(const char *text, size_t size, struct json *out, struct json_error *err);
void json_free(struct json *value);

/* Item of an object by key; NULL when there is none. */
const struct json *json_get(const struct json *object, const char *key);

/* "an integer", "a string" and so on. */
const char *json_type_name(enum json_type type);

#endif
