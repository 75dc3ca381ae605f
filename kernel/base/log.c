/*
 * The log's ring, its lines, and their way to the sinks. next_piece_crlf() makes CR LF.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/log.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

#define LOCK_TRIES 1000000 /* a copy of a line takes a few hundred instructions */
#define CHUNK      256

void log_init(struct log *log, char *buf, u64 size, u64 (*time_us)(void))
{
    *log = (struct log){.buf = buf, .size = size, .level = LOG_INFO, .time_us = time_us};
}

/* False: this is an NMI on the CPU that holds the lock. Panic mode ignores the lock. */
static bool lock_log(struct log *log, u64 *flags)
{
    *flags = local_irq_save();
    for (u32 i = 0; i < LOCK_TRIES; i++) {
        if (spin_trylock(&log->lock))
            return true;
        if (log->panic)
            return true;
        cpu_relax();
    }
    local_irq_restore(*flags);
    return false;
}

static void unlock_log(struct log *log, u64 flags)
{
    spin_unlock(&log->lock);
    local_irq_restore(flags);
}

bool log_add_sink(struct log *log, struct log_sink *sink)
{
    u64 flags = spin_lock_irqsave(&log->lock);
    bool room = log->nr_sinks < LOG_MAX_SINKS;

    if (room) {
        sink->pos = 0;
        sink->dead = false;
        log->sinks[log->nr_sinks++] = sink;
    }
    spin_unlock_irqrestore(&log->lock, flags);
    return room;
}

static void copy_in(struct log *log, const char *line, u64 len)
{
    u64 at = log->head & (log->size - 1), first = MIN(len, log->size - at);

    memcpy(log->buf + at, line, first);
    memcpy(log->buf, line + first, len - first);
    __atomic_store_n(&log->head, log->head + len, __ATOMIC_SEQ_CST);
}

static void put_line(struct log *log, const char *line, u64 len)
{
    u64 flags;

    if (!lock_log(log, &flags)) {
        __atomic_fetch_add(&log->dropped_lines, 1, __ATOMIC_RELAXED);
        return;
    }
    copy_in(log, line, len);
    unlock_log(log, flags);
}

void log_vline(struct log *log, u32 level, bool stamp, const char *fmt, va_list ap)
{
    char line[LOG_LINE_MAX];
    int len = 0, text;

    if (level > log->level)
        return;
    if (stamp) {
        u64 us = log->time_us ? log->time_us() : 0;

        len = kscnprintf(line, sizeof(line), "[%5llu.%06llu] ", (ull)(us / 1000000),
                         (ull)(us % 1000000));
    }
    text = kvsnprintf(line + len, sizeof(line) - (size_t)len - 1, fmt, ap);
    if (len + text > (int)sizeof(line) - 2) {
        len = sizeof(line) - 2;
        memcpy(line + len - 3, "...", 3);
    } else {
        len += text;
    }
    line[len++] = '\n';
    put_line(log, line, (u64)len);
    if (!log->hold)
        log_drain(log);
}

/* ---- writing out ----------------------------------------------------------------------------- */

/*
 * The sink's next bytes, each LF as CR LF: the only place that makes it, for every sink. Returns
 * their number. Skips bytes that were overwritten before the sink got them.
 */
static u32 next_piece_crlf(struct log *log, struct log_sink *sink, char out[2 * CHUNK],
                           u64 *skipped)
{
    u64 flags;
    u32 len = 0;

    *skipped = 0;
    if (!lock_log(log, &flags))
        return 0;
    if (log->head - sink->pos > log->size) {
        *skipped = log->head - log->size - sink->pos;
        sink->pos += *skipped;
        log->lost += *skipped;
    }
    for (u32 i = 0; i < CHUNK && sink->pos != log->head; i++) {
        char c = log->buf[sink->pos++ & (log->size - 1)];

        if (c == '\n')
            out[len++] = '\r';
        out[len++] = c;
    }
    unlock_log(log, flags);
    return len;
}

static bool is_at(const struct log *log, u64 pos, const char *text)
{
    for (; *text; text++, pos++)
        if (pos == log->head || log->buf[pos & (log->size - 1)] != *text)
            return false;
    return true;
}

u32 log_count(struct log *log, u64 since, const char *text)
{
    u64 flags, pos;
    u32 n = 0;

    if (!lock_log(log, &flags))
        return 0;
    pos = log->head - MIN(log->head - since, log->size);
    for (; pos != log->head; pos++)
        n += is_at(log, pos, text);
    unlock_log(log, flags);
    return n;
}

size_t log_copy(struct log *log, u64 since, char *buf, size_t size)
{
    u64 flags, pos;
    size_t n = 0;

    if (size && lock_log(log, &flags)) {
        pos = log->head - MIN(log->head - since, log->size);
        while (pos != log->head && n + 1 < size)
            buf[n++] = log->buf[pos++ & (log->size - 1)];
        unlock_log(log, flags);
    }
    if (size)
        buf[n] = '\0';
    return n;
}

static void say_lost(struct log_sink *sink, u64 bytes)
{
    char text[64];
    int len = kscnprintf(text, sizeof(text), "\r\nlog: %llu bytes lost\r\n", (ull)bytes);

    if (sink->write(sink->ctx, text, (size_t)len) < 0)
        sink->dead = true;
}

static void drain_sink(struct log *log, struct log_sink *sink)
{
    char out[2 * CHUNK];
    u64 skipped;
    u32 len;

    while (!sink->dead && (len = next_piece_crlf(log, sink, out, &skipped)) != 0) {
        if (skipped)
            say_lost(sink, skipped);
        if (!sink->dead && sink->write(sink->ctx, out, len) < 0)
            sink->dead = true;
    }
}

static u64 head_now(const struct log *log)
{
    return __atomic_load_n(&log->head, __ATOMIC_SEQ_CST);
}

/*
 * Another CPU may add a line, and find the drain taken, just before this CPU releases it. So look
 * at head again after the release. The barrier pairs with the store to head in copy_in(): either
 * this CPU sees the new head, or the other one sees the drain free.
 */
void log_drain(struct log *log)
{
    u64 seen;

    do {
        if (!spin_trylock(&log->drain) && !log->panic)
            return;
        seen = head_now(log);
        for (u32 i = 0; i < log->nr_sinks; i++)
            drain_sink(log, log->sinks[i]);
        atomic_exchange(&log->drain.taken, false); /* a full barrier, unlike spin_unlock() */
    } while (head_now(log) != seen && !log->panic);
}

bool log_drained(struct log *log)
{
    bool all;
    u64 flags;

    /* Asked first: who writes takes bytes from the ring, and then sends them. */
    if ((atomic_load(&log->drain.taken) && !log->panic) || !lock_log(log, &flags))
        return false;
    all = true;
    for (u32 i = 0; i < log->nr_sinks; i++)
        all &= log->sinks[i]->dead || log->sinks[i]->pos == log->head;
    unlock_log(log, flags);
    return all;
}

void log_panic_mode(struct log *log)
{
    log->panic = true;
    log->hold = false;
}
