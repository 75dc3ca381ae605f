/*
 * The kernel's log and its sinks; see console.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/console.h"
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/events.h"
#include "kernel/base/log.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "kernel/base/uart16550.h"
#include "kernel/platform/console_uart.h"
#include "kernel/platform/mmio.h"
#include "kernel/platform/screen.h"

#define RING_SIZE     (256 * 1024)
#define DEBUGCON_PORT 0xe9
#define PANIC_TEXT    6144
#define FLUSH_US      1000000 /* for a line that another CPU sends */

static char ring[RING_SIZE];
static struct log the_log = {
    .buf = ring, .size = RING_SIZE, .level = LOG_INFO, .time_us = uptime_us};
static struct log_sink debugcon_sink, screen_sink;

/* No sink takes a character for so long at the end: the last lines are lost there. */
#define CONSOLE_END_US 10000000u

static bool automatic; /* no console=, or none that can be used */
static bool spcr_wanted, dbg2_wanted, screen_wanted;
static bool spcr_found, dbg2_found, screen_named; /* in use already; console=fb was given */
static const char *screen_why = "the loader's information was not read yet";
static u64 panic_mark; /* position in the log where a panic begins */

static bool expected; /* log_expect() */
static u64 alarms;    /* lines at warning and error level that nobody expected */

void log_expect(bool on)
{
    __atomic_store_n(&expected, on, __ATOMIC_RELAXED);
}

u32 console_set_level(u32 level)
{
    u32 old = the_log.level;

    the_log.level = level;
    return old;
}

u64 console_alarms(void)
{
    return __atomic_load_n(&alarms, __ATOMIC_RELAXED);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    bool alarm = level == LOG_ERR || level == LOG_WARN;
    char text[LOG_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    if (alarm && __atomic_load_n(&expected, __ATOMIC_RELAXED)) {
        ksnprintf(text, sizeof(text), "expected: %s", fmt);
        log_vline(&the_log, level, true, text, ap);
    } else {
        log_vline(&the_log, level, true, fmt, ap);
        if (alarm)
            __atomic_fetch_add(&alarms, 1, __ATOMIC_RELAXED);
    }
    va_end(ap);
}

void log_raw(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_vline(&the_log, 0, false, fmt, ap);
    va_end(ap);
}

void console_hold(bool hold)
{
    the_log.hold = hold;
}

void console_flush(void)
{
    log_drain(&the_log);
}

static u64 all_behind(void)
{
    u64 sum = 0;

    for (u32 i = 0; i < the_log.nr_sinks; i++)
        sum += log_behind(&the_log, the_log.sinks[i]);
    return sum;
}

/* A sink that has taken nothing for so long is not waited for again. */
static void give_up(struct log_sink *sink)
{
    u64 behind = log_behind(&the_log, sink);

    if (!behind)
        return;
    sink->dead = true;
    event_add(EVENT_CONSOLE_LOST, behind);
    pr_warn("console: %s has not taken the last %llu bytes of the log in %u s: given up",
            sink->name, (ull)behind, CONSOLE_END_US / 1000000);
    log_drain(&the_log); /* when lines are held the next sink would be behind by this one */
}

void console_finish(void)
{
    u64 start = uptime_us(), behind, before = ~0ULL;
    struct deadline d = deadline_start(FLUSH_US);

    do {
        log_drain(&the_log);
        behind = all_behind();
        if (behind != before)
            start = uptime_us();
        before = behind;
    } while (behind && uptime_us() - start < CONSOLE_END_US);
    for (u32 i = 0; behind && i < the_log.nr_sinks; i++)
        give_up(the_log.sinks[i]);
    /* Another CPU may be in the middle of a line that it has taken from the ring. */
    while (!log_drained(&the_log) && !deadline_passed(&d))
        cpu_relax();
}

/* What it could not take stays in the ring; only what is overwritten there is lost. */
static void say_stalled(struct log_sink *sink)
{
    pr_warn("console: %s takes no characters: asked again at each line", sink->name);
}

u64 console_mark(void)
{
    return log_head(&the_log);
}

u32 console_count(u64 mark, const char *text)
{
    return log_count(&the_log, mark, text);
}

/* ---- devices --------------------------------------------------------------------------------- */

static int debugcon_write(void *ctx, const char *buf, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++)
        if (buf[i] != '\r')
            outb(DEBUGCON_PORT, (u8)buf[i]);
    return (int)len;
}

