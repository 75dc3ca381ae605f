/*
 * Text on a frame buffer made of an array: the right pixels in every depth, wrapping, scrolling,
 * pages, and video memory that is never read.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "kernel/base/errno.h"
#include "kernel/base/fb_text.h"
#include "kernel/base/font.h"
#include "kernel/base/ktest.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

static struct fb_text t;
static u8 *mem; /* exactly the frame buffer, so that ASan sees a byte too far */

static struct fb_mode rgb_mode(u32 width, u32 height, u32 bytes)
{
    struct fb_mode m = {.width = width, .height = height, .pitch = width * bytes, .bytes = bytes};

    if (bytes == 2)
        m.red = (struct fb_colour){11, 5}, m.green = (struct fb_colour){5, 6},
        m.blue = (struct fb_colour){0, 5};
    else
        m.red = (struct fb_colour){16, 8}, m.green = (struct fb_colour){8, 8},
        m.blue = (struct fb_colour){0, 8};
    return m;
}

static int start(struct fb_mode m)
{
    size_t size = (size_t)m.pitch * m.height;

    free(mem);
    mem = malloc(size ? size : 1);
    memset(mem, 0xa5, size); /* what firmware left on the screen */
    return fb_text_init(&t, &m, mem);
}

static u32 pixel(u32 x, u32 y)
{
    u32 v = 0;

    memcpy(&v, mem + (size_t)y * t.mode.pitch + (size_t)x * t.mode.bytes, t.mode.bytes);
    return v;
}

/* The letter a reader sees in a cell, by its pixels alone; 0: no letter. */
static char letter_at(u32 row, u32 col)
{
    u32 x = col * FONT_WIDTH * t.scale, y = row * FONT_HEIGHT * t.scale;
    u32 paper = t.pixels[FB_NORMAL][0];

    for (u32 c = 0; c < FONT_COUNT; c++) {
        bool same = true;

        for (u32 dy = 0; same && dy < FONT_HEIGHT * t.scale; dy++)
            for (u32 dx = 0; same && dx < FONT_WIDTH * t.scale; dx++)
                same = (pixel(x + dx, y + dy) != paper) ==
                       (font_glyphs[c][dy / t.scale] >> (7 - dx / t.scale) & 1);
        if (same)
            return (char)(FONT_FIRST + c);
    }
    return 0;
}

static const char *row_text(u32 row)
{
    static char text[FB_MAX_COLS + 1];
    u32 end = 0;

    for (u32 col = 0; col < t.cols; col++) {
        text[col] = letter_at(row, col);
        if (text[col] != ' ')
            end = col + 1;
    }
    text[end] = 0;
    return text;
}

static void put_text(const char *text)
{
    fb_text_put(&t, text, strlen(text), FB_NORMAL);
    fb_text_flush(&t);
}

KTEST(fb_text, every_depth)
{
    static const u32 light[] = {0xce59, 0xc8c8c8, 0xc8c8c8};

    for (u32 bytes = 2; bytes <= 4; bytes++) {
        REQUIRE_EQ(start(rgb_mode(163, 60, bytes)), 0);
        EXPECT_TRUE(t.cols == 20 && t.rows == 4 && t.scale == 1);
        put_text("Perch ~!\r\n  [ 0.1] {}");
        EXPECT_STREQ(row_text(0), "Perch ~!");
        EXPECT_STREQ(row_text(1), "  [ 0.1] {}");
        EXPECT_STREQ(row_text(2), "");
        EXPECT_EQ(pixel(162, 59), 0); /* the border no letter covers is cleared too */
        EXPECT_EQ(t.pixels[FB_NORMAL][1], light[bytes - 2]);
        EXPECT_EQ(pixel(2, 2), light[bytes - 2]); /* the stem of the P */
    }
}

KTEST(fb_text, all_letters)
{
    char all[FONT_COUNT + 1] = "";

    REQUIRE_EQ(start(rgb_mode(100 * FONT_WIDTH, 40, 4)), 0);
    for (u32 i = 0; i < FONT_COUNT; i++)
        all[i] = (char)(FONT_FIRST + i);
    put_text(all);
    EXPECT_STREQ(row_text(0), all);
    put_text("\n\t\x7f\xe9");
    EXPECT_STREQ(row_text(1), "???");
}

KTEST(fb_text, readable_at_any_size)
{
    static const struct {
        u32 width, height, scale, cols, rows;
    } want[] = {
        {640, 480, 1, 80, 36},     {800, 600, 1, 100, 46},   {1024, 768, 1, 128, 59},
        {1280, 1024, 1, 160, 78},  {1920, 1080, 2, 120, 41}, {2560, 1440, 3, 106, 36},
        {3840, 2160, 4, 120, 41},  {3840, 900, 1, 256, 69},  {8, 13, 1, 1, 1},
        {1080, 1920, 1, 135, 128},
    };

    for (u32 i = 0; i < ARRAY_SIZE(want); i++) {
        REQUIRE_EQ(start(rgb_mode(want[i].width, want[i].height, 4)), 0);
        EXPECT_EQ(t.scale, want[i].scale);
        EXPECT_EQ(t.cols, want[i].cols);
        EXPECT_EQ(t.rows, want[i].rows);
    }
    REQUIRE_EQ(start(rgb_mode(1920, 1080, 4)), 0);
    put_text("firmware bug: SLIT");
    EXPECT_STREQ(row_text(0), "firmware bug: SLIT");
}

