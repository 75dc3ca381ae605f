/*
 * The parser of console=.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/console_spec.h"

#include "kernel/base/cmdline.h"
#include "kernel/base/errno.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

#define UART_REGISTERS 8u
#define MAX_STRIDE     16u

static const u16 com_ports[NR_COM] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
static const char *const com_names[NR_COM] = {"ttyS0", "ttyS1", "ttyS2", "ttyS3"};

struct uart_place com_place(u32 i)
{
    return (struct uart_place){.base = com_ports[i], .width = 1, .stride = 1, .pc = true};
}

int uart_place_text(const struct uart_place *p, char *buf, size_t size)
{
    for (u32 i = 0; !p->mmio && i < NR_COM; i++)
        if (p->base == com_ports[i])
            return kscnprintf(buf, size, "%s", com_names[i]);
    if (!p->mmio)
        return kscnprintf(buf, size, "port 0x%llx", (ull)p->base);
    return kscnprintf(buf, size, "mmio 0x%llx, %u bits every %u bytes", (ull)p->base, 8u * p->width,
                      p->stride);
}

/*
 * The next item, as a number. False: the list is empty. *err: -EINVAL for an item that is no
 * number.
 */
static bool number_item(const char **list, u64 *out, int *err)
{
    char item[OPT_TEXT_MAX];

    if (!list_next(list, item, sizeof(item)))
        return false;
    char *format = strchr(item, 'n');
    if (format && format != item)
        *format = 0;
    if (parse_u64(item, out))
        *err = -EINVAL;
    return true;
}

static int baud_and_end(const char *rest, u64 baud, u32 *out, const char **why)
{
    int err = 0;

    number_item(&rest, &baud, &err);
    *why = "the speed is not a number from 1 to 115200 and nothing may follow it";
    if (err || *rest || baud > 115200)
        return -EINVAL;
    *out = (u32)baud;
    return 0;
}

static int parse_mmio(const char *rest, struct uart_place *u, const char **why)
{
    u64 baud = 0, stride = 1;
    int err = 0;

    if (number_item(&rest, &stride, &err) && !err && stride > MAX_STRIDE) {
        baud = stride; /* too large for a stride: it is the speed */
        stride = 1;
    }
    *why = "the stride must be 1, 2, 4, 8 or 16";
    if (err || !stride || !is_pow2(stride))
        return -EINVAL;
    u->stride = (u8)stride;
    u->width = (u8)(stride <= 4 ? stride : 1);
    *why = "no room for the registers at that address";
    if (!u->base || u->base % u->width || u->base > (1ULL << 52) - UART_REGISTERS * stride)
        return -EINVAL;
    err = baud_and_end(rest, baud, &u->baud, why);
    u->pc = u->baud != 0; /* who gives a speed knows the clock */
    return err;
}

static int parse_uart(const char *rest, struct uart_place *u, const char **why)
{
    char kind[OPT_TEXT_MAX];
    int err = 0;

    *why = "uart, then io or mmio, then an address";
    if (!list_next(&rest, kind, sizeof(kind)) || !number_item(&rest, &u->base, &err) || err)
        return -EINVAL;
    u->mmio = strcmp(kind, "mmio") == 0;
    if (u->mmio)
        return parse_mmio(rest, u, why);
    if (strcmp(kind, "io") != 0)
        return -EINVAL;
    u->width = u->stride = 1;
    u->pc = true;
    *why = "a port is a number from 1 to 0xfff8";
    if (!u->base || u->base > 0x10000 - UART_REGISTERS)
        return -EINVAL;
    return baud_and_end(rest, 0, &u->baud, why);
}

int console_spec_parse(const char *text, struct console_spec *out, const char **why)
{
    static const struct {
        const char *name;
        enum console_kind kind;
    } plain[] = {{"spcr", CONSOLE_SPCR},
                 {"dbg2", CONSOLE_DBG2},
                 {"fb", CONSOLE_FB},
                 {"debugcon", CONSOLE_DEBUGCON}};
    const char *rest = text;
    char word[OPT_TEXT_MAX];

    *out = (struct console_spec){.kind = CONSOLE_UART};
    *why = "empty";
    if (!list_next(&rest, word, sizeof(word)))
        return -EINVAL;
    if (strcmp(word, "uart") == 0)
        return parse_uart(rest, &out->uart, why);
    for (u32 i = 0; i < NR_COM; i++) {
        if (strcmp(word, com_names[i]) == 0) {
            out->uart = com_place(i);
            return baud_and_end(rest, 0, &out->uart.baud, why);
        }
    }
    for (u32 i = 0; i < ARRAY_SIZE(plain); i++) {
        if (strcmp(word, plain[i].name) == 0) {
            out->kind = plain[i].kind;
            *why = "nothing may follow the name";
            return *rest ? -EINVAL : 0;
        }
    }
    *why = "no such console";
    return -EINVAL;
}
