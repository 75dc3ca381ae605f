/*
 * The log under all CPUs at once: a log of this suite's own, with the code and the locks of the
 * kernel's, whose sink keeps what comes out.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/log.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "tests/suite/kutil.h"

#define LINES     4
#define LINE_LEN  64 /* without CR LF */
#define MAX_BYTES (512 * SZ_1K)

static struct log own_log;
static char *out; /* what the sink got */
static u64 out_len;

static int keep(void *ctx, const char *buf, size_t len)
{
    (void)ctx;
    if (out_len + len > MAX_BYTES / 2)
        return -ENOSPC;
    memcpy(out + out_len, buf, len);
    out_len += len;
    return (int)len;
}

static PRINTF(1, 2) void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_vline(&own_log, LOG_INFO, false, fmt, ap);
    va_end(ap);
}

/* "CPU line XXXX..." of LINE_LEN characters, where X depends on both. */
static void make_line(char *text, u32 cpu, u32 line)
{
    int len = ksnprintf(text, LINE_LEN + 1, "%u %u ", cpu, line);

    memset(text + len, 'a' + (cpu + line) % 26, LINE_LEN - len);
    text[LINE_LEN] = '\0';
}

static void say_lines(void *arg)
{
    char text[LINE_LEN + 1];

    for (u32 i = 0; i < LINES; i++) {
        make_line(text, cpu_number(), i);
        say("%s", text);
    }
    tally_ran(arg);
}

static u32 number_at(const char **p)
{
    u32 n = 0;

    while (**p >= '0' && **p <= '9')
        n = n * 10 + (u32)(*(*p)++ - '0');
    ++*p;
    return n;
}

/* Each line is whole, and the lines of one CPU come in its order. */
static void check_output(void)
{
    static u8 next[NR_CPUS];
    u64 step = LINE_LEN + 2, broken = 0;

    memset(next, 0, sizeof(next));
    EXPECT_EQ(out_len, cpus_online() * LINES * step);
    for (u64 pos = 0; pos + step <= out_len; pos += step) {
        char want[LINE_LEN + 1];
        const char *p = out + pos;
        u32 cpu = number_at(&p), line = number_at(&p);

        make_line(want, cpu, line);
        if (cpu >= NR_CPUS || line != next[cpu] || memcmp(out + pos, want, LINE_LEN) != 0 ||
            out[pos + LINE_LEN] != '\r' || out[pos + LINE_LEN + 1] != '\n') {
            broken++;
            continue;
        }
        next[cpu]++;
    }
    EXPECT_EQ(broken, 0);
}

/* All CPUs log at the same time: no line is torn, lost, or out of its CPU's order. */
KTEST(log, lines_stay_whole)
{
    static struct log_sink sink = {.name = "test", .write = keep};
    struct small_mem *small = &boot_state_get()->small;
    struct tally t = {0};
    char *memory = small_alloc(small, NODE_NONE, MAX_BYTES);

    REQUIRE_TRUE(memory != NULL);
    out = memory + MAX_BYTES / 2;
    out_len = 0;
    log_init(&own_log, memory, MAX_BYTES / 2, NULL);
    REQUIRE_TRUE(log_add_sink(&own_log, &sink));
    EXPECT_EQ(smp_call_all_copy(say_lines, &t), 0);
    log_drain(&own_log);
    EXPECT_TALLY(&t, cpus_online());
    check_output();
    EXPECT_EQ(own_log.lost, 0);
    EXPECT_EQ(own_log.dropped_lines, 0);
    small_free(small, memory, MAX_BYTES);
}
