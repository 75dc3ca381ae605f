/*
 * The kernel's one log and its sinks: UARTs, the screen, QEMU's debug console. It implements
 * log_line() and log_raw() of kernel/base/print.h. console_init() also writes out the lines logged
 * before it.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CONSOLE_H
#define PERCH_PLATFORM_CONSOLE_H

#include "acpi/dbg2.h"
#include "acpi/spcr.h"
#include "boot/boot_info.h"
#include "kernel/base/cmdline.h"
#include "kernel/platform/paging.h"

/*
 * Chooses the sinks that can be used now: those of console=, or else the first COM port that
 * answers, the screen and the debug console. *info must stay valid. Boot CPU, once.
 */
void console_init(const struct kernel_options *o, const struct boot_info *info);

/*
 * Makes the UART that SPCR names, else one of DBG2's, a sink, if console= does not say otherwise. A
 * new sink gets the earlier lines. A log line per table says how it went. NULL: no such table. Boot
 * CPU, once, when the ACPI tables are read.
 */
void console_tables(const struct spcr_info *spcr, const struct dbg2_info *dbg2);

/*
 * Maps the devices in memory, and the screen, in the final tables. A device that cannot be mapped
 * is dropped; one that was out of reach before is tried now. Boot CPU, when the boot tables are
 * gone, before the next log line.
 */
void console_remap(struct kernel_vm *vm);

/* true: keeps lines in the ring, so that a measurement does not include the serial line. */
void console_hold(bool hold);

/* Writes out the lines that are held back. Any CPU, any context. */
void console_flush(void);

/* Lines at warning and error level so far that no test expected. Any CPU. */
u64 console_alarms(void);

/* For tests that look for lines: from here on those up to this level are kept. Returns the old. */
u32 console_set_level(u32 level);

/*
 * The same before the machine ends: waits for sinks that are stalled, until none has taken a
 * character for 10 s. What a sink has not taken then is lost, counted, and named on the others. Any
 * CPU, any context.
 */
void console_finish(void);

/*
 * For tests, which check what was logged: the log's position now, and how often a text occurs from
 * a position on (0: from the start; the ring keeps 256 KiB).
 */
u64 console_mark(void);
u32 console_count(u64 mark, const char *text);

/* For a panic: from here on the log waits for no lock. */
void console_panic_mode(void);

/* Draws the log since console_panic_mode() as the page that stays on the screen. */
void console_panic_page(void);

#endif
