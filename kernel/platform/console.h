/*
 * The kernel's one log and its sinks: UARTs, the screen, QEMU's debug console. It implements
 * log_line() and log_raw() of kernel/base/print.h. Lines logged before console_init() come out
 * then.
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
 * Chooses the sinks that can be had now: those of console=, or else the first COM port that
 * answers, the screen and the debug console. info must stay. Boot CPU, once.
 */
void console_init(const struct kernel_options *o, const struct boot_info *info);

/*
 * To be called when the ACPI tables are read: the UART that SPCR names, else one of DBG2's, becomes
 * a sink if console= does not say otherwise. A new sink gets what was logged before. NULL: no such
 * table. One line for each source says what became of it. Boot CPU, once.
 */
void console_tables(const struct spcr_info *spcr, const struct dbg2_info *dbg2);

/*
 * Maps the devices in memory, and the screen, in the final tables. A device that cannot be mapped
 * is dropped; one that was out of reach before is tried now. Boot CPU, when the boot tables are
 * gone, before the next log line.
 */
void console_remap(struct kernel_vm *vm);

/* Holds lines back in the ring (true), so that a measurement does not contain the wire. */
void console_hold(bool hold);

/* Writes out what is held. Any CPU, any context. */
void console_flush(void);

/*
 * What was said, for tests: where the log is now, and how often a text occurs from there on (0:
 * from the start; the ring keeps 256 KiB).
 */
u64 console_mark(void);
u32 console_count(u64 mark, const char *text);

/* The machine is dying: no lock is waited for from here on. */
void console_panic_mode(void);

/* What was logged since console_panic_mode(), as the page that stays on the screen. */
void console_panic_page(void);

#endif
