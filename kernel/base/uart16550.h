/*
 * A 16550-compatible UART, for output only: probe, set-up, and transmission whose every wait is
 * bounded, so that a dead or missing UART costs characters and never the machine. The registers are
 * reached by ops, so that port, memory and test devices are one driver. Bytes go out as they are:
 * CR LF is made by the log, for all its sinks (next_piece() in log.c).
 *
 * Pure; one caller at a time (the log's drain lock sees to that). Register layout and bits:
 * National Semiconductor PC16550D data sheet, section 8.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_UART16550_H
#define PERCH_BASE_UART16550_H

#include "kernel/base/types.h"

struct uart_ops {
    u8 (*read)(void *ctx, u32 reg); /* reg 0..7; any address stride is the implementation's */
    void (*write)(void *ctx, u32 reg, u8 val);
    u64 (*time_us)(void *ctx); /* monotonic; may be NULL: then polls are counted */
    void *ctx;
};

struct uart {
    struct uart_ops ops;
    bool fifo;      /* 16 bytes fit after each "holding register empty" */
    u32 room;       /* bytes that fit now without asking again */
    u32 timeout_us; /* for room, per wait; 0: UART_TIMEOUT_US */
    u64 lost;       /* bytes given up on since the start */
};

/*
 * Registers in memory as devices want them reached: an access of width bytes (1, 2 or 4), the next
 * register stride bytes on. The context of uart_mmio_read() and uart_mmio_write() as ops.
 */
struct uart_mmio {
    volatile u8 *regs;
    u8 width, stride;
};

u8 uart_mmio_read(void *mmio, u32 reg);
void uart_mmio_write(void *mmio, u32 reg, u8 val);

#define UART_CLOCK      115200u /* baud at divisor 1 */
#define UART_FIFO_SIZE  16
#define UART_TIMEOUT_US 200000u  /* 16 bytes at 1200 baud take 133 ms */
#define UART_MAX_POLLS  1000000u /* instead of the time-out, without a clock */

/* Is there such a device? Leaves IER 0 and SCR as found. */
bool uart_probe(const struct uart_ops *ops);

/*
 * 8N1, FIFO on, no interrupts. baud 0 leaves the divisor that firmware set. Returns 0, or -EINVAL
 * for a baud that no divisor gives within 3 %; the UART is untouched then.
 */
int uart_init(struct uart *u, const struct uart_ops *ops, u32 baud);

/* The speed its divisor gives, at the PC's clock; 0: no divisor is set. */
u32 uart_speed(const struct uart_ops *ops);

/*
 * Another speed, after what is in the transmitter has left, for which it waits as for room. 0;
 * -EINVAL as uart_init(), and nothing has changed then.
 */
int uart_set_speed(struct uart *u, u32 baud);

/*
 * Sends n bytes as they are. 0, or -ETIMEDOUT when the transmitter did not become ready in time:
 * the rest was dropped and counted in u->lost.
 */
int uart_write(struct uart *u, const char *buf, size_t n);

#endif
