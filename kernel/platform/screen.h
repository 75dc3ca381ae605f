/*
 * The screen: the loader's frame buffer as a sink of the log, and the page that stays on it when a
 * run ends. Promises that a page, once drawn, stays: lines logged later do not touch it. Without a
 * frame buffer (PVH, no display) everything here does nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_SCREEN_H
#define PERCH_PLATFORM_SCREEN_H

#include "boot/boot_info.h"
#include "kernel/base/fb_text.h"
#include "kernel/base/range.h"

/*
 * Takes the loader's frame buffer. NULL, or why there is none to be used. It can be drawn on at
 * once when it lies below 4 GiB, else from screen_map() on. Boot CPU, once.
 */
const char *screen_init(const struct boot_info *info);

/* Physical memory of the frame buffer; empty: none. */
struct range screen_memory(void);

/* Where it is mapped now; NULL: nowhere, and the screen is given up. Boot CPU. */
void screen_map(volatile void *mem);

/* Can be drawn on now. */
bool screen_ready(void);

/* "1920x1080, 32 bits, 120x41 letters". */
int screen_text(char *buf, size_t size);

/* A sink's write: never fails. One caller at a time (the log's drain). */
int screen_write(void *ctx, const char *buf, size_t len);

/*
 * The last page: a title over the whole width, then the text; what does not fit is cut. Any CPU,
 * any context, a panic included; waits a bounded time for a CPU that is drawing.
 */
void screen_page(const char *title, enum fb_style style, const char *text);

#endif
