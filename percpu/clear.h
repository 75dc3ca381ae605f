/*
 * Clearing of object memory and of pages, for everybody in percpu/: few instructions for few bytes
 * as for many. Plain stores of 8 bytes, about 1.05 instructions per 8 bytes for a page, and no
 * call: most of what is cleared is smaller than what memset() needs to get going. The stores are
 * volatile, because the compiler would make a call of memset() out of such a loop.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CLEAR_H
#define PERCH_PERCPU_CLEAR_H

#include "kernel/base/types.h"

typedef u64 __attribute__((may_alias)) pcpu_clear_u64;
typedef u32 __attribute__((may_alias)) pcpu_clear_u32;

#define PCPU_STORE8_(p)                                                                            \
    do {                                                                                           \
        (p)[0] = 0;                                                                                \
        (p)[1] = 0;                                                                                \
        (p)[2] = 0;                                                                                \
        (p)[3] = 0;                                                                                \
        (p)[4] = 0;                                                                                \
        (p)[5] = 0;                                                                                \
        (p)[6] = 0;                                                                                \
        (p)[7] = 0;                                                                                \
    } while (0)

/* n words at d: what is more than a multiple of 16 first, by a jump into the middle. */
static inline void pcpu_clear_words(volatile pcpu_clear_u64 *d, size_t n)
{
    switch (n % 16) {
    case 15:
        d[14] = 0; /* fall through */
    case 14:
        d[13] = 0; /* fall through */
    case 13:
        d[12] = 0; /* fall through */
    case 12:
        d[11] = 0; /* fall through */
    case 11:
        d[10] = 0; /* fall through */
    case 10:
        d[9] = 0; /* fall through */
    case 9:
        d[8] = 0; /* fall through */
    case 8:
        d[7] = 0; /* fall through */
    case 7:
        d[6] = 0; /* fall through */
    case 6:
        d[5] = 0; /* fall through */
    case 5:
        d[4] = 0; /* fall through */
    case 4:
        d[3] = 0; /* fall through */
    case 3:
        d[2] = 0; /* fall through */
    case 2:
        d[1] = 0; /* fall through */
    case 1:
        d[0] = 0; /* fall through */
    default:
        break;
    }
    for (d += n % 16, n /= 16; n; n--, d += 16) {
        PCPU_STORE8_(d);
        PCPU_STORE8_(d + 8);
    }
}

/* size bytes at p, both multiples of 4. */
static inline void pcpu_clear(void *p, size_t size)
{
    if (((uintptr_t)p & 4) && size) {
        *(volatile pcpu_clear_u32 *)p = 0;
        p = (u8 *)p + 4;
        size -= 4;
    }
    pcpu_clear_words(p, size / 8);
    if (size & 4)
        *(volatile pcpu_clear_u32 *)((u8 *)p + size - 4) = 0;
}

#define PCPU_STORE32_(p)                                                                           \
    do {                                                                                           \
        PCPU_STORE8_(p);                                                                           \
        PCPU_STORE8_((p) + 8);                                                                     \
        PCPU_STORE8_((p) + 16);                                                                    \
        PCPU_STORE8_((p) + 24);                                                                    \
    } while (0)

/* n whole pages at p. A function of its own: the loop is half a page of code. */
static NOINLINE UNUSED void pcpu_clear_pages(void *p, u32 n)
{
    volatile pcpu_clear_u64 *d = p, *end = d + n * (PAGE_SIZE / 8);

    for (; d != end; d += 64) {
        PCPU_STORE32_(d);
        PCPU_STORE32_(d + 32);
    }
}

static inline void pcpu_clear_page(void *p)
{
    pcpu_clear_pages(p, 1);
}

#endif
