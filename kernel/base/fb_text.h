/*
 * Text on a frame buffer that the loader has set up: 15 to 32 bits a pixel with colour masks, or
 * EGA text. Promises what a reader at the machine needs: whole lines, wrapped and scrolled, in
 * letters so large that about 100 columns fill the screen (twice 8 by 13 pixels at 1920 by 1080).
 *
 * Video memory is only ever written, and only where a letter has changed: reading it is slower by
 * a factor of hundreds. What is on the screen is kept as cells. When the screen is full it scrolls
 * by an eighth of its height at once, because each scroll redraws most of it.
 *
 * Pure; one caller at a time; never allocates, never waits.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_FB_TEXT_H
#define PERCH_BASE_FB_TEXT_H

#include "kernel/base/types.h"

#define FB_MAX_COLS 256u
#define FB_MAX_ROWS 128u

/* One colour of a pixel: `size` bits from bit `pos` on. */
struct fb_colour {
    u8 pos, size;
};

struct fb_mode {
    u32 width, height; /* pixels; columns and rows when text is set */
    u32 pitch;         /* bytes from one row to the next */
    u32 bytes;         /* of a pixel: 2, 3 or 4 */
    struct fb_colour red, green, blue;
    bool text; /* EGA: a letter and its colours in two bytes */
};

enum fb_style {
    FB_NORMAL, /* light grey on black */
    FB_GOOD,   /* black on green */
    FB_BAD,    /* white on red */
    FB_STYLES
};

/* About 130 KiB: keep it in static storage. */
struct fb_text {
    struct fb_mode mode;
    volatile u8 *mem; /* height * pitch bytes */
    u32 scale;        /* screen pixels of one pixel of the font */
    u32 cols, rows;
    u32 x, y;                   /* where the next letter goes; x may be cols: a wrap is due */
    u32 dirty_first, dirty_end; /* rows that may differ from the screen */
    u32 pixels[FB_STYLES][2];   /* background, letter */
    u16 want[FB_MAX_ROWS][FB_MAX_COLS]; /* letter | style << 8 */
    u16 shown[FB_MAX_ROWS][FB_MAX_COLS];
};

/*
 * Fills *t and clears the screen. 0, or -EINVAL for a mode that cannot hold a letter or that has no
 * such pixels; nothing was written then.
 */
int fb_text_init(struct fb_text *t, const struct fb_mode *mode, volatile u8 *mem);

/* Video memory is at another address now. */
void fb_text_moved(struct fb_text *t, volatile u8 *mem);

/* All blank, the next letter at the top left; seen after fb_text_flush(). */
void fb_text_clear(struct fb_text *t);

/* Letters as they come: LF ends a line, CR is ignored, what has no glyph becomes '?'. */
void fb_text_put(struct fb_text *t, const char *text, size_t len, enum fb_style style);

/* One whole line in a style that reaches to the right border. */
void fb_text_line(struct fb_text *t, const char *text, enum fb_style style);

/* Draws what has changed. */
void fb_text_flush(struct fb_text *t);

#endif
