/*
 * The log: whole lines into a ring buffer, and from there to sinks, with CR LF for each newline. A
 * lock covers only the copy of one line into the ring, so that logging never waits for a device. A
 * CPU that finds the sinks free writes out the lines of all CPUs. A new sink gets all that the ring
 * holds; a sink that fails is not used again. Bytes that a sink lost, because they were overwritten
 * first, are counted, and a line reports them.
 *
 * Context: any CPU, any context. In an NMI that interrupted the copy on its own CPU, the line is
 * dropped and counted after a bounded number of tries. In panic mode locks are ignored.
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
    /*
     * Sends len bytes unchanged; lines end in CR LF. Below 0: it failed, and is not called again.
     */
    int (*write)(void *ctx, const char *buf, size_t len);
    void *ctx;
    u64 pos; /* its next byte, counted as head; log_add_sink() sets it */
    bool dead;
};

/* Invariant: pos of a live sink >= head - size, once lost bytes are skipped. */
struct log {
    char *buf;
    u64 size; /* power of two */
    u64 head; /* bytes ever written */
    u64 lost; /* bytes that a sink never got */
    u64 dropped_lines;
    u32 level;             /* lines above it are not kept */
    bool hold;             /* lines stay in the ring until a call of log_drain() */
    bool panic;            /* locks are ignored */
    struct spinlock lock;  /* buf, head, sinks' pos */
    struct spinlock drain; /* of the CPU that writes to the sinks */
    u64 (*time_us)(void);  /* for stamps; NULL: 0 */
    struct log_sink *sinks[LOG_MAX_SINKS];
    u32 nr_sinks;
};

/*
 * buf: size bytes, a power of two of at least 4 * LOG_LINE_MAX. For tests: the kernel's own log is
 * initialised statically.
 */
void log_init(struct log *log, char *buf, u64 size, u64 (*time_us)(void));

/* Boot CPU. False: LOG_MAX_SINKS are registered. */
bool log_add_sink(struct log *log, struct log_sink *sink);

/* Adds one line, given without its newline: with a time stamp, or raw at column 0. */
void log_vline(struct log *log, u32 level, bool stamp, const char *fmt, va_list ap) PRINTF(4, 0);

/*
 * For tests of the log's text: how often text occurs since position `since` (a value of head), as
 * far as the ring still has it. Takes the lock.
 */
u32 log_count(struct log *log, u64 since, const char *text);

/*
 * Copies the text since position `since` into buf, with a NUL, and cuts its end when buf is full.
 * Returns its length. For a page on the screen. Takes the lock.
 */
size_t log_copy(struct log *log, u64 since, char *buf, size_t size);

/* Writes the ring to the sinks, unless another CPU does; also while hold is set. */
void log_drain(struct log *log);

/*
 * True: the sinks have got every line, and no CPU is writing to them. log_drain() alone does not
 * promise this: another CPU may be in the middle of a line.
 */
bool log_drained(struct log *log);

/* From now on locks are ignored: the last lines before the end matter more. */
void log_panic_mode(struct log *log);

#endif
