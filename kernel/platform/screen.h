/*
 * The screen: the loader's frame buffer as a sink of the log, and for the page that stays when a
 * run ends. Promises that later log lines do not overwrite this page. Without a frame buffer (PVH,
 * no display) all functions do nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_SCREEN_H
#define PERCH_PLATFORM_SCREEN_H

#include "boot/boot_info.h"
#include "kernel/base/fb_text.h"
#include "kernel/base/range.h"

/*
 * Takes the loader's frame buffer. NULL, or the reason why there is no usable one. One below 4 GiB
 * can be drawn on at once, one above from screen_map() on. Boot CPU, once.
 */
const char *screen_init(const struct boot_info *info);

/* Physical memory of the frame buffer. Empty: none. */
struct range screen_memory(void);

/* Sets where it is mapped. NULL: nowhere; the screen is no longer used. Boot CPU. */
void screen_map(volatile void *mem);

/* Can the screen be drawn on now? */
bool screen_ready(void);

/*
 * Is it write-combining from the first line on? Before the boot tables are gone. What is read is
 * the page tables and the PAT; an MTRR of "uncached" does not change it (SDM vol. 3, table 12-7).
 */
bool screen_combines(void);

/* Writes its mode, "1920x1080, 32 bits" or "80x25 letters", into buf; returns the length. */
int screen_text(char *buf, size_t size);

/* A sink's write: never fails. One caller at a time (the log's drain). */
int screen_write(void *ctx, const char *buf, size_t len);

/*
 * Draws the last page: a title over the whole width, then the text; what does not fit is cut. Any
 * CPU, any context, also a panic. Waits a bounded time for a CPU that is drawing.
 */
void screen_page(const char *title, enum fb_style style, const char *text);

#endif
