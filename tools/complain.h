/*
 * How the programs of tools/ say that an input is bad: one line on stderr, whole whatever is in the
 * names, and exit status 2.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_COMPLAIN_H
#define PERCH_TOOLS_COMPLAIN_H

#include <stdarg.h>
#include <stdio.h>

#include "kernel/base/types.h"

/* "PROGRAM: FILE: what"; returns 2. */
static inline int PRINTF(3, 4)
    complain_as(const char *program, const char *file, const char *fmt, ...)
{
    char text[4600];
    int len = snprintf(text, sizeof(text), "%s: %.4000s: ", program, file);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text + len, sizeof(text) - (size_t)len, fmt, ap);
    va_end(ap);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "%s\n", text);
    return 2;
}

#endif
