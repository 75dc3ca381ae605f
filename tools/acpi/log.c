/*
 * What the kernel's sources say while they read tables (kernel/base/print.h): lines go to stderr
 * when PERCH_ACPI_LOG is set, and nowhere else, because all that matters is a finding; findings
 * (kernel/base/firmware.h) are kept for the output.
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/print.h"
#include "tools/collector.h"

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    (void)level;
    if (!getenv("PERCH_ACPI_LOG"))
        return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void panic(const char *fmt, ...)
{
    va_list ap;

    fputs("perch acpi: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
