/*
 * CRC-32 against published values, against the definition bit by bit, and in pieces.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/crc32.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "tests/host/random.h"

static const struct {
    const char *text;
    u32 crc;
} known[] = {
    {"", 0x00000000},
    {"a", 0xe8b7be43},
    {"abc", 0x352441c2},
    {"123456789", 0xcbf43926}, /* the check value of every CRC catalogue */
    {"message digest", 0x20159d7f},
    {"The quick brown fox jumps over the lazy dog", 0x414fa339},
};

/* RFC 1952, section 8, one bit at a time. */
static u32 by_definition(const u8 *p, size_t len)
{
    u32 crc = ~0u;

    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (u32 bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static void fill(u8 *buf, size_t len)
{
    u32 x = 12345;

    for (size_t i = 0; i < len; i++) {
        buf[i] = (u8)(random_lcg32(&x) >> 24);
    }
}

KTEST(crc32, known_values)
{
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        EXPECT_EQ(crc32(0, known[i].text, strlen(known[i].text)), known[i].crc);
}

KTEST(crc32, zeroes_and_ones)
{
    u8 buf[32] = {0};

    EXPECT_EQ(crc32(0, buf, sizeof(buf)), 0x190a55ad);
    memset(buf, 0xff, sizeof(buf));
    EXPECT_EQ(crc32(0, buf, sizeof(buf)), 0xff6cab0b);
}

KTEST(crc32, every_byte_as_defined)
{
    for (u32 i = 0; i < 256; i++) {
        u8 byte = (u8)i;

        EXPECT_EQ(crc32(0, &byte, 1), by_definition(&byte, 1));
    }
}

KTEST(crc32, any_length_as_defined)
{
    u8 buf[300];

    fill(buf, sizeof(buf));
    for (size_t len = 0; len <= sizeof(buf); len++)
        EXPECT_EQ(crc32(0, buf, len), by_definition(buf, len));
}

KTEST(crc32, pieces_make_the_whole)
{
    u8 buf[257];

    fill(buf, sizeof(buf));
    u32 whole = crc32(0, buf, sizeof(buf));
    for (size_t cut = 0; cut <= sizeof(buf); cut++)
        EXPECT_EQ(crc32(crc32(0, buf, cut), buf + cut, sizeof(buf) - cut), whole);
    u32 crc = 0;
    for (size_t i = 0; i < sizeof(buf); i++)
        crc = crc32(crc, buf + i, 1);
    EXPECT_EQ(crc, whole);
}

KTEST(crc32, nothing_changes_nothing)
{
    EXPECT_EQ(crc32(0, NULL, 0), 0u);
    EXPECT_EQ(crc32(0xcbf43926, NULL, 0), 0xcbf43926);
}

KTEST(crc32, one_flipped_bit_is_noticed)
{
    u8 buf[64];

    fill(buf, sizeof(buf));
    u32 whole = crc32(0, buf, sizeof(buf));
    for (u32 bit = 0; bit < 8 * sizeof(buf); bit++) {
        buf[bit / 8] ^= (u8)(1u << bit % 8);
        EXPECT_NE(crc32(0, buf, sizeof(buf)), whole);
        buf[bit / 8] ^= (u8)(1u << bit % 8);
    }
}
