/*
 * The kernel's one log and where it goes: UARTs, QEMU's debug console. Behind log_line() and
 * log_raw() of kernel/base/print.h. What is logged before console_init() comes out then.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CONSOLE_H
#define PERCH_PLATFORM_CONSOLE_H

#include "kernel/base/cmdline.h"

/* Chooses the sinks by console= or by probing, and says which. Boot CPU, once. */
void console_init(const struct kernel_options *o);

/*
 * The boot tables are gone: UARTs in memory are reached through map from now on, or dropped when it
 * returns NULL. Boot CPU, before the next line.
 */
void console_remap(void *(*map)(void *ctx, u64 pa, u64 size), void *ctx);

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

#endif
