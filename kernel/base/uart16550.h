/*
 * A 16550-compatible UART, for output only: probe, set-up and transmission. Every wait is bounded,
 * so that a dead UART does not hang the machine. One that takes nothing for its time-out is
 * stalled: a BMC whose serial-over-LAN has no reader, a host that reads no virtual port. Each
 * write then looks once, without a wait, and goes on when there is room again. Ports, memory and
 * test devices use this driver, through struct uart_ops. It sends bytes unchanged: the log makes
 * CR LF, in next_piece_crlf() of log.c, for all sinks.
 *
 * Pure; one caller at a time (the log's drain lock). Register layout and bits:
 * National Semiconductor PC16550D data sheet, section 8.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_UART16550_H
#define PERCH_BASE_UART16550_H

#include "kernel/base/types.h"

struct uart_ops {
    u8 (*read)(void *ctx, u32 reg); /* reg 0..7; any address stride is the implementation's */
    void (*write)(void *ctx, u32 reg, u8 val);
    u64 (*time_us)(void *ctx); /* monotonic; too slow before the clock is measured does no harm */
    void *ctx;
};

struct uart {
    struct uart_ops ops;
    bool fifo;      /* "holding register empty" means room for 16 bytes */
    u32 room;       /* bytes that can be sent before the next look at the status */
    u32 timeout_us; /* of each wait; 0: UART_TIMEOUT_US */
    bool stalled;   /* the last wait ended without room */
};

/*
 * Registers in memory: each access has width bytes (1, 2 or 4), and the registers are stride bytes
 * apart. The context of uart_mmio_read() and uart_mmio_write() in struct uart_ops.
 */
struct uart_mmio {
    volatile u8 *regs;
    u8 width, stride;
};

u8 uart_mmio_read(void *mmio, u32 reg);
void uart_mmio_write(void *mmio, u32 reg, u8 val);

#define UART_CLOCK      115200u /* baud at divisor 1 */
#define UART_FIFO_SIZE  16
#define UART_TIMEOUT_US 200000u /* 16 bytes at 1200 baud take 133 ms */
#define UART_FIRST_US   20000u  /* firmware's last 16 characters at 9600 baud take 17 ms */

/* Is a UART there? Leaves IER 0 and SCR unchanged. */
bool uart_probe(const struct uart_ops *ops);

/*
 * For registers in memory at a distance that no table tells: finds their width and stride, of
 * 8 bits every byte, 32 bits every 4 bytes, and 8 bits every 4 bytes. set() puts ops on a layout.
 * Only where reads alone look like a UART is anything written, and the scratch register decides.
 * False: no UART answers.
 */
bool uart_find_layout(const struct uart_ops *ops, void (*set)(void *ctx, u8 width, u8 stride));

/*
 * Sets 8N1, FIFO on, interrupts off. baud 0 keeps the divisor that firmware set; a divisor of 0,
 * with which nothing is sent, becomes 1. Returns 0, or -EINVAL when no divisor gives baud within
 * 3 %: then nothing has changed.
 */
int uart_init(struct uart *u, const struct uart_ops *ops, u32 baud);

/* The speed by its divisor and the PC's clock; 0: the divisor is 0. */
u32 uart_speed(const struct uart_ops *ops);

/*
 * Changes the speed when the transmitter is empty, or after timeout_us. Returns 0, or -EINVAL as
 * uart_init().
 */
int uart_set_speed(struct uart *u, u32 baud);

/*
 * Sends up to n bytes unchanged; returns how many. Fewer: the UART is stalled now, and the rest is
 * the caller's to send later.
 */
size_t uart_write(struct uart *u, const char *buf, size_t n);

#endif
