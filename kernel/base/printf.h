/*
 * Formatted text into a bounded buffer: the integer, string and pointer conversions of C11's
 * printf (flags, width, precision, hh h l ll z t j), no floating point.
 * Pure and re-entrant; may be called from any context, NMI included.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_PRINTF_H
#define PERCH_BASE_PRINTF_H

#include <stdarg.h>
#include "kernel/base/types.h"

/*
 * Writes at most size bytes, the terminating NUL included, into buf (nothing when size is 0).
 * Returns the length of the whole text, stored or not, without the NUL (C11 7.21.6.12).
 */
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap) PRINTF(3, 0);
int ksnprintf(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4);

/* As ksnprintf(), but returns the length of the stored text: at most size - 1. */
int kscnprintf(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4);

#endif
