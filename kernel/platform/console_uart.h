/*
 * The UARTs of the console: at ports or in memory, with any register width and distance, each one
 * once. Boot CPU, while consoles are chosen; the log's drain calls the sinks.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CONSOLE_UART_H
#define PERCH_PLATFORM_CONSOLE_UART_H

#include "kernel/base/console_spec.h"
#include "kernel/base/log.h"
#include "kernel/platform/paging.h"

/* What became of a request. */
enum console_uart_result {
    CONSOLE_UART_NEW,    /* answers, and is a sink now */
    CONSOLE_UART_HAD,    /* is one already */
    CONSOLE_UART_LATER,  /* above 4 GiB: console_uart_remap() will try */
    CONSOLE_UART_ABSENT, /* nothing answers there */
    CONSOLE_UART_SPEED,  /* no divisor gives that speed */
    CONSOLE_UART_FULL,   /* no room for another */
};

/*
 * Makes a sink of the UART at that place. One that is a sink already gets the speed, if a speed is
 * asked for and it has another. source: who named it; a literal.
 */
enum console_uart_result console_uart_add(struct log *log, const struct uart_place *place,
                                          const char *source);

/* A few words for each result. */
const char *console_uart_text(enum console_uart_result r);

/* Its speed now, as the log says it; 0: unknown. */
u32 console_uart_speed(const struct uart_place *place);

/*
 * Maps the UARTs in memory in the final tables, and drops those that cannot be mapped. UARTs that
 * waited for this are tried, each with a log line.
 */
void console_uart_remap(struct log *log, struct kernel_vm *vm);

#endif
