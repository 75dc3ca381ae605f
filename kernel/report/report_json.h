/*
 * The form of the report: numbered JSON objects, one a line, each with its own CRC-32, between two
 * marker lines of which the last has the CRC-32 of everything between them. Promises that every
 * object is whole: one that does not fit a line of the log is a bug of the caller's and panics.
 * Boot CPU, while nothing else logs. Pure; allocates nothing. docs/report.md is the format.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_REPORT_JSON_H
#define PERCH_REPORT_REPORT_JSON_H

#include "kernel/base/types.h"

#define REPORT_LINE_MAX   510 /* characters, n and crc included; the log keeps this many */
#define REPORT_STRING_MAX 256 /* an escaped string, with its NUL */
#define REPORT_LIST_MAX   320 /* the items of one object's array, with the NUL */

struct report {
    const char *name;
    u32 lines;
    u32 crc; /* of every line since the BEGIN marker, newlines included */
};

/* Sets up *r and prints the BEGIN marker with this name, a literal: REPORT or SUMMARY. */
void report_begin(struct report *r, const char *name);

/* One object: fmt gives its fields, without braces; n goes in front and crc behind. */
void report_object(struct report *r, const char *fmt, ...) PRINTF(2, 3);

/* Prints the END marker. */
void report_end(const struct report *r);

/* text as the inside of a JSON string, in ASCII; cut before what does not fit. */
const char *report_escape(char out[REPORT_STRING_MAX], const char *text);

struct report_number {
    char text[12];
};

/* node, or "null" when it is NODE_NONE. Use: report_node(n).text in the arguments of a call. */
struct report_number report_node(s32 node);

/* The items of an array: numbers and null, with commas. Begin with a zeroed one. */
struct report_list {
    u32 count;
    size_t len;
    char text[REPORT_LIST_MAX];
};

/* False, and nothing added, when there is no room: print what is there, and begin another. */
bool report_list_add(struct report_list *list, const char *item) MUST_CHECK;

#endif
