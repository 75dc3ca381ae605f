/*
 * CRC-32, four bits at a time: a table of 64 bytes instead of 1 KiB, and fast enough.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/crc32.h"

/* Each nibble after four zero steps: polynomial 0xedb88320, bit 0 first. */
static const u32 nibble[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

u32 crc32(u32 crc, const void *data, size_t len)
{
    const u8 *p = data;

    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}