static const char *add_sink(struct log_sink *sink)
{
    return log_add_sink(&the_log, sink) ? "chosen" : "refused: too many consoles";
}

/* The debug console of QEMU and Bochs answers a read with its own port number. */
static void add_debugcon(bool probe)
{
    if (probe && inb(DEBUGCON_PORT) != DEBUGCON_PORT)
        return;
    debugcon_sink = (struct log_sink){.name = "debugcon", .write = debugcon_write};
    pr_info("console: debugcon: %s", add_sink(&debugcon_sink));
}

/* Called again by console_remap(): some screens are reached only through the final tables. */
static void add_screen(void)
{
    char mode[64];

    if (screen_why) {
        pr_info("console: screen: refused: %s", screen_why);
        return;
    }
    screen_wanted = true;
    if (!screen_ready() || screen_sink.name)
        return;
    screen_text(mode, sizeof(mode));
    screen_sink = (struct log_sink){.name = "screen", .write = screen_write};
    pr_info("console: screen: %s at 0x%lx: %s%s", mode, screen_memory().start,
            add_sink(&screen_sink), screen_combines() ? ", write-combining" : "");
}

/* ---- UARTs ----------------------------------------------------------------------------------- */

/* True: it is in use. False also for one that is reached only later, so that others are tried. */
static bool add_uart(const char *source, const struct uart_place *place)
{
    enum mmio_verdict v = MMIO_OK;

    if (place->mmio)
        v = mmio_allowed(mmio_rules(), place->base, 8ULL * (place->any ? 4 : place->stride));
    if (v != MMIO_OK) {
        console_uart_refuse(place, source, mmio_verdict_text(v));
        return false;
    }
    return console_uart_add(&the_log, place, source);
}

static void probe_com(void)
{
    for (u32 i = 0; i < NR_COM; i++) {
        struct uart_place place = com_place(i);

        if (add_uart("probing", &place))
            return;
    }
}

/*
 * Adds the UART that SPCR or DBG2 names. id: the finding for an address where no UART can be. A
 * speed is set only where the UART's clock is known: at ports, and where the table gives the PC's
 * clock. Elsewhere firmware's setting stays.
 */
static bool add_from_table(const char *table, const struct acpi_uart *uart, enum firmware_id id)
{
    struct acpi_uart here = *uart, *u = &here;
    struct uart_place place = {.base = u->base,
                               .mmio = u->mmio,
                               .width = u->width,
                               .stride = u->stride,
                               .any = u->any,
                               .baud = u->baud};

    if (u->verdict == ACPI_UART_OK) {
        u->verdict = acpi_uart_here(u, mmio_rules());
        acpi_uart_report(u, id, id, "");
    }
    if (u->verdict == ACPI_UART_TYPE) {
        pr_info("console: %s: refused: interface type 0x%x is no 16550", table, u->type);
        return false;
    }
    if (u->verdict != ACPI_UART_OK) {
        pr_info("console: %s: refused: %s", table, acpi_uart_verdict_text(u->verdict));
        return false;
    }
    place.pc = u->clock_hz ? u->clock_hz == 16 * UART_CLOCK : !u->mmio;
    if (!place.pc)
        place.baud = 0;
    return add_uart(table, &place);
}

static bool add_spcr(const struct spcr_info *spcr)
{
    if (!spcr) {
        pr_info("console: SPCR: there is none");
        return false;
    }
    return add_from_table("SPCR", &spcr->uart, FW_SPCR_ADDRESS);
}

/* Adds the first port that answers. */
static bool add_dbg2(const struct dbg2_info *dbg2)
{
    if (!dbg2 || !dbg2->count)
        pr_info("console: DBG2: %s", dbg2 ? "no serial port in it" : "there is none");
    for (u32 i = 0; dbg2 && i < dbg2->count; i++)
        if (add_from_table("DBG2", &dbg2->ports[i], FW_DBG2_ADDRESS))
            return true;
    return false;
}

