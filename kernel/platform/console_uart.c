/*
 * The UARTs of the console; see console_uart.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/console_uart.h"
#include "kernel/base/cmdline.h"
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/events.h"
#include "kernel/base/print.h"
#include "kernel/base/safe.h"
#include "kernel/base/string.h"
#include "kernel/base/uart16550.h"
#include "mm/map/address_map.h"

#define UART_SPAN  8u /* registers of a 16550 */
#define ANY_STRIDE 4u /* the largest that is tried */
#define MAX_UARTS  OPT_MAX_CONSOLES
#define PLACE_TEXT 64

struct port_uart {
    struct uart uart;
    struct uart_ops ops;
    struct log_sink sink;
    struct uart_place place;
    struct uart_mmio mmio; /* registers in memory: where they are mapped now */
    const char *source;
    char name[PLACE_TEXT];
    bool waiting; /* out of reach until console_uart_remap() */
};

static struct port_uart uarts[MAX_UARTS];
static u32 nr_uarts;

enum result { NEW, HAD, LATER, ABSENT, SPEED, FULL }; /* from ABSENT on: refused */

static const struct {
    const char *what, *why;
} texts[] = {
    [NEW] = {"chosen", "answers"},
    [HAD] = {"chosen", "in use already"},
    [LATER] = {"waits", "above 4 GiB, tried when it can be reached"},
    [ABSENT] = {"refused", "no UART answers there"},
    [SPEED] = {"refused", "no divisor gives that speed"},
    [FULL] = {"refused", "too many consoles"},
};

/* ---- registers ------------------------------------------------------------------------------- */

static u8 port_read(void *ctx, u32 reg)
{
    return inb((u16)(((struct port_uart *)ctx)->place.base + reg));
}

static void port_write(void *ctx, u32 reg, u8 val)
{
    outb((u16)(((struct port_uart *)ctx)->place.base + reg), val);
}

/* Bytes that the registers in memory take up, at most. */
static u64 span(const struct uart_place *p)
{
    return UART_SPAN * (p->any ? ANY_STRIDE : p->stride);
}

static void set_layout(void *ctx, u8 width, u8 stride)
{
    struct uart_mmio *m = ctx;

    m->width = width;
    m->stride = stride;
}

static u64 now_us(void *ctx)
{
    (void)ctx;
    return uptime_us();
}

static int sink_write(void *ctx, const char *buf, size_t len)
{
    struct port_uart *u = ctx;

    return (int)uart_write(&u->uart, buf, len);
}

/* ---- adding ---------------------------------------------------------------------------------- */

static struct port_uart *find_uart(const struct uart_place *p)
{
    for (u32 i = 0; i < nr_uarts; i++)
        if (uarts[i].place.base == p->base && uarts[i].place.mmio == p->mmio)
            return &uarts[i];
    return NULL;
}

/* Finds out what the table did not tell, and names the UART by it. */
static bool probe(struct port_uart *u)
{
    u64 at = (uintptr_t)u->mmio.regs, byte;

    if (!u->place.any)
        return uart_probe(&u->ops);
    if (probe_read(at, 1, &byte) || probe_read(at + span(&u->place) - 1, 1, &byte) ||
        !uart_find_layout(&u->ops, set_layout))
        return false;
    u->place.width = u->mmio.width;
    u->place.stride = u->mmio.stride;
    u->place.any = false;
    uart_place_text(&u->place, u->name, sizeof(u->name));
    return true;
}

static enum result start_uart(struct log *log, struct port_uart *u)
{
    if (u->place.mmio)
        u->ops = (struct uart_ops){uart_mmio_read, uart_mmio_write, now_us, &u->mmio};
    else
        u->ops = (struct uart_ops){port_read, port_write, now_us, u};
    if (!probe(u))
        return ABSENT;
    if (uart_init(&u->uart, &u->ops, u->place.baud))
        return SPEED;
    if (cpu_has_hypervisor()) /* the reader of a virtual UART may sleep */
        u->uart.timeout_us = HYPERVISOR_FACTOR * UART_TIMEOUT_US;
    u->sink = (struct log_sink){.name = u->name, .write = sink_write, .ctx = u};
    return log_add_sink(log, &u->sink) ? NEW : FULL;
}

