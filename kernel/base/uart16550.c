/*
 * The driver of a 16550, over register accesses that the caller provides.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/uart16550.h"

#include "kernel/base/errno.h"

enum {
    REG_DATA = 0, /* transmit holding; divisor low with DLAB */
    REG_IER = 1,  /* interrupt enable; divisor high with DLAB */
    REG_IIR = 2,  /* interrupt identification (read) */
    REG_FCR = 2,  /* FIFO control (write) */
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_SCR = 7, /* scratch: no effect */
};

#define FCR_ENABLE_AND_CLEAR 0x07
#define IIR_FIFO_ON          0xc0 /* both bits: a FIFO that works (16550A and later) */
#define LCR_8N1              0x03
#define LCR_DLAB             0x80
#define MCR_DTR_RTS          0x03
#define LSR_THRE             0x20
#define LSR_TEMT             0x40 /* the shift register is empty too */
#define LSR_ABSENT           0xff
#define IIR_ZERO             0x10 /* 0 in every 16550; bit 5 is a 16750's large FIFO */
#define MCR_ZERO             0x80

u8 uart_mmio_read(void *mmio, u32 reg)
{
    const struct uart_mmio *m = mmio;
    volatile u8 *at = m->regs + (size_t)reg * m->stride;

    if (m->width == 4)
        return (u8) * (volatile u32 *)at;
    return m->width == 2 ? (u8) * (volatile u16 *)at : *at;
}

void uart_mmio_write(void *mmio, u32 reg, u8 val)
{
    const struct uart_mmio *m = mmio;
    volatile u8 *at = m->regs + (size_t)reg * m->stride;

    if (m->width == 4)
        *(volatile u32 *)at = val;
    else if (m->width == 2)
        *(volatile u16 *)at = val;
    else
        *at = val;
}

static u8 rd(const struct uart_ops *ops, u32 reg)
{
    return ops->read(ops->ctx, reg);
}

static void wr(const struct uart_ops *ops, u32 reg, u8 val)
{
    ops->write(ops->ctx, reg, val);
}

static bool scratch_holds(const struct uart_ops *ops, u8 val)
{
    wr(ops, REG_SCR, val);
    /* A floating bus may return the last byte written: write another one elsewhere. */
    wr(ops, REG_IER, 0);
    return rd(ops, REG_SCR) == val;
}

/* A BMC may answer FFh for a moment, while it is busy. */
static bool status_absent(const struct uart_ops *ops)
{
    for (u32 i = 0; i < 4; i++)
        if (rd(ops, REG_LSR) != LSR_ABSENT)
            return false;
    return true;
}

bool uart_probe(const struct uart_ops *ops)
{
    u8 scratch;

    if (status_absent(ops))
        return false;
    wr(ops, REG_LCR, LCR_8N1); /* DLAB off, or IER would be the divisor */
    wr(ops, REG_IER, 0);
    if (rd(ops, REG_IER) & 0x0f)
        return false;
    scratch = rd(ops, REG_SCR);
    if (!scratch_holds(ops, 0x5a) || !scratch_holds(ops, 0xa5))
        return false;
    wr(ops, REG_SCR, scratch);
    return true;
}

/*
 * By reads alone: an idle transmitter, and the bits that are 0 in every 16550. With registers every
 * 4 bytes a look at each byte sees zeros there, as the upper bytes of a register are 0. Every 4
 * bytes of a UART with a register in each byte lies what follows it, mostly nothing: FFh.
 */
static bool looks_like_uart(const struct uart_ops *ops)
{
    u64 start = ops->time_us(ops->ctx);
    bool idle;
    u8 iir, mcr;

    do {
        u8 lsr = rd(ops, REG_LSR);

        idle = lsr != LSR_ABSENT && (lsr & (LSR_THRE | LSR_TEMT));
    } while (!idle && ops->time_us(ops->ctx) - start <= UART_FIRST_US);
    iir = rd(ops, REG_IIR);
    mcr = rd(ops, REG_MCR);
    return idle && !(iir & IIR_ZERO) && !(mcr & MCR_ZERO);
}

