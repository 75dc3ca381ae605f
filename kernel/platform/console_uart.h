/*
 * The UARTs of the console: at ports or in memory, with any register width and stride. Each UART is
 * a sink at most once. Boot CPU, while consoles are chosen; the log's drain calls the sinks.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CONSOLE_UART_H
#define PERCH_PLATFORM_CONSOLE_UART_H

#include "kernel/base/console_spec.h"
#include "kernel/base/log.h"
#include "kernel/platform/paging.h"

/*
 * Makes the UART at that place a sink of the log. One that is a sink already only gets the speed,
 * if the caller asks for another. source: a literal that says what named the UART. A log line says
 * how it went. True: the UART is a sink. False: it is not, or only console_uart_remap() can try.
 */
bool console_uart_add(struct log *log, const struct uart_place *place, const char *source);

/* The line for a UART that is not even tried. */
void console_uart_refuse(const struct uart_place *place, const char *source, const char *why);

/* Is there a UART among the sinks that was added under this name of a source? */
bool console_uart_uses(const char *source);

/*
 * Maps the UARTs in memory in the final tables, and drops those that cannot be mapped. UARTs that
 * waited for this are tried, each with a log line.
 */
void console_uart_remap(struct log *log, struct kernel_vm *vm);

#endif
