/*
 * Cells, glyphs and pixels of the screen's text.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/fb_text.h"

#include "kernel/base/errno.h"
#include "kernel/base/font.h"
#include "kernel/base/string.h"

/* The scale is the largest with which this much text fits the screen. */
#define SCALE_COLS 100u
#define SCALE_ROWS 36u

struct rgb {
    u8 r, g, b;
};

static const struct rgb colours[FB_STYLES][2] = {
    [FB_NORMAL] = {{0, 0, 0}, {0xc8, 0xc8, 0xc8}},
    [FB_GOOD] = {{0x20, 0xb0, 0x40}, {0, 0, 0}},
    [FB_DOUBT] = {{0xf0, 0xa0, 0x10}, {0, 0, 0}},
    [FB_BAD] = {{0xc0, 0x10, 0x10}, {0xff, 0xff, 0xff}},
};

/* EGA attributes: letter in bits 3:0, background in bits 6:4 (bit 7 may mean blinking). */
static const u8 ega[FB_STYLES] = {0x07, 0x20, 0x60, 0x4f};

static u32 field(struct fb_colour c, u8 value)
{
    u32 v = c.size < 8 ? (u32)value >> (8 - c.size) : (u32)value << (c.size - 8);

    return v << c.pos;
}

static u32 pixel_of(const struct fb_mode *m, struct rgb c)
{
    return field(m->red, c.r) | field(m->green, c.g) | field(m->blue, c.b);
}

static bool colour_fits(const struct fb_mode *m, struct fb_colour c)
{
    return c.size >= 1 && c.size <= 16 && (u32)c.pos + c.size <= 8 * m->bytes;
}

static bool mode_ok(const struct fb_mode *m)
{
    u32 bytes = m->text ? 2 : m->bytes;

    if (!bytes || !m->width || !m->height || bytes > 4 || m->pitch / bytes < m->width ||
        (bytes != 3 && m->pitch % bytes))
        return false;
    if (m->text)
        return true;
    return m->width >= FONT_WIDTH && m->height >= FONT_HEIGHT && m->bytes >= 2 && m->bytes <= 4 &&
           colour_fits(m, m->red) && colour_fits(m, m->green) && colour_fits(m, m->blue);
}