bool uart_find_layout(const struct uart_ops *ops, void (*set)(void *ctx, u8 width, u8 stride))
{
    static const struct {
        u8 width, stride;
    } layouts[] = {{1, 1}, {4, 4}, {1, 4}};

    for (u32 i = 0; i < ARRAY_SIZE(layouts); i++) {
        set(ops->ctx, layouts[i].width, layouts[i].stride);
        if (looks_like_uart(ops) && uart_probe(ops))
            return true;
    }
    return false;
}

static bool baud_ok(u32 baud, u32 *divisor)
{
    u32 d, real;

    if (baud == 0 || baud > UART_CLOCK)
        return false;
    d = (UART_CLOCK + baud / 2) / baud;
    real = UART_CLOCK / d;
    *divisor = d;
    return d <= 0xffff && (u64)(real > baud ? real - baud : baud - real) * 100 <= (u64)baud * 3;
}

static void set_divisor(const struct uart_ops *ops, u32 divisor)
{
    wr(ops, REG_LCR, LCR_8N1 | LCR_DLAB);
    wr(ops, REG_DATA, (u8)divisor);
    wr(ops, REG_IER, (u8)(divisor >> 8));
    wr(ops, REG_LCR, LCR_8N1);
}

u32 uart_speed(const struct uart_ops *ops)
{
    u32 divisor;

    wr(ops, REG_LCR, LCR_8N1 | LCR_DLAB);
    divisor = rd(ops, REG_DATA) | (u32)rd(ops, REG_IER) << 8;
    wr(ops, REG_LCR, LCR_8N1);
    return divisor ? UART_CLOCK / divisor : 0;
}

int uart_init(struct uart *u, const struct uart_ops *ops, u32 baud)
{
    u32 divisor = 0;

    if (baud && !baud_ok(baud, &divisor))
        return -EINVAL;
    *u = (struct uart){.ops = *ops};
    wr(ops, REG_LCR, LCR_8N1);
    wr(ops, REG_IER, 0);
    if (baud)
        set_divisor(ops, divisor);
    else if (!uart_speed(ops))
        set_divisor(ops, 1); /* nobody has set it, and with 0 it sends nothing */
    wr(ops, REG_FCR, FCR_ENABLE_AND_CLEAR);
    wr(ops, REG_MCR, MCR_DTR_RTS);
    u->fifo = (rd(ops, REG_IIR) & IIR_FIFO_ON) == IIR_FIFO_ON;
    return 0;
}

/* Waits until one of these bits of the line status is set. A stalled UART is looked at once. */
static int wait_status(struct uart *u, u8 bits)
{
    u64 limit = u->timeout_us ? u->timeout_us : UART_TIMEOUT_US;
    u64 start = u->ops.time_us(u->ops.ctx);

    for (;;) {
        u8 lsr = rd(&u->ops, REG_LSR);

        if (lsr != LSR_ABSENT && (lsr & bits))
            return 0;
        if (u->stalled)
            return -ETIMEDOUT;
        if (u->ops.time_us(u->ops.ctx) - start > limit)
            return -ETIMEDOUT;
    }
}

/* Waits until the holding register, and with it the FIFO, is empty. */
static int wait_room(struct uart *u)
{
    int err = wait_status(u, LSR_THRE | LSR_TEMT); /* a BMC may drop THRE */

    u->stalled = err != 0;
    if (!err)
        u->room = u->fifo ? UART_FIFO_SIZE : 1;
    return err;
}

int uart_set_speed(struct uart *u, u32 baud)
{
    u32 divisor;

    if (!baud_ok(baud, &divisor))
        return -EINVAL;
    /* A time-out here is ignored: the next write notices it. */
    (void)wait_status(u, LSR_TEMT);
    set_divisor(&u->ops, divisor);
    return 0;
}

size_t uart_write(struct uart *u, const char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (u->room == 0 && wait_room(u))
            return i;
        wr(&u->ops, REG_DATA, (u8)buf[i]);
        u->room--;
    }
    return n;
}
