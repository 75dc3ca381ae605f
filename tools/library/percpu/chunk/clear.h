/*
 * The hosted twin of percpu/chunk/clear.h: a program may use vector registers, which libc's
 * memset() does best from about 128 bytes on. Below, a call costs more than the stores.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LIBRARY_CLEAR_H
#define PERCH_LIBRARY_CLEAR_H

#include "kernel/base/string.h"
#include "kernel/base/types.h"

#define PCPU_FEW_BYTES 128u

typedef u64 __attribute__((vector_size(16), aligned(8), may_alias)) pcpu_clear_pair;
typedef u64 __attribute__((may_alias)) pcpu_clear_u64;

/* A piece of memory from mid to end; few is not used here. */
struct pcpu_piece {
    uintptr_t mid, end;
    u32 few;
};

static inline struct pcpu_piece pcpu_piece(uintptr_t start, uintptr_t end)
{
    return (struct pcpu_piece){start, end, 0};
}

/* size: at most PCPU_FEW_BYTES. Volatile: or the loop would become a call of memset(). */
static inline void pcpu_clear_few(uintptr_t at, size_t size)
{
    for (; size >= 16; size -= 16, at += 16)
        *(volatile pcpu_clear_pair *)at = (pcpu_clear_pair){0, 0};
    if (size)
        *(volatile pcpu_clear_u64 *)at = 0;
}

/* Clears the piece, which is whole words, at an offset of off bytes. */
static inline void pcpu_clear_piece(const struct pcpu_piece *p, u64 off)
{
    size_t size = p->end - p->mid;

    if (size <= PCPU_FEW_BYTES)
        pcpu_clear_few(p->mid + off, size);
    else
        memset((void *)(p->mid + off), 0, size);
}

/* Clears one piece in each of n units (not 0), whose offsets are in units. */
static inline void pcpu_clear_in_units(const struct pcpu_piece *p, u64 delta, const u64 *units,
                                       u32 n)
{
    for (u32 i = 0; i < n; i++)
        pcpu_clear_piece(p, delta + units[i]);
}

/* Clears size bytes at p, both multiples of 4. */
static inline void pcpu_clear(void *p, size_t size)
{
    memset(p, 0, size);
}

/* Clears n whole pages at p. */
static inline void pcpu_clear_pages(void *p, u32 n)
{
    memset(p, 0, n * PAGE_SIZE);
}

#endif
