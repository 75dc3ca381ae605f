/*
 * The log: whole lines into a ring buffer, from there to sinks. A lock covers only the copy of one
 * line into the ring, so that logging never waits for a device; whichever CPU finds the sinks free
 * writes out what all have left there. A sink that is registered late gets what the ring still
 * holds; a sink that fails is dropped; bytes that were overwritten before they went out are counted
 * and said.
 *
 * Context: any CPU, any context. From an NMI that interrupted the copy on its own CPU the line is
 * dropped and counted after a bounded try; in panic mode locks are ignored.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_LOG_H
#define PERCH_BASE_LOG_H

#include <stdarg.h>
#include "kernel/base/print.h"
#include "kernel/base/spinlock.h"

#define LOG_LINE_MAX  512 /* with stamp and newline; longer lines end in "..." */
#define LOG_MAX_SINKS 6

struct log_sink {
    const char *name;
    /* Sends len bytes (lines end in CR LF). Below 0: the sink is dead and is never called again. */
    int (*write)(void *ctx, const char *buf, size_t len);
    void *ctx;
    u64 pos; /* what went out, counted as head; log_add_sink() sets it */
    bool dead;
};

/* Invariant: head - size <= what any live sink still has to get, once lost bytes are skipped. */
struct log {
    char *buf;
    u64 size; /* power of two */
    u64 head; /* bytes ever written */
    u64 lost; /* bytes that some sink never got */
    u64 dropped_lines;
    u32 level;             /* lines above it are not kept */
    bool hold;             /* lines stay in the ring until log_drain() is asked for */
    bool panic;            /* no lock is waited for any more */
    struct spinlock lock;  /* buf, head, sinks' pos */
    struct spinlock drain; /* held by the CPU that writes to the sinks */
    u64 (*time_us)(void);  /* for stamps; NULL: 0 */
    struct log_sink *sinks[LOG_MAX_SINKS];
    u32 nr_sinks;
};

/* buf: size bytes, a power of two of at least 4 * LOG_LINE_MAX. */
void log_init(struct log *log, char *buf, u64 size, u64 (*time_us)(void));

/* Boot CPU. False: no room for another sink. */
bool log_add_sink(struct log *log, struct log_sink *sink);

/* One line, without its newline: stamped, or raw at column 0. */
void log_vline(struct log *log, u32 level, bool stamp, const char *fmt, va_list ap) PRINTF(4, 0);

/*
 * How often text occurs in what was logged from position `since` (a value of head) on, as far as
 * the ring still has it: for tests of what is said. Takes the lock.
 */
u32 log_count(struct log *log, u64 since, const char *text);

/*
 * Copies what was logged from position `since` on into buf, with the NUL; what does not fit is left
 * out at the end. Returns the text's length. For a page on the screen. Takes the lock.
 */
size_t log_copy(struct log *log, u64 since, char *buf, size_t size);

/* Writes out what is there, unless another CPU is at it; drain even while hold is set. */
void log_drain(struct log *log);

/* From now on nothing waits for a lock: the machine is dying, and its last words matter. */
void log_panic_mode(struct log *log);

#endif
