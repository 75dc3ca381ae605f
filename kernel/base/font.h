/*
 * The bitmap font: printable ASCII, 8 by 13 pixels, one byte per row with the leftmost pixel in
 * bit 7. Public domain; font.c has its origin.
 * Pure data.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_FONT_H
#define PERCH_BASE_FONT_H

#include "kernel/base/types.h"

#define FONT_WIDTH  8u
#define FONT_HEIGHT 13u
#define FONT_FIRST  0x20u
#define FONT_COUNT  95u

extern const u8 font_glyphs[FONT_COUNT][FONT_HEIGHT];

#endif
