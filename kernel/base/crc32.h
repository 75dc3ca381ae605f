/*
 * CRC-32 as zlib, gzip and Ethernet compute it (reflected, polynomial 0x04c11db7, initial value and
 * final XOR all ones; RFC 1952 section 8). It shows when a log has lost bytes of a text.
 * Pure; any context; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_CRC32_H
#define PERCH_BASE_CRC32_H

#include "kernel/base/types.h"

/*
 * CRC-32 of the len bytes at data, continued from crc: 0 for the first piece, else the result for
 * the pieces before, as zlib's crc32(). Cannot fail; data may be NULL when len is 0.
 */
u32 crc32(u32 crc, const void *data, size_t len);

#endif
