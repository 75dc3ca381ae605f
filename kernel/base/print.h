/*
 * Logging and panic, for every module. One call is one whole line of the log; the log adds the
 * newline. kernel/platform/console.c implements these functions; hosted tests link
 * tests/host/shim.c, which keeps the lines.
 *
 * Context: any CPU, any context, NMI included; never allocates, never waits for a device.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_PRINT_H
#define PERCH_BASE_PRINT_H

#include "kernel/base/types.h"

enum log_level {
    LOG_ALWAYS = 0, /* loglevel= cannot hide it */
    LOG_ERR = 3,
    LOG_WARN = 4,
    LOG_INFO = 6,
    LOG_DEBUG = 7,
};

/* One stamped line: "[    0.001234] text". */
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

/* One line at column 0 without a time stamp: KTAP, benchmarks, the report. */
void log_raw(const char *fmt, ...) PRINTF(1, 2);

#define pr_err(...)   log_line(LOG_ERR, __VA_ARGS__)
#define pr_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define pr_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define pr_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/*
 * For a bug of Perch, or when it cannot go on: prints the text and the CPU's state, stops the other
 * CPUs and ends the run. Not for mistakes of the firmware.
 */
void panic(const char *fmt, ...) PRINTF(1, 2) NORETURN;

/* Checks an invariant, in every build. */
#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (unlikely(!(cond)))                                                                     \
            panic("assertion failed: %s (%s:%d)", #cond, __FILE__, __LINE__);                      \
    } while (0)

#endif
