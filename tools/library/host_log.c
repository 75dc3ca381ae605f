/*
 * Lines of the allocator (kernel/base/print.h), passed to the program one by one.
 * SPDX-License-Identifier: MIT
 */
#include "tools/library/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "kernel/base/print.h"

#define LINE_MAX_BYTES 512

__attribute__((weak)) void perch_log(int level, const char *line)
{
    (void)level;
    fprintf(stderr, "%s\n", line);
}

__attribute__((weak)) void perch_panic(const char *text)
{
    fprintf(stderr, "panic: %s\n", text);
    abort();
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    perch_log((int)level, line);
}

void panic(const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    perch_panic(text);
}