KTEST(fb_text, refused_modes)
{
    struct fb_mode m;

    EXPECT_EQ(start(rgb_mode(7, 100, 4)), -EINVAL);
    EXPECT_EQ(start(rgb_mode(100, 12, 4)), -EINVAL);
    EXPECT_EQ(start((struct fb_mode){0}), -EINVAL);
    EXPECT_EQ(start(rgb_mode(100, 100, 5)), -EINVAL);
    EXPECT_EQ(start(rgb_mode(100, 100, 1)), -EINVAL);
    m = rgb_mode(100, 100, 4);
    m.pitch = 399;
    EXPECT_EQ(start(m), -EINVAL);
    m.pitch = 402; /* pixels would not be aligned */
    EXPECT_EQ(start(m), -EINVAL);
    m = rgb_mode(100, 100, 4);
    m.green = (struct fb_colour){30, 3};
    EXPECT_EQ(start(m), -EINVAL);
    m.green = (struct fb_colour){8, 0};
    EXPECT_EQ(start(m), -EINVAL);
    EXPECT_EQ(mem[0], 0xa5); /* and nothing was written */
}

KTEST(fb_text, wraps)
{
    REQUIRE_EQ(start(rgb_mode(10 * FONT_WIDTH, 5 * FONT_HEIGHT, 4)), 0);
    put_text("0123456789");
    EXPECT_STREQ(row_text(0), "0123456789");
    put_text("\nab"); /* a line that fills the row exactly takes one row */
    EXPECT_STREQ(row_text(1), "ab");
    put_text("cdefghijkl");
    EXPECT_STREQ(row_text(1), "abcdefghij");
    EXPECT_STREQ(row_text(2), "kl");
}

/* The last lines are always there, whole and in order; earlier ones above them. */
KTEST(fb_text, scrolls)
{
    char text[32];
    u32 last = 0;

    REQUIRE_EQ(start(rgb_mode(20 * FONT_WIDTH, 16 * FONT_HEIGHT, 4)), 0);
    for (u32 i = 0; i < 100; i++) {
        ksnprintf(text, sizeof(text), "line %u\n", i);
        put_text(text);
        ksnprintf(text, sizeof(text), "line %u", i);
        REQUIRE_TRUE(t.y >= 1);
        EXPECT_STREQ(row_text(t.y - 1), text);
    }
    EXPECT_TRUE(t.y >= t.rows - 2);
    for (u32 row = 0; row + 1 < t.y; row++) {
        last = 100 - t.y + row;
        ksnprintf(text, sizeof(text), "line %u", last);
        EXPECT_STREQ(row_text(row), text);
    }
    put_text("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nend");
    EXPECT_STREQ(row_text(t.y), "end");
}

/* What somebody else left in video memory stays where no letter changes: it is never read. */
KTEST(fb_text, writes_only_what_changes)
{
    REQUIRE_EQ(start(rgb_mode(10 * FONT_WIDTH, 4 * FONT_HEIGHT, 4)), 0);
    put_text("same\nother");
    memset(mem, 0x77, (size_t)t.mode.pitch * t.mode.height);
    fb_text_clear(&t);
    put_text("same\nOther");
    EXPECT_EQ(pixel(0, 0), 0x77777777);
    EXPECT_EQ(pixel(9 * FONT_WIDTH, 0), 0x77777777);
    EXPECT_EQ(letter_at(1, 0), 'O');
    EXPECT_EQ(pixel(FONT_WIDTH, FONT_HEIGHT), 0x77777777);
}

KTEST(fb_text, moves)
{
    u8 *other;

    REQUIRE_EQ(start(rgb_mode(10 * FONT_WIDTH, 2 * FONT_HEIGHT, 4)), 0);
    put_text("ab");
    other = malloc((size_t)t.mode.pitch * t.mode.height);
    memcpy(other, mem, (size_t)t.mode.pitch * t.mode.height);
    memset(mem, 0x11, (size_t)t.mode.pitch * t.mode.height);
    fb_text_moved(&t, other);
    put_text("c");
    EXPECT_EQ(mem[2 * FONT_WIDTH * 4], 0x11);
    free(mem);
    mem = other;
    EXPECT_STREQ(row_text(0), "abc");
}

KTEST(fb_text, title_over_the_whole_width)
{
    REQUIRE_EQ(start(rgb_mode(12 * FONT_WIDTH, 4 * FONT_HEIGHT, 4)), 0);
    fb_text_line(&t, "FAILED and too long", FB_BAD);
    put_text("x");
    EXPECT_EQ(pixel(12 * FONT_WIDTH - 1, 0), 0xc01010);
    EXPECT_TRUE(t.y == 1 && t.x == 1);
    EXPECT_EQ(letter_at(1, 0), 'x');
}

KTEST(fb_text, ega_text)
{
    struct fb_mode m = {.width = 80, .height = 25, .pitch = 160, .bytes = 2, .text = true};

    REQUIRE_EQ(start(m), 0);
    EXPECT_TRUE(t.cols == 80 && t.rows == 25);
    put_text("Hi\nthere");
    EXPECT_TRUE(mem[0] == 'H' && mem[1] == 0x07 && mem[2] == 'i' && mem[160] == 't');
    EXPECT_TRUE(mem[4] == ' ' && mem[24 * 160 + 158] == ' ');
    fb_text_clear(&t);
    fb_text_line(&t, "bad", FB_BAD);
    fb_text_flush(&t);
    EXPECT_TRUE(mem[0] == 'b' && mem[1] == 0x4f && mem[159] == 0x4f);
}
