/*
 * The form of a report (docs/report.md): numbered JSON objects, one per line, each with its CRC-32,
 * between two marker lines. The last marker has the CRC-32 of all lines between. Promises whole
 * objects: one that does not fit a line of the log is a bug of the caller and panics.
 * Boot CPU, while nothing else logs. Pure; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_REPORT_JSON_H
#define PERCH_REPORT_REPORT_JSON_H

#include "kernel/base/types.h"

#define REPORT_LINE_MAX   510 /* characters, n and crc included; the log cuts longer lines */
#define REPORT_STRING_MAX 256 /* an escaped string, with its NUL */
#define REPORT_LIST_MAX   320 /* the items of one object's array, with the NUL */

struct report {
    const char *name;
    u32 lines;
    u32 crc; /* of every line since the BEGIN marker, newlines included */
};

/* Sets up *r and prints the BEGIN marker. name is a literal: REPORT or SUMMARY. */
void report_begin(struct report *r, const char *name);

/* Prints an object. fmt gives its fields without braces; n is added in front, crc behind. */
void report_object(struct report *r, const char *fmt, ...) PRINTF(2, 3);

/* Prints the END marker. */
void report_end(const struct report *r);

/* text as the inside of a JSON string, in ASCII; cut when it is too long. Returns out. */
const char *report_escape(char out[REPORT_STRING_MAX], const char *text);

struct report_number {
    char text[12];
};

/* node, or "null" for NODE_NONE. Use it as report_node(n).text in the arguments of a call. */
struct report_number report_node(s32 node);

/* The items of an array: numbers and null, with commas. Zeroed: empty. */
struct report_list {
    u32 count;
    size_t len;
    char text[REPORT_LIST_MAX];
};

/* Adds a number, or "null" when it is not known. False: it does not fit, and nothing was added. */
bool report_list_add(struct report_list *list, bool known, u32 number) MUST_CHECK;

#endif
