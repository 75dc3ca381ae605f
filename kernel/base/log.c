/*
 * The log's ring, its lines, and their way to the sinks. next_piece_crlf() makes CR LF.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/log.h"
#include "kernel/base/events.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

#define CHUNK 256

void log_init(struct log *log, char *buf, u64 size, u64 (*time_us)(void))
{
    *log = (struct log){.buf = buf, .size = size, .level = LOG_INFO, .time_us = time_us};
}

/*
 * False: this is an NMI on the CPU that holds the lock, for which no wait helps, or the holder does
 * not come on. Panic mode ignores the lock.
 */
static bool lock_log(struct log *log, u64 *flags)
{
    u32 self = cpu_number() + 1;
    struct spin spin = {0};

    *flags = local_irq_save();
    do {
        if (spin_trylock(&log->lock)) {
            __atomic_store_n(&log->holder, self, __ATOMIC_RELAXED);
            return true;
        }
        if (log->panic)
            return true;
    } while (__atomic_load_n(&log->holder, __ATOMIC_RELAXED) != self &&
             spin_until(&spin, LOG_WAIT_TICKS));
    local_irq_restore(*flags);
    return false;
}

static void unlock_log(struct log *log, u64 flags)
{
    __atomic_store_n(&log->holder, 0, __ATOMIC_RELAXED);
    spin_unlock(&log->lock);
    local_irq_restore(flags);
}

bool log_add_sink(struct log *log, struct log_sink *sink)
{
    u64 flags = spin_lock_irqsave(&log->lock);
    bool room = log->nr_sinks < LOG_MAX_SINKS;

    if (room) {
        sink->pos = sink->unsaid = 0;
        sink->half = sink->stalled = sink->reported = sink->dead = false;
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
        event_count(EVENT_LOG_LOST);
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
 * their number. Skips bytes that were overwritten before the sink got them. sink_took() says how
 * many of them went.
 */
static u32 next_piece_crlf(struct log *log, struct log_sink *sink, char out[2 * CHUNK])
{
    u64 flags, skipped = 0, pos;
    u32 len = 0;

    if (!lock_log(log, &flags))
        return 0;
    if (log->head - sink->pos > log->size) {
        skipped = log->head - log->size - sink->pos;
        sink->pos += skipped;
        sink->unsaid += skipped;
        sink->half = false;
        log->lost += skipped;
    }
    pos = sink->pos;
    for (u32 i = 0; i < CHUNK && pos != log->head; i++) {
        char c = log->buf[pos++ & (log->size - 1)];

        if (c == '\n' && !(i == 0 && sink->half))
            out[len++] = '\r';
        out[len++] = c;
    }
    unlock_log(log, flags);
    if (skipped)
        event_add(EVENT_CONSOLE_LOST, skipped);
    return len;
}

/* Of the len bytes in out, the sink took n: where is it now in the ring? */
static void sink_took(struct log_sink *sink, const char *out, u32 len, u32 n)
{
    u32 bytes = n;

    /* Each LF has a CR of ours before it, but for one at the start whose CR went earlier. */
    for (u32 i = 1; i <= n && i < len; i++)
        bytes -= out[i] == '\n';
    if (n)
        sink->half = n < len && out[n] == '\n';
    sink->pos += bytes;
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

/* True: it took all. */
static bool write_sink(struct log_sink *sink, const char *text, u32 len, u32 *took)
{
    int n = sink->write(sink->ctx, text, len);

    *took = n < 0 ? 0 : (u32)n;
    sink->dead = n < 0;
    if (*took == len) {
        __atomic_store_n(&sink->stalled, false, __ATOMIC_RELAXED);
        return true;
    }
    if (!sink->dead && !sink->stalled) {
        event_count(EVENT_CONSOLE_STALLED);
        __atomic_store_n(&sink->reported, false, __ATOMIC_RELAXED);
        __atomic_store_n(&sink->stalled, true, __ATOMIC_RELAXED);
    }
    return false;
}

/* A line that the sink takes only in part is said again, as a whole. */
static bool say_lost(struct log_sink *sink)
{
    char text[64];
    u32 len, took;

    if (!sink->unsaid)
        return true;
    len = (u32)kscnprintf(text, sizeof(text), "\r\nlog: %llu bytes lost\r\n", (ull)sink->unsaid);
    if (!write_sink(sink, text, len, &took))
        return false;
    sink->unsaid = 0;
    return true;
}

static void drain_sink(struct log *log, struct log_sink *sink)
{
    char out[2 * CHUNK];
    bool more = true;
    u32 len, took;

    while (more && !sink->dead && (len = next_piece_crlf(log, sink, out)) != 0) {
        if (!say_lost(sink))
            return;
        more = write_sink(sink, out, len, &took);
        sink_took(sink, out, len, took);
    }
}

u64 log_behind(const struct log *log, const struct log_sink *sink)
{
    return sink->dead ? 0 : __atomic_load_n(&log->head, __ATOMIC_SEQ_CST) - sink->pos;
}

/* Without the drain: the function may log. */
static void report_stalls(struct log *log)
{
    for (u32 i = 0; log->on_stall && !log->panic && i < log->nr_sinks; i++) {
        struct log_sink *sink = log->sinks[i];

        if (!__atomic_load_n(&sink->stalled, __ATOMIC_RELAXED) ||
            __atomic_exchange_n(&sink->reported, true, __ATOMIC_RELAXED))
            continue;
        log->on_stall(sink);
    }
}

u64 log_head(const struct log *log)
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
        seen = log_head(log);
        for (u32 i = 0; i < log->nr_sinks; i++)
            drain_sink(log, log->sinks[i]);
        atomic_exchange(&log->drain.taken, false); /* a full barrier, unlike spin_unlock() */
    } while (log_head(log) != seen && !log->panic);
    report_stalls(log);
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
        all &= log->sinks[i]->dead || log->sinks[i]->stalled || log->sinks[i]->pos == log->head;
    unlock_log(log, flags);
    return all;
}

void log_panic_mode(struct log *log)
{
    log->panic = true;
    log->hold = false;
}