/* ---- choice ---------------------------------------------------------------------------------- */

static void add_named(const char *text)
{
    struct console_spec spec;
    const char *why;

    if (console_spec_parse(text, &spec, &why)) {
        event_count(EVENT_OPTION_IGNORED);
        pr_warn("console=%s: ignored: %s", text, why);
        return;
    }
    switch (spec.kind) {
    case CONSOLE_UART:
        add_uart("console=", &spec.uart);
        break;
    case CONSOLE_SPCR:
        spcr_wanted = true;
        break;
    case CONSOLE_DBG2:
        dbg2_wanted = true;
        break;
    case CONSOLE_FB:
        screen_named = true;
        add_screen();
        break;
    case CONSOLE_DEBUGCON:
        add_debugcon(false);
        break;
    }
}

/*
 * Before the ACPI tables are read. The first COM port is used at once, because a boot that stops
 * early must not be silent. Nothing may be connected to that port, so the screen is used too.
 */
static void add_automatic(void)
{
    automatic = true;
    probe_com();
    add_screen();
    add_debugcon(true);
}

/* A panic before console_init() still needs a sink. */
void console_panic_mode(void)
{
    panic_mark = console_mark();
    log_panic_mode(&the_log);
    if (!the_log.nr_sinks)
        add_automatic();
}

void console_panic_page(void)
{
    static char text[PANIC_TEXT];

    log_copy(&the_log, panic_mark, text, sizeof(text));
    screen_page(" Perch: PANIC   (photograph this page, and send it with the log)", FB_BAD, text);
}

/* console= names consoles, but none can be used: all consoles are better than none. */
static void fall_back(void)
{
    if (the_log.nr_sinks)
        return;
    pr_warn("console: nothing that console= names can be used: automatic choice");
    add_automatic();
}

void console_init(const struct kernel_options *o, const struct boot_info *info)
{
    the_log.on_stall = say_stalled;
    the_log.level = o->loglevel;
    screen_why = screen_init(info);
    for (u32 i = 0; i < o->n_consoles; i++)
        add_named(o->consoles[i]);
    if (!o->n_consoles)
        add_automatic();
    else if (!spcr_wanted && !dbg2_wanted && !screen_wanted)
        fall_back();
}

void console_tables(const struct spcr_info *spcr, const struct dbg2_info *dbg2)
{
    bool found = false;

    if (automatic || spcr_wanted)
        found = spcr_found = add_spcr(spcr);
    if (dbg2_wanted || (automatic && !found))
        found |= dbg2_found = add_dbg2(dbg2);
    if (automatic && !found)
        spcr_wanted = dbg2_wanted = false;
    if (!screen_wanted)
        fall_back();
    console_flush(); /* a new sink gets the earlier lines */
}

/*
 * What console= names by a word, spcr, dbg2 or fb, and does not get, is an ignored option, as an
 * address is (count_refused() of console_uart.c). Known when all can be reached.
 */
static void count_missing(void)
{
    if (spcr_wanted && !spcr_found && !console_uart_uses("SPCR"))
        event_count(EVENT_OPTION_IGNORED);
    if (dbg2_wanted && !dbg2_found && !console_uart_uses("DBG2"))
        event_count(EVENT_OPTION_IGNORED);
    if (screen_named && !screen_ready())
        event_count(EVENT_OPTION_IGNORED);
}

void console_remap(struct kernel_vm *vm)
{
    struct range video = screen_memory();
    bool held = the_log.hold;

    the_log.hold = true; /* sinks still use addresses of the boot tables: no output through them */
    console_uart_remap(&the_log, vm);
    if (!range_empty(video))
        screen_map(paging_map_mmio(vm, video.start, range_size(video), PT_WC, "frame buffer"));
    the_log.hold = held;
    if (screen_wanted)
        add_screen();
    count_missing();
    fall_back();
}