static enum result speed_of_old(struct port_uart *u, u32 baud)
{
    u->place.pc |= baud != 0;
    if (baud && !u->waiting && uart_speed(&u->ops) != baud && uart_set_speed(&u->uart, baud))
        return SPEED;
    return HAD;
}

static enum result add(struct log *log, const struct uart_place *place, const char *source)
{
    struct port_uart *u = find_uart(place);
    enum result result;

    if (u)
        return speed_of_old(u, place->baud);
    if (nr_uarts == MAX_UARTS)
        return FULL;
    u = &uarts[nr_uarts];
    *u = (struct port_uart){.place = *place, .source = source};
    uart_place_text(place, u->name, sizeof(u->name));
    if (place->mmio && place->base + span(place) > BOOT_MAPPED_LIMIT) {
        u->waiting = true;
        nr_uarts++;
        return LATER;
    }
    if (place->mmio)
        u->mmio = (struct uart_mmio){phys_to_virt(place->base), place->width, place->stride};
    result = start_uart(log, u);
    if (result == NEW)
        nr_uarts++;
    return result;
}

static void say(const struct uart_place *place, const char *source, const char *what,
                const char *why)
{
    const struct port_uart *u = find_uart(place);
    u32 speed = u && !u->waiting && u->place.pc ? uart_speed(&u->ops) : 0;
    char name[PLACE_TEXT];

    uart_place_text(u ? &u->place : place, name, sizeof(name));
    if (speed)
        pr_info("console: %s: %s at %u baud: %s: %s", source, name, speed, what, why);
    else
        pr_info("console: %s: %s: %s: %s", source, name, what, why);
}

/* What the user named and does not get is an ignored option; what a table names is not. */
static void count_refused(const char *source)
{
    if (strcmp(source, "console=") == 0)
        event_count(EVENT_OPTION_IGNORED);
}

void console_uart_refuse(const struct uart_place *place, const char *source, const char *why)
{
    count_refused(source);
    say(place, source, "refused", why);
}

bool console_uart_add(struct log *log, const struct uart_place *place, const char *source)
{
    enum result r = add(log, place, source);

    if (r >= ABSENT)
        count_refused(source);
    say(place, source, texts[r].what, texts[r].why);
    return r == NEW || r == HAD;
}

bool console_uart_uses(const char *source)
{
    for (u32 i = 0; i < nr_uarts; i++)
        if (uarts[i].sink.name && !uarts[i].sink.dead && strcmp(uarts[i].source, source) == 0)
            return true;
    return false;
}

/* One above 4 GiB, which can be reached from now on. */
static void start_waiting(struct log *log, struct port_uart *u)
{
    enum result r = start_uart(log, u);

    if (r >= ABSENT)
        count_refused(u->source);
    if (r == FULL)
        u->sink.name = NULL; /* console_uart_uses() */
    pr_info("console: %s: %s: %s", u->source, u->name, texts[r].why);
    u->waiting = false;
}

void console_uart_remap(struct log *log, struct kernel_vm *vm)
{
    for (u32 i = 0; i < nr_uarts; i++) {
        struct port_uart *u = &uarts[i];

        if (!u->place.mmio)
            continue;
        u->mmio.width = u->place.width;
        u->mmio.stride = u->place.stride;
        u->mmio.regs = paging_map_mmio(vm, u->place.base, span(&u->place), PT_UC, "UART");
        if (!u->mmio.regs) {
            u->sink.dead = true;
            count_refused(u->source);
            continue;
        }
        if (u->waiting)
            start_waiting(log, u);
    }
}
