/*
 * The hosted twin of the kernel's log and panic; see shim.h.
 * SPDX-License-Identifier: MIT
 */
#include "tests/host/shim.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/collector.h"

struct lines {
    size_t count;
    char text[SHIM_MAX_LINES][SHIM_LINE_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct lines kept, raw;
static enum log_level kept_level[SHIM_MAX_LINES];
static bool raw_captured, quiet;

static __thread bool panic_armed;
static __thread jmp_buf panic_jump;
static __thread char panic_text[SHIM_LINE_MAX];

static const char *lines_get(const struct lines *l, size_t i)
{
    return i < l->count && i < SHIM_MAX_LINES ? l->text[i] : "";
}

void log_expect(bool on)
{
    (void)on;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char text[SHIM_LINE_MAX];
    va_list ap;

    if (quiet) {
        kept.count++;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (getenv("SHIM_VERBOSE"))
        fprintf(stderr, "log<%d> %s\n", (int)level, text);
    pthread_mutex_lock(&lock);
    if (kept.count < SHIM_MAX_LINES) {
        strcpy(kept.text[kept.count], text);
        kept_level[kept.count] = level;
    }
    kept.count++;
    pthread_mutex_unlock(&lock);
}

void log_raw(const char *fmt, ...)
{
    char text[SHIM_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&lock);
    if (!raw_captured) {
        puts(text);
        fflush(stdout);
    } else {
        if (raw.count < SHIM_MAX_LINES)
            strcpy(raw.text[raw.count], text);
        raw.count++;
    }
    pthread_mutex_unlock(&lock);
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(panic_text, sizeof(panic_text), fmt, ap);
    va_end(ap);
    if (panic_armed) {
        panic_armed = false;
        longjmp(panic_jump, 1);
    }
    fflush(stdout);
    fprintf(stderr, "panic: %s\n", panic_text);
    abort();
}

u32 shim_found(enum firmware_class class)
{
    return firmware_total(&found, class);
}

void shim_log_reset(void)
{
    kept.count = 0;
    memset(found.count, 0, sizeof(found.count));
    memset(found.shown, 0, sizeof(found.shown));
    found.nr_kept = 0; /* what is in kept[] then means nothing; to clear it takes long */
}

void shim_log_quiet(bool on)
{
    quiet = on;
}

size_t shim_log_count(void)
{
    return kept.count;
}

const char *shim_log_line(size_t i)
{
    return lines_get(&kept, i);
}

enum log_level shim_log_level(size_t i)
{
    return i < kept.count && i < SHIM_MAX_LINES ? kept_level[i] : LOG_DEBUG;
}

size_t shim_log_matches(const char *text)
{
    size_t n = 0;

    for (size_t i = 0; i < MIN(kept.count, (size_t)SHIM_MAX_LINES); i++)
        n += strstr(kept.text[i], text) != NULL;
    return n;
}

bool shim_log_contains(const char *text)
{
    return shim_log_matches(text) != 0;
}

bool shim_log_contains_prefix(const char *text)
{
    for (size_t i = 0; i < MIN(kept.count, (size_t)SHIM_MAX_LINES); i++)
        if (strncmp(kept.text[i], text, strlen(text)) == 0)
            return true;
    return false;
}

void shim_raw_capture(bool on)
{
    raw_captured = on;
    if (on)
        raw.count = 0;
}

size_t shim_raw_count(void)
{
    return raw.count;
}

const char *shim_raw_line(size_t i)
{
    return lines_get(&raw, i);
}

const char *shim_panic_text(void)
{
    return panic_text;
}

jmp_buf *shim_panic_arm(void)
{
    panic_armed = true;
    return &panic_jump;
}

void shim_panic_disarm(void)
{
    panic_armed = false;
}
