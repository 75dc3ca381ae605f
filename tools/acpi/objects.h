/*
 * The lines of `perch acpi`: JSON objects, each on a line, which come out sorted by type, then by
 * their first number, then in the order in which they were made.
 * Hosted only; runs out of memory by ending the program with a line.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_ACPI_OBJECTS_H
#define PERCH_TOOLS_ACPI_OBJECTS_H

#include <stdio.h>
#include "kernel/base/types.h"

struct object {
    const char *type;
    u64 number;
    size_t made; /* how many were made before it */
    char *text;
    size_t size;
};

struct objects {
    struct object *o;
    size_t count, max;
    FILE *open; /* of the last object, between begin and end */
};

/* type: a literal. fmt: the fields behind "type", with a leading comma, or "". */
void objects_add(struct objects *all, const char *type, u64 number, const char *fmt, ...)
    PRINTF(4, 5);

/* The same piece by piece: write fields, each with its leading comma, to what begin returns. */
FILE *objects_begin(struct objects *all, const char *type, u64 number);
void objects_end(struct objects *all);

/* Writes the inside of a JSON string, in ASCII. */
void put_json(FILE *f, const char *text);

/* Sorts, writes and frees them. */
void objects_print(struct objects *all, FILE *to);

/* As calloc() of at least one byte, but never NULL. */
void *must_calloc(size_t count, size_t size);

/* As strdup(), but never NULL. */
char *must_strdup(const char *text);

/* As realloc(), but never NULL; size is not 0. */
void *must_realloc(void *p, size_t size);

#endif