static u32 scale_of(const struct fb_mode *m)
{
    u32 s = MIN(m->width / (FONT_WIDTH * SCALE_COLS), m->height / (FONT_HEIGHT * SCALE_ROWS));

    return MAX(s, 1U);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void put_pixel(const struct fb_text *t, volatile u8 *at, u32 v)
{
    switch (t->mode.bytes) {
    case 2:
        *(volatile u16 *)at = (u16)v;
        break;
    case 3:
        at[0] = (u8)v;
        at[1] = (u8)(v >> 8);
        at[2] = (u8)(v >> 16);
        break;
    default:
        *(volatile u32 *)at = v;
    }
}

/* One row of a glyph, each pixel `scale` wide. In the order of memory, so that writes combine. */
static void draw_row(const struct fb_text *t, volatile u8 *at, u8 bits, const u32 *pixels)
{
    for (u32 x = 0; x < FONT_WIDTH; x++) {
        u32 v = pixels[bits >> (7 - x) & 1];

        for (u32 i = 0; i < t->scale; i++, at += t->mode.bytes)
            put_pixel(t, at, v);
    }
}

static void draw_cell(struct fb_text *t, u32 row, u32 col)
{
    u16 cell = t->want[row][col];
    u32 style = cell >> 8;
    const u8 *glyph = font_glyphs[(cell & 0xff) - FONT_FIRST];
    u32 high = FONT_HEIGHT * t->scale, wide = FONT_WIDTH * t->scale * t->mode.bytes;
    volatile u8 *at = t->mem + (size_t)row * high * t->mode.pitch + (size_t)col * wide;

    t->shown[row][col] = cell;
    if (t->mode.text) {
        at = t->mem + (size_t)row * t->mode.pitch + (size_t)col * 2;
        *(volatile u16 *)at = (u16)((cell & 0xff) | ega[style] << 8);
        return;
    }
    for (u32 y = 0; y < high; y++)
        draw_row(t, at + (size_t)y * t->mode.pitch, glyph[y / t->scale], t->pixels[style]);
}

void fb_text_flush(struct fb_text *t)
{
    for (u32 row = t->dirty_first; row < t->dirty_end; row++)
        for (u32 col = 0; col < t->cols; col++)
            if (t->want[row][col] != t->shown[row][col])
                draw_cell(t, row, col);
    t->dirty_first = t->rows;
    t->dirty_end = 0;
}

/* The whole screen, with the borders outside of the cells. */
static void blank_screen(struct fb_text *t)
{
    u32 blank = t->mode.text ? ' ' | (u32)ega[FB_NORMAL] << 8 : t->pixels[FB_NORMAL][0];

    for (u32 y = 0; y < t->mode.height; y++) {
        volatile u8 *at = t->mem + (size_t)y * t->mode.pitch;

        for (u32 x = 0; x < t->mode.width; x++, at += t->mode.bytes)
            put_pixel(t, at, blank);
    }
}

/* ---- cells ----------------------------------------------------------------------------------- */

static void touch(struct fb_text *t, u32 first, u32 end)
{
    t->dirty_first = MIN(t->dirty_first, first);
    t->dirty_end = MAX(t->dirty_end, end);
}

static void blank_rows(struct fb_text *t, u32 first, u32 end)
{
    for (u32 row = first; row < end; row++)
        for (u32 col = 0; col < t->cols; col++)
            t->want[row][col] = ' ';
    touch(t, first, end);
}

void fb_text_clear(struct fb_text *t)
{
    blank_rows(t, 0, t->rows);
    t->x = t->y = 0;
}

int fb_text_init(struct fb_text *t, const struct fb_mode *mode, volatile u8 *mem)
{
    if (!mode_ok(mode))
        return -EINVAL;
    t->mode = *mode;
    t->mem = mem;
    t->scale = 1;
    t->cols = MIN(mode->width, FB_MAX_COLS);
    t->rows = MIN(mode->height, FB_MAX_ROWS);
    if (mode->text) {
        t->mode.bytes = 2;
    } else {
        t->scale = scale_of(mode);
        t->cols = MIN(mode->width / (FONT_WIDTH * t->scale), FB_MAX_COLS);
        t->rows = MIN(mode->height / (FONT_HEIGHT * t->scale), FB_MAX_ROWS);
    }
    for (u32 s = 0; s < FB_STYLES; s++)
        for (u32 i = 0; i < 2 && !mode->text; i++)
            t->pixels[s][i] = pixel_of(mode, colours[s][i]);
    fb_text_clear(t);
    memcpy(t->shown, t->want, sizeof(t->shown));
    blank_screen(t);
    t->dirty_first = t->rows;
    t->dirty_end = 0;
    return 0;
}

void fb_text_moved(struct fb_text *t, volatile u8 *mem)
{
    t->mem = mem;
}

static void scroll(struct fb_text *t)
{
    u32 by = MAX(t->rows / 8, 1U);

    memmove(t->want[0], t->want[by], (t->rows - by) * sizeof(t->want[0]));
    blank_rows(t, t->rows - by, t->rows);
    t->y -= by;
    touch(t, 0, t->rows);
}

static void put_glyph(struct fb_text *t, u8 c, enum fb_style style)
{
    if (t->x == t->cols) {
        t->x = 0;
        t->y++;
    }
    if (t->y == t->rows)
        scroll(t);
    if (c < FONT_FIRST || c >= FONT_FIRST + FONT_COUNT)
        c = '?';
    t->want[t->y][t->x++] = (u16)(c | style << 8);
    touch(t, t->y, t->y + 1);
}

void fb_text_put(struct fb_text *t, const char *text, size_t len, enum fb_style style)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r')
            continue;
        if (text[i] != '\n') {
            put_glyph(t, (u8)text[i], style);
            continue;
        }
        if (t->y == t->rows)
            scroll(t); /* an empty line below the last one */
        t->x = 0;
        t->y++;
    }
}

void fb_text_line(struct fb_text *t, const char *text, enum fb_style style)
{
    size_t len = strlen(text);

    if (len > t->cols)
        len = t->cols; /* a page must not scroll */
    fb_text_put(t, text, len, style);
    while (t->x < t->cols)
        put_glyph(t, ' ', style);
    t->x = 0;
    t->y++;
}
