/*
 * The kernel's log and its sinks.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/console.h"
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/log.h"
#include "kernel/base/string.h"
#include "kernel/base/uart16550.h"
#include "mm/layout.h"

#define RING_SIZE     (256 * 1024)
#define DEBUGCON_PORT 0xe9
#define NR_COM        4
#define UART_SPAN     8 /* registers */

struct port_uart {
    struct uart uart;
    struct uart_ops ops;
    struct log_sink sink;
    u64 base;          /* port, or physical address */
    volatile u8 *regs; /* MMIO: where the registers can be reached now; NULL: a port */
    u32 stride;        /* bytes between registers, MMIO */
};

static const u16 com_ports[NR_COM] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

static char ring[RING_SIZE];
static struct log the_log = {
    .buf = ring, .size = RING_SIZE, .level = LOG_INFO, .time_us = uptime_us};
static struct port_uart uarts[OPT_MAX_CONSOLES];
static u32 nr_uarts;
static struct log_sink debugcon_sink;

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_vline(&the_log, level, true, fmt, ap);
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

u64 console_mark(void)
{
    return __atomic_load_n(&the_log.head, __ATOMIC_SEQ_CST);
}

u32 console_count(u64 mark, const char *text)
{
    return log_count(&the_log, mark, text);
}

/* ---- UARTs ----------------------------------------------------------------------------------- */

static u8 port_read(void *ctx, u32 reg)
{
    return inb((u16)(((struct port_uart *)ctx)->base + reg));
}

static void port_write(void *ctx, u32 reg, u8 val)
{
    outb((u16)(((struct port_uart *)ctx)->base + reg), val);
}

static volatile u8 *mmio_register(void *ctx, u32 reg)
{
    struct port_uart *u = ctx;

    return u->regs + (size_t)reg * u->stride;
}

static u8 mmio_read(void *ctx, u32 reg)
{
    return *mmio_register(ctx, reg);
}

static void mmio_write(void *ctx, u32 reg, u8 val)
{
    *mmio_register(ctx, reg) = val;
}

static u64 now_us(void *ctx)
{
    (void)ctx;
    return uptime_us();
}

static int uart_sink_write(void *ctx, const char *buf, size_t len)
{
    return uart_write(ctx, buf, len);
}

/* True: it answers and is in use now. */
static bool add_uart(const char *name, u64 base, bool mmio, u32 stride, u32 baud)
{
    struct port_uart *u = &uarts[nr_uarts];

    if (nr_uarts == ARRAY_SIZE(uarts))
        return false;
    u->base = base;
    u->regs = mmio ? phys_to_virt(base) : NULL;
    u->stride = stride;
    u->ops = (struct uart_ops){mmio ? mmio_read : port_read, mmio ? mmio_write : port_write,
                               now_us, u};
    if (!uart_probe(&u->ops) || uart_init(&u->uart, &u->ops, baud))
        return false;
    if (cpu_has_hypervisor()) /* the reader of a virtual UART may sleep */
        u->uart.timeout_us = HYPERVISOR_FACTOR * UART_TIMEOUT_US;
    u->sink = (struct log_sink){.name = name, .write = uart_sink_write, .ctx = &u->uart};
    if (!log_add_sink(&the_log, &u->sink))
        return false;
    nr_uarts++;
    return true;
}

static int debugcon_write(void *ctx, const char *buf, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++)
        if (buf[i] != '\r')
            outb(DEBUGCON_PORT, (u8)buf[i]);
    return 0;
}

/* QEMU's and Bochs's debug console answers a read with its own port number. */
static bool add_debugcon(bool probe)
{
    if (probe && inb(DEBUGCON_PORT) != DEBUGCON_PORT)
        return false;
    debugcon_sink = (struct log_sink){.name = "debugcon", .write = debugcon_write};
    return log_add_sink(&the_log, &debugcon_sink);
}

/* ---- choice ---------------------------------------------------------------------------------- */

static const char *const com_names[NR_COM] = {"ttyS0", "ttyS1", "ttyS2", "ttyS3"};

/* A number; Linux's "115200n8" is read as 115200, since 8N1 is the only format there is. */
static bool number_item(const char **list, u64 *out)
{
    char item[OPT_TEXT_MAX];

    if (!list_next(list, item, sizeof(item)))
        return false;
    char *format = strchr(item, 'n');
    if (format)
        *format = 0;
    return parse_u64(item, out) == 0;
}

/* "ttyS1,57600", "uart,io,0x2f8,115200", "uart,mmio,0xfe030000,4,115200" */
static bool add_named(const char *spec)
{
    const char *rest = spec;
    char word[OPT_TEXT_MAX], kind[OPT_TEXT_MAX];
    u64 addr = 0, stride = 1, baud = 0;

    list_next(&rest, word, sizeof(word));
    for (u32 i = 0; i < NR_COM; i++) {
        if (strcmp(word, com_names[i]) == 0) {
            number_item(&rest, &baud);
            return add_uart(com_names[i], com_ports[i], false, 1, (u32)baud);
        }
    }
    if (strcmp(word, "debugcon") == 0)
        return add_debugcon(false);
    if (strcmp(word, "uart") != 0 || !list_next(&rest, kind, sizeof(kind)) ||
        !number_item(&rest, &addr))
        return false;
    if (strcmp(kind, "io") == 0 && addr <= 0xfff8) {
        number_item(&rest, &baud);
        return add_uart("uart,io", addr, false, 1, (u32)baud);
    }
    if (strcmp(kind, "mmio") != 0 || addr >= BOOT_MAPPED_LIMIT)
        return false;
    if (number_item(&rest, &stride) && stride > 16) { /* no stride given: it was the speed */
        baud = stride;
        stride = 1;
    }
    number_item(&rest, &baud);
    return add_uart("uart,mmio", addr, true, (u32)stride, (u32)baud);
}

static void add_automatic(void)
{
    for (u32 i = 0; i < NR_COM; i++)
        if (add_uart(com_names[i], com_ports[i], false, 1, 0))
            break;
    add_debugcon(true);
}

/* A panic before console_init() still finds its way out. */
void console_panic_mode(void)
{
    log_panic_mode(&the_log);
    if (!the_log.nr_sinks)
        add_automatic();
}

void console_remap(void *(*map)(void *ctx, u64 pa, u64 size), void *ctx)
{
    for (u32 i = 0; i < nr_uarts; i++) {
        struct port_uart *u = &uarts[i];

        if (!u->regs)
            continue;
        u->regs = map(ctx, u->base, (u64)UART_SPAN * u->stride);
        if (!u->regs)
            u->sink.dead = true;
    }
}

void console_init(const struct kernel_options *o)
{
    the_log.level = o->loglevel;
    for (u32 i = 0; i < o->n_consoles; i++)
        if (!add_named(o->consoles[i]))
            pr_warn("console=%s: no such device, or not supported yet", o->consoles[i]);
    if (!the_log.nr_sinks)
        add_automatic();
    for (u32 i = 0; i < the_log.nr_sinks; i++)
        pr_info("console: %s", the_log.sinks[i]->name);
}
