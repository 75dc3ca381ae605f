/*
 * What a hosted test program links in place of the kernel's log and panic (kernel/base/print.h):
 * log_line() keeps its formatted lines for the test to look at, log_raw() prints to stdout, and a
 * panic the test expects comes back to it instead of ending the program.
 *
 * Context: any thread; the lines of several threads are kept whole, in some order.
 * Set SHIM_VERBOSE=1 in the environment to see the kept lines on stderr as well.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_HOST_SHIM_H
#define PERCH_TESTS_HOST_SHIM_H

#include <setjmp.h>
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/types.h"

/* More lines than this since the last reset are counted, but not kept. */
#define SHIM_MAX_LINES 4096
#define SHIM_LINE_MAX  1024

/* Forgets the kept lines, and the findings about the firmware. */
void shim_log_reset(void);
size_t shim_log_count(void);

/* While on, lines are counted, but neither formatted nor kept. One thread only. */
void shim_log_quiet(bool on);

/* Line i since the reset, without stamp or newline; "" when it is not kept. */
const char *shim_log_line(size_t i);
enum log_level shim_log_level(size_t i);

/* Does a kept line contain (begin with) this text? And how many do? */
bool shim_log_contains(const char *text);
bool shim_log_contains_prefix(const char *text);
size_t shim_log_matches(const char *text);

/* Findings of a class since the reset. */
u32 shim_found(enum firmware_class class);

/* While on, log_raw() keeps its lines for shim_raw_line() instead of printing them. */
void shim_raw_capture(bool on);
size_t shim_raw_count(void);
const char *shim_raw_line(size_t i);

/* Text of the last expected panic of this thread. */
const char *shim_panic_text(void);
jmp_buf *shim_panic_arm(void);
void shim_panic_disarm(void);

#if defined(__GNUC__) && !defined(__clang__)
/* The jump only crosses functions that panicked and do not go on. */
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

/* Runs the statement; true when it panicked. `if (SHIM_PANICS(f(1))) ... shim_panic_text()`. */
#define SHIM_PANICS(...)                                                                           \
    ({                                                                                             \
        volatile bool panicked_ = true;                                                            \
        if (setjmp(*shim_panic_arm()) == 0) {                                                      \
            __VA_ARGS__;                                                                           \
            panicked_ = false;                                                                     \
        }                                                                                          \
        shim_panic_disarm();                                                                       \
        (bool)panicked_;                                                                           \
    })

#endif
