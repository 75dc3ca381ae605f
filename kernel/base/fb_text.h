/*
 * Text on a frame buffer that the loader has set up: 15 to 32 bits per pixel with colour masks, or
 * EGA text. Promises whole lines, wrapped and scrolled, in letters so large that about 100 columns
 * fill the screen (twice 8 by 13 pixels at 1920 by 1080).
 *
 * Video memory is only written, and only where a letter has changed: reading it is hundreds of
 * times slower. So the text is kept as cells. A full screen scrolls by an eighth of its height at
 * once, because each scroll redraws most of it.
 *
 * Pure; one caller at a time; never allocates, never waits.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_FB_TEXT_H
#define PERCH_BASE_FB_TEXT_H

#include "kernel/base/types.h"

#define FB_MAX_COLS 256u
#define FB_MAX_ROWS 128u

/* One colour of a pixel: `size` bits from bit `pos` upwards. */
struct fb_colour {
    u8 pos, size;
};

struct fb_mode {
    u32 width, height; /* pixels; columns and rows when text is set */
    u32 pitch;         /* bytes from one row to the next */
    u32 bytes;         /* per pixel: 2, 3 or 4 */
    struct fb_colour red, green, blue;
    bool text; /* EGA: a letter and its colours in two bytes */
};

enum fb_style {
    FB_NORMAL, /* light grey on black */
    FB_GOOD,   /* black on green */
    FB_DOUBT,  /* black on amber */
    FB_BAD,    /* white on red */
    FB_STYLES
};

/* About 130 KiB: keep it in static storage. */
struct fb_text {
    struct fb_mode mode;
    volatile u8 *mem; /* height * pitch bytes */
    u32 scale;        /* screen pixels per pixel of the font */
    u32 cols, rows;
    u32 x, y;                            /* cell of the next letter; x == cols: it wraps */
    u32 dirty_first, dirty_end;          /* rows that may differ from the screen */
    u32 pixels[FB_STYLES][2];            /* background, letter */
    u16 want[FB_MAX_ROWS][FB_MAX_COLS];  /* text to show: letter | style << 8 */
    u16 shown[FB_MAX_ROWS][FB_MAX_COLS]; /* text on the screen */
};

/*
 * Fills *t and clears the screen. Returns 0, or -EINVAL for a mode too small for a letter or with
 * other pixels: then nothing is written.
 */
int fb_text_init(struct fb_text *t, const struct fb_mode *mode, volatile u8 *mem);

/* Video memory has moved to mem. */
void fb_text_moved(struct fb_text *t, volatile u8 *mem);

/* Blanks all cells; the next letter goes to the top left. Shown by fb_text_flush(). */
void fb_text_clear(struct fb_text *t);

/* Adds text. LF ends a line, CR is ignored, a character without a glyph becomes '?'. */
void fb_text_put(struct fb_text *t, const char *text, size_t len, enum fb_style style);

/* Adds one line, cut at the right border; its style fills the whole row. */
void fb_text_line(struct fb_text *t, const char *text, enum fb_style style);

/* Draws the cells that have changed. */
void fb_text_flush(struct fb_text *t);

#endif
