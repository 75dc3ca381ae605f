/*
 * The log: whole lines into a ring buffer, and from there to sinks, with CR LF for each newline. A
 * lock covers only the copy of one line into the ring, so that logging never waits for a device. A
 * CPU that finds the sinks free writes out the lines of all CPUs. A new sink gets all that the ring
 * holds; a sink that fails is not used again. A sink that takes only a part is stalled: it is asked
 * again at each line, and goes on in the ring where it stopped. Bytes that a sink lost, as they
 * were overwritten first, are counted (EVENT_CONSOLE_LOST), and a line on it reports them.
 *
 * Context: any CPU, any context. In an NMI that interrupted the copy on its own CPU, the line is
 * dropped and counted at once; where another CPU does not end its copy, after LOG_WAIT_TICKS. In
 * panic mode locks are ignored.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_LOG_H
#define PERCH_BASE_LOG_H

#include <stdarg.h>
#include "kernel/base/print.h"
#include "kernel/base/spinlock.h"

#define LOG_LINE_MAX  512 /* with stamp and newline; longer lines end in "..." */
#define LOG_MAX_SINKS 6

/* 0.2 s at 10 GHz (kernel/base/spinlock.h); a copy of a line takes a few hundred instructions. */
#define LOG_WAIT_TICKS 2000000000ULL

struct log_sink {
    const char *name;
    /*
     * Sends len bytes unchanged; lines end in CR LF. Returns how many it took, fewer: it stalls.
     * Below 0: it failed, and is not called again.
     */
    int (*write)(void *ctx, const char *buf, size_t len);
    void *ctx;
    /* Of the CPU that drains; log_add_sink() sets them. */
    u64 pos;       /* its next byte, counted as head */
    u64 unsaid;    /* bytes that it lost, and no line on it says yet */
    bool half;     /* the CR of the LF at pos was sent */
    bool stalled;  /* the last write took only a part */
    bool reported; /* log->stalled was called for this stall */
    bool dead;
};

/*
 * Invariant: pos of a live sink >= head - size, once lost bytes are skipped.
 *
 * Hand-over of lines to the CPU that drains, without a wait:
 *  - who writes: any CPU, a whole line under `lock`, then `head` (sequentially consistent);
 *  - who reads: the CPU that holds `drain`; it alone changes what a sink keeps;
 *  - which order: a writer stores head, then tries `drain`; the drain reads head after it gave up
 *    `drain` by a full barrier. So either the writer gets `drain`, or the drain sees the new head.
 *
 * Panic mode, a plain flag that is never taken back:
 *  - who writes: the CPU that reports the panic, after it has stopped the others or given them up;
 *  - who reads: every CPU that waits for a lock here, in each turn;
 *  - which order: none is needed. The other CPUs halt in an NMI and hold what they hold for ever; a
 *    CPU that sees the flag late waits longer, and one that still runs may break a line.
 */
struct log {
    char *buf;
    u64 size; /* power of two */
    u64 head; /* bytes ever written */
    u64 lost; /* bytes that a sink never got */
    u64 dropped_lines;
    u32 level;             /* lines above it are not kept */
    bool hold;             /* lines stay in the ring until a call of log_drain() */
    bool panic;            /* locks are ignored */
    struct spinlock lock;  /* buf, head */
    u32 holder;            /* of lock: its CPU number + 1; 0: nobody, or not yet */
    struct spinlock drain; /* of the CPU that writes to the sinks */
    u64 (*time_us)(void);  /* for stamps; NULL: 0 */
    /* A sink has stalled: called once for each stall, after the drain, not in a panic. Or NULL. */
    void (*on_stall)(struct log_sink *sink);
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

/* Bytes ever written: a position for log_count() and log_copy(). Any CPU, no lock. */
u64 log_head(const struct log *log);

/* Writes the ring to the sinks, unless another CPU does; also while hold is set. */
void log_drain(struct log *log);

/*
 * True: the sinks that take bytes have got every line, and no CPU is writing. log_drain() does not
 * promise this: another CPU may be in the middle of a line.
 */
bool log_drained(struct log *log);

/* Bytes that this sink has not taken yet; 0 for one that failed. */
u64 log_behind(const struct log *log, const struct log_sink *sink);

/* From now on locks are ignored: the last lines before the end matter more. */
void log_panic_mode(struct log *log);

#endif
